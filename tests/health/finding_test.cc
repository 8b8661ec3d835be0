#include "varstored/health/finding.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "health/states.h"
#include "support/real_data.h"
#include "support/signing.h"
#include "varstored/health/fix.h"
#include "varstored/health/report.h"
#include "varstored/health/text.h"

namespace varstored::health {
namespace {

using base::Bytes;

constexpr std::uint32_t kHashesThatFit = (57344 - 28) / 48;

const Bytes& SomeCertificate() {
  static const Bytes certificate = test::Identity::Make().certificate();
  return certificate;
}

/// Nothing is wrong with it.
State Healthy() {
  State state;
  state.entries = {Make("Lang", {'e', 'n', 'g', 0}),
                   Make("BootOrder", {2, 0, 1, 0}),
                   Make("Boot0001", BootOptionData(u"Linux", u"\\a")),
                   Make("Boot0002", BootOptionData(u"Shell", u"\\b")),
                   Make(efi::kPk, CertificateList(kSomebody, SomeCertificate())),
                   Make(efi::kKek, CertificateList(kSomebody, SomeCertificate())),
                   Make(efi::kDb, CertificateList(kSomebody, SomeCertificate())),
                   Make(efi::kDbx, HashList(kMicrosoft, 0, 10))};
  return state;
}

store::Entry& EntryOf(State& state, const std::string& name) {
  for (store::Entry& entry : state.entries) {
    if (efi::NameToUtf8(entry.name()) == name) {
      return entry;
    }
  }
  ADD_FAILURE() << "no " << name;
  return state.entries.front();
}

std::vector<std::string> NamesOf(const std::vector<Finding>& findings) {
  std::vector<std::string> names;
  for (const Finding& finding : findings) {
    std::string name(TypeOf(finding.kind).name);
    if (finding.variable) {
      name += " " + efi::NameToUtf8(finding.variable->name);
    }
    names.push_back(name);
  }
  return names;
}

/// A state with one thing wrong.
struct Case {
  std::string finding;  // its name, and the variable's
  std::function<void(State&)> spoil;
  /// The record that is right again, as it should be; nothing: it is gone; no function: no fix.
  std::function<std::optional<store::Entry>()> mended = {};
};

std::vector<Case> Cases() {
  const Bytes certificate = CertificateList(kSomebody, SomeCertificate());
  const Bytes no_certificate = CertificateList(kSomebody, Bytes(40, 1));
  const Bytes twice = HashList(kSomebody, 0, 10) + HashList(kMicrosoft, 5, 10);
  // Too much of it, and half of it under another owner.
  const Bytes too_much = HashList(kMicrosoft, 0, 900) + HashList(kSomebody, 100, 600);
  return {
      {"record-duplicate Lang",
       [](State& state) {
         state.entries.push_back(Make("Lang", {'f', 'r', 0}));
       },
       [] {
         return Make("Lang", {'f', 'r', 0});
       }},
      {"record-malformed Lang",
       [](State& state) { EntryOf(state, "Lang") = Make("Lang", {1}, 0x107); },
       [] { return Make("Lang", {1}, 0x07); }},
      {"record-malformed Lang",
       [](State& state) { EntryOf(state, "Lang") = Make("Lang", {1}, 0x01); },
       [] { return Make("Lang", {1}, 0x03); }},
      {"record-malformed dbx",
       [](State& state) {
         EntryOf(state, "dbx") = Make(efi::kDbx, HashList(kMicrosoft, 0, 10), 0x07);
       },
       [] { return Make(efi::kDbx, HashList(kMicrosoft, 0, 10)); }},
      {"record-malformed La\uFFFD",
       [](State& state) {
         EntryOf(state, "Lang") = store::MakeEntry({.name = std::string("L\0a\0n", 5),
                                                    .vendor = efi::kGlobalVariableGuid,
                                                    .attributes = 7,
                                                    .data = {1}});
       },
       [] { return std::nullopt; }},
      {"lists-malformed dbx",
       [](State& state) {
         EntryOf(state, "dbx") = Make(efi::kDbx, HashList(kMicrosoft, 0, 3) + Bytes(30, 7));
       },
       [] { return Make(efi::kDbx, HashList(kMicrosoft, 0, 3)); }},
      {"lists-malformed db",
       [=](State& state) { EntryOf(state, "db") = Make(efi::kDb, no_certificate + certificate); },
       [=] { return Make(efi::kDb, certificate); }},
      {"lists-malformed db",
       [=](State& state) { EntryOf(state, "db") = Make(efi::kDb, no_certificate); }},
      {"lists-malformed PK",
       [=](State& state) { EntryOf(state, "PK") = Make(efi::kPk, certificate + certificate); }},
      {"lists-malformed PK",
       [](State& state) {
         EntryOf(state, "PK") = Make(efi::kPk, {1, 2});
       }},
      {"variable-oversized Lang",
       [](State& state) { EntryOf(state, "Lang") = Make("Lang", Bytes(57345, 1)); }},
      {"variable-oversized db",
       [=](State& state) {
         Bytes all = HashList(kMicrosoft, 0, kHashesThatFit) + HashList(kMicrosoft, 0, 10);
         EntryOf(state, "db") = Make(efi::kDb, all);
       },
       [] { return Make(efi::kDb, HashList(kMicrosoft, 0, kHashesThatFit)); }},
      {"revocations-doubled dbx",
       [=](State& state) { EntryOf(state, "dbx") = Make(efi::kDbx, twice); },
       // Microsoft's copy of each, and what only the other one has.
       [] { return Make(efi::kDbx, HashList(kSomebody, 0, 5) + HashList(kMicrosoft, 5, 10)); }},
      {"revocations-doubled dbx",
       [](State& state) {
         EntryOf(state, "dbx") =
             Make(efi::kDbx, HashList(kMicrosoft, 0, 10) + HashList(kMicrosoft, 3, 4));
       },
       [] { return Make(efi::kDbx, HashList(kMicrosoft, 0, 10)); }},
      {"owner-microsoft-not db",
       [](State& state) {
         EntryOf(state, "db") = Make(efi::kDb, CertificateList(kMicrosoft, SomeCertificate()));
       }},
      {"secure-boot-without-pk PK",
       [](State& state) {
         std::erase_if(state.entries, [](const store::Entry& entry) {
           return efi::kPk.Is(entry.name(), entry.vendor());
         });
       }},
      {"secure-boot-without-db db",
       [](State& state) {
         std::erase_if(state.entries, [](const store::Entry& entry) {
           return efi::kDb.Is(entry.name(), entry.vendor());
         });
       }},
      {"store-overfull",
       [](State& state) {
         state.entries.push_back(Make("A", Bytes(57344, 1)));
         state.entries.push_back(Make("B", Bytes(57344, 1)));
         state.entries.push_back(Make("C", Bytes(20000, 1)));
       }},
      {"store-nearly-full",
       [](State& state) {
         state.entries.push_back(Make("A", Bytes(57344, 1)));
         state.entries.push_back(Make("B", Bytes(40000, 1)));
       }},
      {"store-nearly-full dbx",
       [](State& state) {
         EntryOf(state, "dbx") = Make(efi::kDbx, HashList(kMicrosoft, 0, kHashesThatFit - 100));
       }},
      {"boot-order-dangling BootOrder",
       [](State& state) {
         EntryOf(state, "BootOrder") = Make("BootOrder", {9, 0, 2, 0, 1, 0, 9});
       },
       [] {
         return Make("BootOrder", {2, 0, 1, 0});
       }},
      {"boot-order-dangling BootOrder",
       [](State& state) {
         EntryOf(state, "BootOrder") = Make("BootOrder", {2, 0, 1, 0, 9});
       },
       [] {
         return Make("BootOrder", {2, 0, 1, 0});
       }},
      {"boot-order-dangling BootOrder",
       [](State& state) {
         EntryOf(state, "Boot0001") = Make("Boot0001", {1, 2, 3});
       },
       [] {
         return Make("BootOrder", {2, 0});
       }},
      {"boot-order-dangling BootOrder",
       [](State& state) {
         EntryOf(state, "BootOrder") = Make("BootOrder", {9, 0});
       },
       [] { return std::nullopt; }},
      {"boot-order-dangling BootNext",
       [](State& state) {
         state.entries.push_back(Make("BootNext", {9, 0}));
       },
       [] { return std::nullopt; }},
      {"boot-order-repeats BootOrder",
       [](State& state) {
         EntryOf(state, "BootOrder") = Make("BootOrder", {2, 0, 1, 0, 2, 0, 1, 0, 1, 0});
       },
       [] {
         return Make("BootOrder", {2, 0, 1, 0});
       }},
      {"db-all-revoked db",
       [=](State& state) { EntryOf(state, "dbx") = Make(efi::kDbx, certificate); }},
      {"variable-oversized dbx",
       [=](State& state) { EntryOf(state, "dbx") = Make(efi::kDbx, too_much); },
       [] { return Make(efi::kDbx, HashList(kMicrosoft, 0, 900)); }},
  };
}

bool IsOf(const store::Entry& entry, const Finding& finding) {
  return finding.variable && entry.name() == finding.variable->name &&
         entry.vendor() == finding.variable->vendor;
}

TEST(FindingTypes, AreTheRowsOfTheirKinds) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < FindingTypes().size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(FindingTypes()[i].kind), i);
    EXPECT_TRUE(names.insert(FindingTypes()[i].name).second);
  }
}

TEST(Findings, AHealthyStateHasNone) {
  EXPECT_EQ(NamesOf(FindingsOf(Healthy(), VmContext())), std::vector<std::string>());
  EXPECT_EQ(NamesOf(FindingsOf(State(), Context())), std::vector<std::string>());
}

TEST(Findings, EachIsFoundAndMendedAndNothingElseChanges) {
  for (const Case& row : Cases()) {
    State spoiled = Healthy();
    row.spoil(spoiled);
    const std::vector<Finding> findings = FindingsOf(spoiled, VmContext());
    const std::vector<std::string> names = NamesOf(findings);
    const auto place = std::find(names.begin(), names.end(), row.finding);
    ASSERT_NE(place, names.end()) << row.finding << ": only " << ::testing::PrintToString(names);
    const Finding& finding = findings[static_cast<std::size_t>(place - names.begin())];
    EXPECT_FALSE(finding.explanation.empty()) << row.finding;
    EXPECT_EQ(finding.is_fixable, row.mended != nullptr) << row.finding;
    const State fixed = Fix(spoiled, finding);
    if (!row.mended) {
      EXPECT_TRUE(fixed.entries == spoiled.entries) << row.finding;
      continue;
    }
    // It is gone, and nothing new came.
    const std::vector<std::string> left = NamesOf(FindingsOf(fixed, VmContext()));
    EXPECT_EQ(std::count(left.begin(), left.end(), row.finding), 0) << row.finding;
    for (const std::string& name : left) {
      EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << row.finding << ": " << name;
    }
    // The records are those that were there, in their places, but for the mended one.
    std::vector<store::Entry> expected;
    bool is_done = false;
    for (const store::Entry& entry : spoiled.entries) {
      if (!IsOf(entry, finding)) {
        expected.push_back(entry);
      } else if (!is_done && row.mended()) {
        expected.push_back(*row.mended());
        is_done = true;
      }
    }
    EXPECT_TRUE(fixed.entries == expected) << row.finding;
    EXPECT_TRUE(fixed.ancillary == spoiled.ancillary);
    // Fixing it again changes nothing.
    EXPECT_TRUE(Fix(fixed, finding).entries == fixed.entries) << row.finding;
  }
}

TEST(Findings, AllTogetherAreMendedAsFarAsTheyCanBe) {
  State state = Healthy();
  const std::vector<Case> cases = Cases();
  for (const Case& row : cases) {
    if (row.mended && row.finding != "record-malformed La\uFFFD") {
      row.spoil(state);
    }
  }
  state.damage.push_back({12, 3, "a test"});
  const Repaired repaired = FixAll(state, VmContext());
  EXPECT_FALSE(repaired.fixed.empty());
  EXPECT_TRUE(repaired.state.damage.empty());
  for (const Finding& finding : repaired.left) {
    EXPECT_FALSE(finding.is_fixable) << TypeOf(finding.kind).name;
  }
  EXPECT_EQ(NamesOf(repaired.left), NamesOf(FindingsOf(repaired.state, VmContext())));
}

TEST(Findings, ABrokenBlobIsOneAndItsRepairIsTheSavedRecords) {
  State state = Healthy();
  state.damage = {{292, 40, "no record begins here"}, {8, 0, "the header is wrong"}};
  const std::vector<Finding> findings = FindingsOf(state, VmContext());
  ASSERT_EQ(NamesOf(findings), std::vector<std::string>{"blob-unreadable"});
  EXPECT_NE(findings[0].explanation.find("offset 292: no record begins here"), std::string::npos);
  const State fixed = Fix(state, findings[0]);
  EXPECT_TRUE(fixed.damage.empty());
  EXPECT_TRUE(fixed.entries == state.entries);
  EXPECT_TRUE(ReadState(EncodeState(fixed)).entries == state.entries);
}

TEST(Findings, ABrokenBlobNamesEveryKeyThatIsLeftOut) {
  State state = Healthy();
  std::erase_if(state.entries, [](const store::Entry& entry) {
    return efi::kPk.Is(entry.name(), entry.vendor()) || efi::kDbx.Is(entry.name(), entry.vendor());
  });
  state.damage = {{292, 40, "no record begins here"}};
  const auto leave_out = [&state](const store::Entry& entry) {
    state.damage.push_back(
        {400, 40, "behind", VariableId{std::string(entry.name()), entry.vendor()}});
  };
  for (int i = 0; i < 9; ++i) {
    leave_out(Make("Other" + std::to_string(i), {1}));
  }
  // Twice, and not in their order.
  for (const auto& key : {efi::kDbx, efi::kDb, efi::kKek, efi::kPk, efi::kDb}) {
    leave_out(Make(key, {1}));
  }
  // A name of a key with another GUID is none.
  leave_out(Make("dbt", {1}));
  const Repaired repaired = FixAll(state, VmContext());
  ASSERT_EQ(NamesOf(repaired.fixed), std::vector<std::string>{"blob-unreadable"});
  EXPECT_NE(repaired.fixed[0].explanation.find(
                " Keys of Secure Boot are left out: PK, KEK, db and dbx. Other variables are left "
                "out: Other0, Other1, Other2, Other3 and 6 more. "),
            std::string::npos)
      << repaired.fixed[0].explanation;
  const std::vector<std::string> keys = {"PK", "KEK", "db", "dbx"};
  EXPECT_EQ(repaired.lost_keys, keys);
}

TEST(Findings, ARepairWithoutDamageLosesNoKey) {
  for (const Case& row : Cases()) {
    State state = Healthy();
    row.spoil(state);
    EXPECT_TRUE(FixAll(state, VmContext()).lost_keys.empty()) << row.finding;
  }
}

TEST(Findings, CompactionKeepsEveryRevocation) {
  State state = Healthy();
  EntryOf(state, "dbx") =
      Make(efi::kDbx, HashList(kSomebody, 0, 300) + CertificateList(kSomebody, SomeCertificate()) +
                          HashList(kMicrosoft, 200, 300) + HashList(kSomebody, 0, 5));
  const auto hashes_in = [](const Bytes& data) {
    std::multiset<Bytes> hashes;
    const auto lists = efi::ParseSignatureLists(data);
    for (const efi::SignatureList& list : *lists) {
      for (const efi::SignatureEntry& entry : list.entries) {
        hashes.insert(base::ToBytes(entry.data));
      }
    }
    return hashes;
  };
  const auto before = hashes_in(EntryOf(state, "dbx").data());
  Repaired repaired = FixAll(state, VmContext());
  const auto after = hashes_in(EntryOf(repaired.state, "dbx").data());
  EXPECT_EQ(std::set<Bytes>(before.begin(), before.end()),
            std::set<Bytes>(after.begin(), after.end()));
  EXPECT_EQ(after.size(), 501U);
}

TEST(Findings, WhatTheHostWantsDecidesAboutKeys) {
  State state = Healthy();
  state.entries.clear();
  Context context = VmContext();
  EXPECT_EQ(NamesOf(FindingsOf(state, context)),
            std::vector<std::string>{"secure-boot-without-pk PK"});
  context.is_first_boot = true;
  EXPECT_TRUE(FindingsOf(state, context).empty()) << "the first boot brings the host's keys";
  context.is_first_boot = false;
  context.secure_boot = false;
  EXPECT_TRUE(FindingsOf(state, context).empty());
  // What it wanted before counts where nobody knows better.
  context.secure_boot_at_last_start = true;
  EXPECT_TRUE(FindingsOf(state, context).empty());
  context.secure_boot = std::nullopt;
  const auto findings = FindingsOf(state, context);
  ASSERT_EQ(NamesOf(findings), std::vector<std::string>{"secure-boot-without-pk PK"});
  EXPECT_TRUE(findings[0].explanation.starts_with("The host wanted Secure Boot at the last start"))
      << findings[0].explanation;
  context.secure_boot_at_last_start = false;
  EXPECT_TRUE(FindingsOf(state, context).empty());
  context.secure_boot.reset();
  EXPECT_TRUE(FindingsOf(state, context).empty());
  // A platform key without db: only where it is known that nobody verifies it is none.
  state.entries = {Make(efi::kPk, CertificateList(kSomebody, SomeCertificate()))};
  EXPECT_EQ(NamesOf(FindingsOf(state, context)),
            std::vector<std::string>{"secure-boot-without-db db"});
  context.secure_boot = false;
  EXPECT_TRUE(FindingsOf(state, context).empty());
  // The save file of a VM that runs says it too.
  context.secure_boot.reset();
  state.entries.push_back(Make(efi::kSecureBoot, {0}, 0x06));
  EXPECT_TRUE(FindingsOf(state, context).empty());
}

TEST(Findings, CommandsAreOneLineAndNameTheTarget) {
  for (const std::string& target : {std::string("1c9a3a52-6d0a-4b3e-8e3d-0c2f6f7f2b11"),
                                    std::string("/tmp/my vm\n\x1b[31m'")}) {
    Context context = VmContext();
    context.target = target;
    context.is_vm = target.size() == 36;
    for (const Case& row : Cases()) {
      State state = Healthy();
      row.spoil(state);
      for (const Finding& finding : FindingsOf(state, context)) {
        EXPECT_EQ(ForTerminal(finding.command), finding.command);
        if (!finding.command.empty()) {
          EXPECT_NE(finding.command.find(ShellWord(target)), std::string::npos) << finding.command;
        }
      }
    }
  }
}

// varstore-sb-state, which replaces all keys, is for a VM that has none.
TEST(Findings, TheCommandIsTheSmallestThatHelps) {
  struct Row {
    std::string finding;
    std::function<void(State&)> spoil;
    std::string command;  // behind the VM
    std::string effect;
  };
  const auto remove = [](State& state, const std::string& name) {
    std::erase_if(state.entries, [&name](const store::Entry& entry) {
      return efi::NameToUtf8(entry.name()) == name;
    });
  };
  const std::string global = " 8be4df61-93ca-11d2-aa0d-00e098032b8c ";
  const std::string security = " d719b2cb-3d3a-4596-a3bc-dad00e67656f ";
  const std::vector<Row> rows = {
      {"lists-malformed dbr", [](State& state) { state.entries.push_back(Make(efi::kDbr, {1})); },
       security + "dbr", "removes dbr alone"},
      {"lists-malformed dbt", [](State& state) { state.entries.push_back(Make(efi::kDbt, {1})); },
       security + "dbt", "removes dbt alone"},
      {"lists-malformed PK", [](State& state) { EntryOf(state, "PK") = Make(efi::kPk, {1}); },
       global + "PK 0x27 /var/lib/varstored/PK.auth", "replaces PK alone"},
      {"secure-boot-without-pk PK", [&](State& state) { remove(state, "PK"); },
       global + "PK 0x27 /var/lib/varstored/PK.auth", "replaces PK alone"},
      {"secure-boot-without-pk PK", [](State& state) { state.entries.clear(); }, " user",
       "replaces PK, KEK, db and dbx"},
      {"secure-boot-without-db db", [&](State& state) { remove(state, "db"); },
       security + "db 0x27 /var/lib/varstored/db.auth", "replaces db alone"},
      {"key-under-wrong-guid db", [](State& state) { state.entries.push_back(Make("db", {1})); },
       global + "db", "db counts under d719b2cb-"},
  };
  for (const Row& row : rows) {
    State state = Healthy();
    row.spoil(state);
    const auto findings = FindingsOf(state, VmContext());
    ASSERT_EQ(NamesOf(findings), std::vector<std::string>{row.finding});
    const Finding& finding = findings.front();
    EXPECT_TRUE(finding.command.ends_with(VmContext().target + row.command)) << finding.command;
    EXPECT_NE(finding.explanation.find(row.effect), std::string::npos) << finding.explanation;
  }
}

TEST(Findings, KeysThatTheHostManagesAreNone) {
  const base::Bytes managed =
      Lists(efi::SignatureKind::kExternalManagement, kSomebody, {base::Bytes(1)});
  State state = Healthy();
  for (store::Entry& entry : state.entries) {
    if (efi::kPk.Is(entry.name(), entry.vendor())) {
      entry = Make(efi::kPk, managed);
    } else if (efi::kKek.Is(entry.name(), entry.vendor())) {
      entry = Make(efi::kKek, managed + entry.data());
    }
  }
  EXPECT_EQ(FindingsOf(state, VmContext()).size(), 0U);
  const Report report = MakeReport(state, VmContext());
  EXPECT_TRUE(report.is_user_mode);
  EXPECT_TRUE(report.keys[0].is_managed_by_host);
  EXPECT_FALSE(report.keys[1].is_managed_by_host) << "a certificate can sign for it";
  EXPECT_FALSE(report.keys[1].certificates.empty());
}

TEST(Findings, AListWithoutEntriesIsNone) {
  State state = Healthy();
  for (store::Entry& entry : state.entries) {
    if (efi::kDbx.Is(entry.name(), entry.vendor())) {
      base::Writer list;
      list.WriteBytes(efi::TypeOf(efi::SignatureKind::kSha256).guid.bytes);
      for (const std::uint32_t size : {28U, 0U, 48U}) {
        list.WriteU32(size);
      }
      entry = Make(efi::kDbx, list.Take() + entry.data());
    }
  }
  EXPECT_EQ(FindingsOf(state, VmContext()).size(), 0U);
}

TEST(Report, BootOptionsComeInTheOrderInWhichTheyAreTried) {
  State state = Healthy();
  state.entries.push_back(Make("Boot0000", BootOptionData(u"Hidden", u"\\h")));
  EntryOf(state, "BootOrder") = Make("BootOrder", {2, 0, 7, 0, 1, 0, 2, 0});
  const Report report = MakeReport(state, VmContext());
  std::vector<int> numbers;
  for (const BootOption& option : report.boot_options) {
    numbers.push_back(option.number);
  }
  EXPECT_EQ(numbers, (std::vector<int>{2, 7, 1, 0}));
  EXPECT_EQ(report.boot_options[0].description, "Shell");
  EXPECT_FALSE(report.boot_options[1].is_present);
  EXPECT_FALSE(report.boot_options[3].is_ordered);
}

TEST(Report, CountsWhatTheStoreWillCount) {
  const Report report = MakeReport(State(), VmContext());
  // The nine variables that are always there.
  EXPECT_TRUE(report.usage.variables.empty());
  EXPECT_GT(report.usage.used_bytes, 9 * store::kOverheadBytes);
  State twice = Healthy();
  twice.entries.push_back(Make("Lang", Bytes(100, 1)));
  State once = Healthy();
  EntryOf(once, "Lang") = Make("Lang", Bytes(100, 1));
  EXPECT_EQ(MakeReport(twice, VmContext()).usage.used_bytes,
            MakeReport(once, VmContext()).usage.used_bytes);
}

class RealCertificatesTest : public test::RealDataTest {
 protected:
  Bytes Certificate(const std::string& file) {
    return Read("secureboot_objects/certificates/" + file);
  }
};

TEST_F(RealCertificatesTest, OnlyTheOldOnesAreAFindingInEachVariable) {
  State state = Healthy();
  const Bytes kek_2011 = CertificateList(kMicrosoft, Certificate("MicCorKEKCA2011_2011-06-24.der"));
  const Bytes db_2011 = CertificateList(kMicrosoft, Certificate("MicWinProPCA2011_2011-10-19.der"));
  EntryOf(state, "KEK") = Make(efi::kKek, kek_2011);
  EntryOf(state, "db") = Make(efi::kDb, db_2011);
  const auto findings = FindingsOf(state, VmContext());
  EXPECT_EQ(NamesOf(findings),
            (std::vector<std::string>{"certificates-2011-only KEK", "certificates-2011-only db",
                                      "revocations-missing dbx"}));
  EXPECT_EQ(findings[0].explanation,
            "It holds Microsoft Corporation KEK CA 2011, which expired on 2026-06-24, without "
            "Microsoft Corporation KEK 2K CA 2023. Updates of dbx that are signed with the new one "
            "will be refused.");
  EXPECT_NE(findings[1].explanation.find("which expires on 2026-10-19"), std::string::npos)
      << findings[1].explanation;
  // The same for a file, and for each of the two.
  EXPECT_EQ(findings[0].command, "varstore-repair --fix-certificates " + VmContext().target);
  EXPECT_EQ(findings[1].command, findings[0].command);
  const Report report = MakeReport(state, VmContext());
  EXPECT_EQ(report.keys[1].certificates[0].name, "Microsoft Corporation KEK CA 2011");
  EXPECT_EQ(report.keys[1].certificates[0].not_after, 1782334289);
  EXPECT_TRUE(report.keys[1].certificates[0].has_expired);
  EXPECT_EQ(report.keys[1].certificates[0].microsoft_year, 2011);
  EXPECT_TRUE(report.successions[0].has_old);
  EXPECT_FALSE(report.successions[0].has_new);
  EntryOf(state, "KEK") =
      Make(efi::kKek,
           kek_2011 + CertificateList(kMicrosoft,
                                      Certificate("microsoft_corporation_kek_2k_ca_2023.der")));
  EntryOf(state, "db") = Make(
      efi::kDb, db_2011 + CertificateList(kMicrosoft, Certificate("windows_uefi_ca_2023.der")));
  EXPECT_EQ(NamesOf(FindingsOf(state, VmContext())),
            std::vector<std::string>{"revocations-missing dbx"});
}

TEST_F(RealCertificatesTest, AnotherOwnerOfMicrosoftsIsMended) {
  State state = Healthy();
  const Bytes der = Certificate("microsoft_corporation_kek_2k_ca_2023.der");
  const Bytes own = CertificateList(kSomebody, SomeCertificate());
  EntryOf(state, "KEK") = Make(efi::kKek, CertificateList(kSomebody, der) + own);
  const auto findings = FindingsOf(state, VmContext());
  ASSERT_EQ(NamesOf(findings),
            (std::vector<std::string>{"owner-not-microsoft KEK", "kek-without-2011 KEK"}));
  State fixed = Fix(state, findings[0]);
  // One's own certificates keep their owner.
  EXPECT_TRUE(EntryOf(fixed, "KEK").data() == CertificateList(kMicrosoft, der) + own);
  EXPECT_EQ(NamesOf(FindingsOf(fixed, VmContext())),
            std::vector<std::string>{"kek-without-2011 KEK"});
  // Once is enough.
  EntryOf(state, "KEK") =
      Make(efi::kKek, CertificateList(kSomebody, der) + own + CertificateList(kMicrosoft, der));
  fixed = FixAll(state, VmContext()).state;
  EXPECT_TRUE(EntryOf(fixed, "KEK").data() == CertificateList(kMicrosoft, der) + own);
}

TEST_F(RealCertificatesTest, MicrosoftsListIsKnownByItsMarks) {
  const Bytes update = Read("secureboot_objects/dbx/DBXUpdate_amd64.bin");
  const std::size_t signature_bytes = update[16] + update[17] * 256U;
  const Bytes lists(update.begin() + 16 + static_cast<std::ptrdiff_t>(signature_bytes),
                    update.end());
  State state = Healthy();
  EntryOf(state, "dbx") = Make(efi::kDbx, lists);
  Report report = MakeReport(state, VmContext());
  EXPECT_EQ(report.revocations.distinct, 443U);
  EXPECT_EQ(report.revocations.newest_known_count, 443U);
  EXPECT_TRUE(report.revocations.seems_current);
  EXPECT_EQ(report.revocations.newest_seen, report.revocations.newest_known);
  // One hash less, whichever: not the whole list any more.
  const auto parsed = efi::ParseSignatureLists(lists);
  for (std::size_t missing = 0; missing < 443; missing += 17) {
    auto fewer = *parsed;
    fewer[0].entries.erase(fewer[0].entries.begin() + static_cast<std::ptrdiff_t>(missing));
    EntryOf(state, "dbx") = Make(efi::kDbx, efi::EncodeSignatureLists(fewer));
    Context context = VmContext();
    context.dbx_update = lists;
    report = MakeReport(state, context);
    EXPECT_FALSE(report.revocations.seems_current);
    ASSERT_TRUE(report.revocations.comparison.has_value());
    EXPECT_EQ(report.revocations.comparison->missing, 1U);
  }
}

}  // namespace
}  // namespace varstored::health
