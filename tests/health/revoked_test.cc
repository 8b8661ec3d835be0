#include <algorithm>
#include <ctime>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "health/states.h"
#include "support/real_data.h"
#include "support/signing.h"
#include "varstored/crypto/certificate.h"
#include "varstored/crypto/digest.h"
#include "varstored/health/check.h"
#include "varstored/health/finding.h"
#include "varstored/health/fix.h"
#include "varstored/health/report.h"

namespace varstored::health {
namespace {

using base::Bytes;
using efi::SignatureKind;

constexpr efi::Guid kVersions = *efi::ParseGuid("9d132b6c-59d5-4388-ab1c-185c3cb2eb92");

Bytes MakeCertificate(const std::string& name) {
  return test::Identity::Make({.subject = test::CommonName(name)}).certificate();
}

State WithKeys(const Bytes& db, const Bytes& dbx) {
  State state;
  state.entries = {Make(efi::kPk, CertificateList(kSomebody, MakeCertificate("Owner"))),
                   Make(efi::kDb, db), Make(efi::kDbx, dbx)};
  return state;
}

std::vector<std::string> NamesIn(const State& state, const Context& context = VmContext()) {
  std::vector<std::string> names;
  for (const Finding& finding : FindingsOf(state, context)) {
    names.emplace_back(TypeOf(finding.kind).name);
  }
  return names;
}

const CertificateInfo& DbCertificate(const Report& report, std::size_t number = 0) {
  return report.keys[2].certificates.at(number);
}

Bytes HashOf(crypto::DigestKind kind, base::ByteSpan bytes) { return *crypto::Digest(kind, bytes); }

TEST(Revoked, ACertificateIsByEachFormOfAnEntry) {
  const Bytes der = MakeCertificate("Loaders");
  const Bytes tbs = base::ToBytes(crypto::Certificate::Parse(der)->tbs_der());
  const Bytes always(16, 0);
  struct Row {
    SignatureKind kind;
    Bytes data;
    RevokedBy by;
  };
  const std::vector<Row> rows = {
      {SignatureKind::kX509, der, RevokedBy::kCertificate},
      {SignatureKind::kX509Sha256, HashOf(crypto::DigestKind::kSha256, tbs) + always,
       RevokedBy::kTbsHash},
      {SignatureKind::kX509Sha384, HashOf(crypto::DigestKind::kSha384, tbs) + always,
       RevokedBy::kTbsHash},
      {SignatureKind::kX509Sha512, HashOf(crypto::DigestKind::kSha512, tbs) + always,
       RevokedBy::kTbsHash},
      {SignatureKind::kSha256, HashOf(crypto::DigestKind::kSha256, der), RevokedBy::kHash},
      {SignatureKind::kSha384, HashOf(crypto::DigestKind::kSha384, der), RevokedBy::kHash},
      {SignatureKind::kSha512, HashOf(crypto::DigestKind::kSha512, der), RevokedBy::kHash},
      {SignatureKind::kSha224, HashOf(crypto::DigestKind::kSha224, der), RevokedBy::kHash},
      {SignatureKind::kSha1, HashOf(crypto::DigestKind::kSha1, der), RevokedBy::kHash},
      // The hash of one thing under the type of the other says nothing.
      {SignatureKind::kX509Sha256, HashOf(crypto::DigestKind::kSha256, der) + always,
       RevokedBy::kNothing},
      {SignatureKind::kSha256, HashOf(crypto::DigestKind::kSha256, tbs), RevokedBy::kNothing},
  };
  for (const Row& row : rows) {
    const State state =
        WithKeys(CertificateList(kSomebody, der), Lists(row.kind, kMicrosoft, {row.data}));
    const Report report = MakeReport(state, VmContext());
    EXPECT_EQ(DbCertificate(report).revoked_by, row.by);
    EXPECT_EQ(DbCertificate(report).revoked_since, "");
    EXPECT_EQ(NamesIn(state), row.by == RevokedBy::kNothing
                                  ? std::vector<std::string>()
                                  : std::vector<std::string>{"db-all-revoked"});
    EXPECT_EQ(DbCertificate(report).sha256, HashOf(crypto::DigestKind::kSha256, der));
    EXPECT_EQ(DbCertificate(report).sha1, HashOf(crypto::DigestKind::kSha1, der));
  }
}

TEST(Revoked, WhatDbHasBesidesLetsSomethingStart) {
  const Bytes revoked = CertificateList(kSomebody, MakeCertificate("Revoked"));
  for (const Bytes& besides :
       {CertificateList(kSomebody, MakeCertificate("Other")), HashList(kSomebody, 7, 1)}) {
    const State state = WithKeys(revoked + besides, revoked);
    EXPECT_EQ(NamesIn(state), std::vector<std::string>());
    EXPECT_EQ(DbCertificate(MakeReport(state, VmContext())).revoked_by, RevokedBy::kCertificate);
  }
  // A hash that both hold is worth nothing, either.
  EXPECT_EQ(
      NamesIn(WithKeys(revoked + HashList(kSomebody, 7, 1), revoked + HashList(kMicrosoft, 7, 1))),
      std::vector<std::string>{"db-all-revoked"});
  // Nobody verifies.
  Context off = VmContext();
  off.secure_boot = false;
  EXPECT_EQ(NamesIn(WithKeys(revoked, revoked), off), std::vector<std::string>());
}

TEST(Revoked, FromADayOnNothingIsProvedWithoutDbt) {
  const Bytes der = MakeCertificate("Loaders");
  const Bytes tbs = base::ToBytes(crypto::Certificate::Parse(der)->tbs_der());
  Bytes time(16, 0);
  time[0] = 0xE8;  // 2024-02-01
  time[1] = 0x07;
  time[2] = 2;
  time[3] = 1;
  State state = WithKeys(CertificateList(kSomebody, der),
                         Lists(SignatureKind::kX509Sha256, kMicrosoft,
                               {HashOf(crypto::DigestKind::kSha256, tbs) + time}));
  EXPECT_EQ(DbCertificate(MakeReport(state, VmContext())).revoked_since, "2024-02-01");
  EXPECT_EQ(NamesIn(state), std::vector<std::string>{"db-all-revoked"});
  state.entries.push_back(
      Make(efi::kDbt, CertificateList(kSomebody, MakeCertificate("Timestamps"))));
  EXPECT_EQ(NamesIn(state), std::vector<std::string>());
  EXPECT_EQ(DbCertificate(MakeReport(state, VmContext())).revoked_since, "2024-02-01");
}

/// A hostile store: as many certificates and entries as fit. A helper has 2 s for all.
TEST(Revoked, MatchingIsLinearInWhatIsCompared) {
  Bytes certificate = MakeCertificate("One of many");
  std::vector<Bytes> in_db;
  std::vector<Bytes> in_dbx;
  constexpr std::size_t kHalf = std::size_t{512} * 1024;
  for (std::uint32_t i = 0; in_db.size() * certificate.size() < kHalf; ++i) {
    // The end of the signature, of which nobody asks anything.
    certificate[certificate.size() - 1] = static_cast<std::uint8_t>(i);
    certificate[certificate.size() - 2] = static_cast<std::uint8_t>(i >> 8U);
    in_db.push_back(certificate);
    certificate[certificate.size() - 3] ^= 1U;
    in_dbx.push_back(certificate);
    certificate[certificate.size() - 3] ^= 1U;
  }
  const State state = WithKeys(Lists(SignatureKind::kX509, kSomebody, in_db),
                               Lists(SignatureKind::kX509, kSomebody, in_dbx) +
                                   HashList(kMicrosoft, 0, 10'000) + HashList(kVersions, 0, 1000));
  const std::clock_t start = std::clock();
  const Report report = MakeReport(state, VmContext());
  EXPECT_LT(std::clock() - start, 2 * CLOCKS_PER_SEC);
  EXPECT_EQ(report.keys[2].certificates.size(), in_db.size());
}

/// An entry of dbx that asks for a version of a program.
Bytes VersionEntry(const std::string& program, std::uint16_t major, std::uint16_t minor) {
  base::Writer writer;
  writer.WriteU8(1);
  writer.WriteBytes(efi::ParseGuid(program)->bytes);
  writer.WriteU16(minor);
  writer.WriteU16(major);
  writer.WriteBytes(Bytes(11, 0));
  return writer.Take();
}

constexpr const char* kBootManager = "9d132b61-59d5-4388-ab1c-185c3cb2eb92";
constexpr const char* kOther = "00112233-59d5-4388-ab1c-185c3cb2eb92";

TEST(Versions, AreNoRevocations) {
  Bytes malformed(32, 0);
  const State state =
      WithKeys(HashList(kSomebody, 0, 1),
               HashList(kMicrosoft, 5, 2) +
                   Lists(SignatureKind::kSha256, kVersions,
                         {VersionEntry(kBootManager, 9, 0), VersionEntry(kBootManager, 2, 1),
                          VersionEntry(kOther, 3, 4), malformed}));
  const Report report = MakeReport(state, VmContext());
  EXPECT_EQ(report.revocations.distinct, 2U);
  const KeyVariable& dbx = report.keys[3];
  ASSERT_EQ(dbx.others.size(), 1U);
  EXPECT_EQ(dbx.others[0].count, 2U);
  ASSERT_EQ(dbx.versions.size(), 4U);
  EXPECT_EQ(dbx.versions[0].program, "Windows boot manager");
  EXPECT_EQ(dbx.versions[0].major, 9);
  EXPECT_EQ(dbx.versions[0].minor, 0);
  EXPECT_FALSE(dbx.versions[0].is_superseded);
  EXPECT_TRUE(dbx.versions[1].is_superseded);
  EXPECT_EQ(dbx.versions[2].program, kOther);
  EXPECT_EQ(dbx.versions[3].program, "");
  // The same bytes under another owner are a hash.
  const State hashes =
      WithKeys(HashList(kSomebody, 0, 1),
               Lists(SignatureKind::kSha256, kMicrosoft, {VersionEntry(kBootManager, 9, 0)}));
  EXPECT_EQ(MakeReport(hashes, VmContext()).revocations.distinct, 1U);
}

TEST(Versions, AnUpdateOfThemIsInWhenTheyAreAsHigh) {
  const State state =
      WithKeys(HashList(kSomebody, 0, 1),
               Lists(SignatureKind::kSha256, kVersions, {VersionEntry(kBootManager, 8, 0)}));
  Context context = VmContext();
  for (const auto& [major, missing] : {std::pair(7, 0U), std::pair(8, 0U), std::pair(9, 1U)}) {
    context.dbx_update = Lists(SignatureKind::kSha256, kVersions,
                               {VersionEntry(kBootManager, static_cast<std::uint16_t>(major), 0)});
    const Report report = MakeReport(state, context);
    ASSERT_TRUE(report.revocations.comparison.has_value());
    EXPECT_EQ(report.revocations.comparison->total, 1U);
    EXPECT_EQ(report.revocations.comparison->missing, missing);
    EXPECT_EQ(NamesIn(state, context), missing == 0
                                           ? std::vector<std::string>()
                                           : std::vector<std::string>{"revocations-missing"});
  }
}

TEST(Secrets, OfAKeyThatEverybodyHasIsAnErrorAndOfALoadersAWarning) {
  for (const char* name : {"DO NOT TRUST - AMI Test PK", "Do Not Ship it"}) {
    const Bytes known = CertificateList(kSomebody, MakeCertificate(name));
    const Bytes own = CertificateList(kSomebody, MakeCertificate("Own"));
    for (const auto& [holder, severity] :
         {std::pair(efi::kPk, Severity::kError), std::pair(efi::kKek, Severity::kError),
          std::pair(efi::kDb, Severity::kWarning)}) {
      State state;
      for (const efi::WellKnownVariable& key : {efi::kPk, efi::kKek, efi::kDb}) {
        state.entries.push_back(Make(key, key.Is(holder.name, holder.vendor) ? known : own));
      }
      const auto findings = FindingsOf(state, VmContext());
      ASSERT_EQ(NamesIn(state), std::vector<std::string>{"key-not-secret"}) << name;
      EXPECT_EQ(findings[0].severity, severity);
      EXPECT_NE(findings[0].explanation.find(name), std::string::npos) << findings[0].explanation;
    }
  }
}

TEST(Families, AreNamedTogetherWithThePatternThatRemovesThem) {
  constexpr efi::Guid kLinux = *efi::ParseGuid("cfc8fc79-be2e-4ddc-97f0-9f98bfe298a0");
  State state;
  for (int i = 0; i < 92; ++i) {
    state.entries.push_back(
        Make("dump-type0-" + std::to_string(i) + "-1-1480000000-C", Bytes(1024, 1), 0x07, kLinux));
  }
  for (int i = 0; i < 3; ++i) {
    state.entries.push_back(
        Make("Attempt " + std::to_string(i) + "[x]", Bytes(500, 1), 0x07, kSomebody));
    state.entries.push_back(Make("Boot000" + std::to_string(i), Bytes(10, 1)));
  }
  state.entries.push_back(Make("Two1", {1}, 0x07, kSomebody));
  state.entries.push_back(Make("Two2", {1}, 0x07, kSomebody));
  Context context = VmContext();
  context.secure_boot = false;
  const Report report = MakeReport(state, context);
  ASSERT_EQ(report.usage.families.size(), 2U);
  EXPECT_EQ(report.usage.families[0].title, "crash records of Linux");
  EXPECT_EQ(report.usage.families[0].pattern, "dump-type*");
  EXPECT_EQ(report.usage.families[0].count, 92U);
  EXPECT_EQ(report.usage.families[0].data_bytes, 92U * 1024);
  // Characters that mean something in a pattern are not taken as they are.
  EXPECT_EQ(report.usage.families[1].pattern, "Attempt\\u0020[0-9A-F]*?x]");
  const Finding& full = report.findings.front();
  EXPECT_EQ(TypeOf(full.kind).name, "store-nearly-full");
  EXPECT_EQ(full.command, "varstore-rm --match 'dump-type*' " + VmContext().target +
                              " cfc8fc79-be2e-4ddc-97f0-9f98bfe298a0");
}

TEST(RepeatedOptions, OneOfThemStaysAndIsNamedInTheirPlace) {
  const Bytes linux_option = BootOptionData(u"Linux", u"\\a");
  Bytes with_data = linux_option;
  with_data.push_back(7);
  State state;
  state.entries = {Make("Lang", {'e', 'n', 0}),
                   Make("BootOrder", {3, 0, 4, 0, 1, 0, 2, 0}),
                   Make("BootNext", {1, 0}),
                   Make("Boot0001", linux_option),
                   Make("Boot0002", BootOptionData(u"Linux", u"\\b")),
                   Make("Boot0003", linux_option),
                   Make("Boot0004", with_data)};
  Context context = VmContext();
  context.secure_boot = false;
  ASSERT_EQ(NamesIn(state, context), std::vector<std::string>{"boot-options-repeat"});
  const Repaired repaired = FixAll(state, context);
  EXPECT_TRUE(repaired.state.entries ==
              (std::vector<store::Entry>{
                  Make("Lang", {'e', 'n', 0}), Make("BootOrder", {3, 0, 4, 0, 2, 0}),
                  Make("BootNext", {3, 0}), Make("Boot0002", BootOptionData(u"Linux", u"\\b")),
                  Make("Boot0003", linux_option), Make("Boot0004", with_data)}));
  // The one with data of its own is a look-alike: an administrator's choice.
  ASSERT_EQ(repaired.left.size(), 1U);
  EXPECT_EQ(TypeOf(repaired.left[0].kind).name, "boot-options-repeat");
  EXPECT_FALSE(repaired.left[0].is_fixable);
}

class MicrosoftsTest : public test::RealDataTest {
 protected:
  [[nodiscard]] Bytes Certificate(const std::string& file) const {
    return CertificateList(kMicrosoft, Read("secureboot_objects/certificates/" + file));
  }
  static State Vm(const Bytes& kek, const Bytes& db, const Bytes& dbx) {
    State state = WithKeys(db, dbx);
    state.entries.push_back(Make(efi::kKek, kek));
    return state;
  }
  [[nodiscard]] Bytes NewestList() const {
    const Bytes update = Read("secureboot_objects/dbx/DBXUpdate_amd64.bin");
    const std::size_t front = 16 + update[16] + update[17] * 256U;
    return {update.begin() + static_cast<std::ptrdiff_t>(front), update.end()};
  }
};

TEST_F(MicrosoftsTest, KekOf2023AloneTakesNoUpdateOfToday) {
  const Bytes of_2011 = Certificate("MicCorKEKCA2011_2011-06-24.der");
  const Bytes of_2023 = Certificate("microsoft_corporation_kek_2k_ca_2023.der");
  const Bytes db = HashList(kSomebody, 0, 1);
  EXPECT_EQ(NamesIn(Vm(of_2023, db, HashList(kMicrosoft, 5, 1))),
            std::vector<std::string>{"kek-without-2011"});
  EXPECT_EQ(NamesIn(Vm(of_2011 + of_2023, db, HashList(kMicrosoft, 5, 1))),
            std::vector<std::string>());
}

TEST_F(MicrosoftsTest, AWindowsLoaderOfNoCertificateDoesNotStart) {
  const Bytes kek = HashList(kSomebody, 0, 1);
  const Bytes of_2011 = Certificate("MicWinProPCA2011_2011-10-19.der");
  const Bytes of_2023 = Certificate("windows_uefi_ca_2023.der");
  const Bytes others =
      Certificate("MicCorUEFCA2011_2011-06-27.der") + Certificate("microsoft_uefi_ca_2023.der");
  State state = Vm(kek, of_2011 + others, NewestList() + of_2011);
  EXPECT_EQ(NamesIn(state),
            (std::vector<std::string>{"db-revoked-without-successor", "certificates-2011-only"}));
  const Report report = MakeReport(state, VmContext());
  EXPECT_TRUE(report.successions[1].is_old_revoked);
  EXPECT_FALSE(report.successions[2].is_old_revoked);
  EXPECT_EQ(Judge(report, Check::kCertificates).verdict, Verdict::kNotRight);
  EXPECT_EQ(Judge(report, Check::kRevocations).verdict, Verdict::kRight);
  EXPECT_EQ(NamesIn(Vm(kek, of_2011 + of_2023 + others, NewestList() + of_2011)),
            std::vector<std::string>());
  EXPECT_EQ(NamesIn(Vm(kek, of_2011 + of_2023 + others, NewestList() + of_2011 + of_2023)),
            std::vector<std::string>{"db-revoked-without-successor"});
}

TEST_F(MicrosoftsTest, OldRevocationsAreAFindingWhereMicrosoftsLoadersStart) {
  const Bytes kek = HashList(kSomebody, 0, 1);
  const Bytes db = Certificate("windows_uefi_ca_2023.der");
  const auto finding = [&](const Bytes& db_lists, const Bytes& dbx,
                           const Context& context = VmContext()) -> std::optional<Finding> {
    const auto findings = FindingsOf(Vm(kek, db_lists, dbx), context);
    return findings.empty() ? std::nullopt : std::optional(findings.front());
  };
  EXPECT_FALSE(finding(db, NewestList()));
  const Bytes none = HashList(kSomebody, 0, 2);
  ASSERT_TRUE(finding(db, none));
  EXPECT_EQ(TypeOf(finding(db, none)->kind).name, "revocations-missing");
  EXPECT_EQ(finding(db, none)->severity, Severity::kError);
  EXPECT_FALSE(finding(HashList(kSomebody, 0, 1), HashList(kSomebody, 5, 2)));
  // That of 2025-09-02 is young enough for a warning.
  const crypto::Sha256Digest mark =
      crypto::DigestFromHex("e14c88dc48339c0555686849a4e3f8986d558e65c4fc863a1a4f1d40478bd47c");
  const Bytes of_2025 = Lists(SignatureKind::kSha256, kMicrosoft, {base::ToBytes(mark)});
  ASSERT_TRUE(finding(db, of_2025));
  EXPECT_EQ(finding(db, of_2025)->severity, Severity::kWarning);
  EXPECT_NE(finding(db, of_2025)->explanation.find("2025-09-02"), std::string::npos);
}

TEST_F(MicrosoftsTest, ANewerListIsToldByEntriesThatAreNotKnown) {
  const State newer = Vm({}, HashList(kSomebody, 0, 1), NewestList() + HashList(kMicrosoft, 0, 3));
  Report report = MakeReport(newer, VmContext());
  EXPECT_TRUE(report.revocations.seems_current);
  EXPECT_EQ(report.revocations.unknown_of_microsofts, 3U);
  // Somebody's own are not Microsoft's.
  report = MakeReport(Vm({}, HashList(kSomebody, 0, 1), NewestList() + HashList(kSomebody, 0, 3)),
                      VmContext());
  EXPECT_EQ(report.revocations.unknown_of_microsofts, 0U);
  // A list that the host was given makes them known.
  Context context = VmContext();
  for (const Bytes& hash : Hashes(0, 3)) {
    ListedRevocation revocation{.date = "2027-01-01", .hash = {}};
    std::copy(hash.begin(), hash.end(), revocation.hash.begin());
    context.microsoft_list.push_back(revocation);
  }
  report = MakeReport(newer, context);
  EXPECT_EQ(report.revocations.newest_known, "2027-01-01");
  EXPECT_EQ(report.revocations.newest_known_count, 446U);
  EXPECT_EQ(report.revocations.newest_seen, "2027-01-01");
  EXPECT_EQ(report.revocations.unknown_of_microsofts, 0U);
  report = MakeReport(Vm({}, HashList(kSomebody, 0, 1), NewestList()), context);
  EXPECT_EQ(report.revocations.newest_seen, "2026-04-09");
  EXPECT_FALSE(report.revocations.seems_current);
}

}  // namespace
}  // namespace varstored::health
