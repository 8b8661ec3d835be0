// A VM's way through the change of Microsoft's certificates (docs/engine.md, "Certificates of 2011
// and 2023"), with the real certificates: the real program, and the toolstack of peer.py.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/process.h"
#include "support/real_data.h"
#include "support/signing.h"
#include "support/temporary_folder.h"
#include "varstored/engine/certificate_state.h"

namespace varstored::test {
namespace {

constexpr Guid kX509 = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                        0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
constexpr Guid kSha256 = {0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40,
                          0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28};
constexpr Guid kMicrosoft = {0xbd, 0x9a, 0xfa, 0x77, 0x59, 0x03, 0x32, 0x4d,
                             0xbd, 0x60, 0x28, 0xf4, 0xe7, 0x8f, 0x78, 0x4b};
constexpr Guid kVendor = {1, 2, 3};
constexpr const char* kUuid = "01234567-89ab-cdef-0123-456789abcdef";

class CertificatesTest : public RealDataTest {
 protected:
  void SetUp() override {
    RealDataTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    kek_2011_ = Certificate("MicCorKEKCA2011_2011-06-24");
    kek_2023_ = Certificate("microsoft_corporation_kek_2k_ca_2023");
    windows_2011_ = Certificate("MicWinProPCA2011_2011-10-19");
    windows_2023_ = Certificate("windows_uefi_ca_2023");
    uefi_2011_ = Certificate("MicCorUEFCA2011_2011-06-27");
    uefi_2023_ = Certificate("microsoft_uefi_ca_2023");
    option_rom_2023_ = Certificate("microsoft_option_rom_uefi_ca_2023");
    StartToolstack("guard");
  }

  [[nodiscard]] Bytes Certificate(const std::string& name) const {
    return Read("secureboot_objects/certificates/" + name + ".der");
  }

  // ---- the toolstack ----

  void StartToolstack(const std::string& generation) {
    toolstack_.reset();
    std::filesystem::remove(folder_.File("toolstack"));
    std::filesystem::remove(folder_.File("listening"));
    toolstack_ = std::make_unique<Process>(
        std::vector<std::string>{XAPI_PEER, "--socket", folder_.File("toolstack"), "--folder",
                                 folder_.path(), "--generation", generation});
    toolstack_->WaitFor(folder_.File("toolstack"),
                        [this] { return std::filesystem::exists(folder_.File("listening")); });
  }
  void Put(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.File(name)) << text;
  }
  [[nodiscard]] std::string TextOf(const std::string& name) const {
    std::ifstream file(folder_.File(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void Mark() const { Put("certificates", "update_on_boot"); }
  [[nodiscard]] std::string state() const { return TextOf("certificates"); }
  /// The calls since the last time, without their parameters but for the word of a write.
  [[nodiscard]] std::vector<std::string> Calls() const {
    std::istringstream lines(TextOf("calls"));
    std::vector<std::string> calls;
    for (std::string line; std::getline(lines, line);) {
      const std::string method = line.substr(0, line.find(' '));
      const bool is_write = method.starts_with("VM.set");
      calls.push_back(is_write ? "set" + line.substr(line.rfind(' ')) : method);
    }
    Put("calls", "");
    return calls;
  }
  [[nodiscard]] std::string Alert() const {
    std::istringstream lines(TextOf("calls"));
    std::string alert;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("message.create")) {
        EXPECT_EQ(alert, "") << "there is more than one alert";
        alert = line;
      }
    }
    std::ranges::replace(alert, '_', ' ');
    return alert;
  }

  // ---- the host and the VM ----

  using Lists = std::vector<Bytes>;

  [[nodiscard]] Bytes Auth(const std::u16string& name, const Lists& certificates,
                           const Identity& signer) const {
    VariableWrite write = {.name = name,
                           .guid = name == u"db" ? kSecurityDatabaseGuid : kGlobalGuid};
    for (const Bytes& certificate : certificates) {
      const Bytes list = SignatureListOf(kX509, kMicrosoft, {certificate});
      write.payload.insert(write.payload.end(), list.begin(), list.end());
    }
    return AuthPayload(write, signer);
  }
  void PutHostFile(const std::string& name, const Bytes& content) const {
    std::filesystem::create_directories(folder_.File("keys"));
    std::ofstream file(folder_.File("keys") + "/" + name, std::ios::binary);
    for (const std::uint8_t byte : content) {
      file.put(static_cast<char>(byte));
    }
  }
  void SetHostKeys(const Lists& kek, const Lists& db) const {
    std::filesystem::remove_all(folder_.File("keys"));
    PutHostFile("PK.auth", Auth(u"PK", {owner_.certificate()}, owner_));
    PutHostFile("KEK.auth", Auth(u"KEK", kek, owner_));
    PutHostFile("db.auth", Auth(u"db", db, owner_));
  }
  void SetNewHostKeys() const {
    SetHostKeys({kek_2011_, kek_2023_},
                {windows_2011_, uefi_2011_, windows_2023_, uefi_2023_, option_rom_2023_});
  }

  void Boot(std::vector<std::string> more = {}) {
    Stop();
    more.insert(more.begin(),
                {"--backend", "xapidb", "--arg", "socket:" + folder_.File("toolstack"), "--arg",
                 std::string("uuid:") + kUuid, "--auth-dir", folder_.File("keys"), "--platform",
                 "secureboot=true", "--start-budget", "5", "--request-budget", "5"});
    vm_.emplace(StartLoopback(folder_.File("guest"), std::move(more)));
    guest_.emplace(folder_.File("guest"));
  }
  void Stop() {
    guest_.reset();
    if (vm_) {
      EXPECT_EQ(vm_->Stop().exit_code, 0);
      vm_.reset();
    }
  }
  /// A VM whose first boot was on a host with these keys, and which is shut down.
  void MakeVm(const Lists& kek, const Lists& db) {
    SetHostKeys(kek, db);
    Boot();
    Stop();
    static_cast<void>(Calls());
  }
  void MakeOldVm() { MakeVm({kek_2011_}, {windows_2011_, uefi_2011_}); }

  [[nodiscard]] Bytes KekOfGuest() { return guest_->GetVariable(u"KEK", kGlobalGuid).data; }
  [[nodiscard]] Bytes DbOfGuest() { return guest_->GetVariable(u"db", kSecurityDatabaseGuid).data; }
  /// That the variable holds each of these once, and nothing else.
  static void ExpectCertificates(const Bytes& lists, const Lists& certificates) {
    std::size_t size = 0;
    for (const Bytes& certificate : certificates) {
      const auto once =
          std::search(lists.begin(), lists.end(), certificate.begin(), certificate.end());
      ASSERT_TRUE(once != lists.end());
      EXPECT_TRUE(std::search(once + 1, lists.end(), certificate.begin(), certificate.end()) ==
                  lists.end());
      size += 28 + 16 + certificate.size();
    }
    EXPECT_EQ(lists.size(), size);
  }
  void ExpectOldCertificates() {
    ExpectCertificates(KekOfGuest(), {kek_2011_});
    ExpectCertificates(DbOfGuest(), {windows_2011_, uefi_2011_});
  }
  void ExpectNewCertificates() {
    ExpectCertificates(KekOfGuest(), {kek_2011_, kek_2023_});
    ExpectCertificates(DbOfGuest(),
                       {windows_2011_, uefi_2011_, windows_2023_, uefi_2023_, option_rom_2023_});
  }
  /// That the boot asked for an update left all as it was and said why.
  void ExpectNotUpdated(const std::string& why) {
    EXPECT_EQ(state(), "update_on_boot");
    const std::string alert = Alert();
    EXPECT_NE(alert.find("VM SECURE BOOT CERTIFICATES NOT UPDATED 5 VM"), std::string::npos);
    EXPECT_NE(alert.find(why), std::string::npos) << alert;
    const auto calls = Calls();
    EXPECT_EQ(std::ranges::count(calls, "set yes") + std::ranges::count(calls, "set unspecified"),
              0);
    EXPECT_NE(vm_->Errors().find("the certificates were not updated: "), std::string::npos);
    EXPECT_NE(vm_->Errors().find(why), std::string::npos) << vm_->Errors();
  }

  using Strings = std::vector<std::string>;
  static constexpr const char* kGet = "VM.get_NVRAM";
  static constexpr const char* kField = "VM.get_secureboot_certificates_state";

  TemporaryFolder folder_;
  Identity owner_ = Identity::Make({.subject = CommonName("Platform owner")});
  Identity custom_ = Identity::Make({.subject = CommonName("Custom")});
  std::unique_ptr<Process> toolstack_;
  std::optional<Process> vm_;
  std::optional<LoopbackClient> guest_;
  Bytes kek_2011_, kek_2023_, windows_2011_, windows_2023_, uefi_2011_, uefi_2023_,
      option_rom_2023_;
};

TEST_F(CertificatesTest, StateFollowsTheCertificates) {
  using engine::CertificateState;
  const auto lists = [](const Lists& certificates) {
    Bytes all;
    for (const Bytes& certificate : certificates) {
      const Bytes list = SignatureListOf(kX509, kVendor, {certificate});
      all.insert(all.end(), list.begin(), list.end());
    }
    return all;
  };
  struct Case {
    Lists kek;
    Lists db;
    CertificateState state;
  };
  const Bytes own = custom_.certificate();
  const std::vector<Case> cases = {
      {{}, {}, CertificateState::kUpToDate},
      {{own}, {own}, CertificateState::kUpToDate},
      {{kek_2011_}, {}, CertificateState::kUpdateRequired},
      {{kek_2011_, own}, {own}, CertificateState::kUpdateRequired},
      {{kek_2023_, kek_2011_}, {}, CertificateState::kUpToDate},
      {{kek_2023_}, {}, CertificateState::kUpToDate},
      {{}, {windows_2011_}, CertificateState::kUpdateRequired},
      {{}, {windows_2011_, uefi_2023_}, CertificateState::kUpdateRequired},
      {{}, {windows_2011_, windows_2023_}, CertificateState::kUpToDate},
      {{}, {uefi_2011_}, CertificateState::kUpdateRequired},
      {{}, {uefi_2011_, option_rom_2023_}, CertificateState::kUpdateRequired},
      {{}, {uefi_2011_, uefi_2023_}, CertificateState::kUpToDate},
      {{kek_2023_, kek_2011_}, {uefi_2011_}, CertificateState::kUpdateRequired},
      // In the wrong variable they say nothing.
      {{windows_2011_, uefi_2011_}, {kek_2011_}, CertificateState::kUpToDate},
      {{kek_2011_}, {kek_2023_}, CertificateState::kUpdateRequired},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(engine::CertificateStateOf(lists(cases[i].kek), lists(cases[i].db)), cases[i].state)
        << "case " << i;
  }
  Bytes cut = lists({kek_2011_});
  cut.pop_back();
  EXPECT_EQ(engine::CertificateStateOf(cut, {}), CertificateState::kUpToDate);
}

TEST_F(CertificatesTest, AMarkedVmOf2011IsUpdatedAtItsBootAndOnlyThen) {
  MakeOldVm();
  SetNewHostKeys();
  Put("certificates", "update_available");
  Boot();
  ExpectOldCertificates();
  EXPECT_EQ(Calls(), (Strings{kGet, kField}));

  Mark();
  Boot();
  ExpectNewCertificates();
  EXPECT_EQ(guest_->GetVariable(u"SecureBoot", kGlobalGuid).data, Bytes{1});
  ExpectCertificates(guest_->GetVariable(u"PK", kGlobalGuid).data, {owner_.certificate()});
  EXPECT_EQ(guest_->GetVariable(u"dbx", kSecurityDatabaseGuid).status, kEfiNotFound);
  EXPECT_EQ(state(), "ok");
  EXPECT_EQ(Calls(), (Strings{kGet, kField, "set yes"}));

  const std::string stored = TextOf("nvram");
  Boot();
  ExpectNewCertificates();
  EXPECT_EQ(Calls(), (Strings{kGet, kField}));
  EXPECT_EQ(TextOf("nvram"), stored);
}

TEST_F(CertificatesTest, WhatTheVmHasOfItsOwnStays) {
  MakeVm({custom_.certificate(), kek_2011_}, {windows_2011_, custom_.certificate()});
  SetNewHostKeys();
  Mark();
  Boot();
  ExpectCertificates(KekOfGuest(), {custom_.certificate(), kek_2011_, kek_2023_});
  ExpectCertificates(DbOfGuest(), {windows_2011_, custom_.certificate(), uefi_2011_, windows_2023_,
                                   uefi_2023_, option_rom_2023_});
  EXPECT_EQ(state(), "ok");
}

TEST_F(CertificatesTest, AVmWithKeysOfItsOwnOnlyNeedsNothing) {
  MakeVm({custom_.certificate()}, {custom_.certificate()});
  SetNewHostKeys();
  Mark();
  Boot();
  ExpectCertificates(KekOfGuest(), {custom_.certificate()});
  ExpectCertificates(DbOfGuest(), {custom_.certificate()});
  EXPECT_EQ(state(), "ok");
  EXPECT_EQ(Calls(), (Strings{kGet, kField, "set yes"}));
}

TEST_F(CertificatesTest, AVariableThatFollowsSomebodyElseIsLeftAlone) {
  MakeVm({custom_.certificate()}, {windows_2011_, custom_.certificate()});
  SetNewHostKeys();
  Mark();
  Boot();
  ExpectCertificates(KekOfGuest(), {custom_.certificate()});
  EXPECT_NE(DbOfGuest().size(), 0U);
  EXPECT_EQ(state(), "ok");
  Stop();
  std::filesystem::remove(folder_.File("nvram"));

  MakeVm({kek_2011_}, {custom_.certificate()});
  SetNewHostKeys();
  Mark();
  Boot();
  ExpectCertificates(KekOfGuest(), {kek_2011_, kek_2023_});
  ExpectCertificates(DbOfGuest(), {custom_.certificate()});
  EXPECT_EQ(state(), "ok");
}

TEST_F(CertificatesTest, AVmInSetupModeStaysInItAndKeepsItsMark) {
  SetHostKeys({kek_2011_}, {windows_2011_, uefi_2011_});
  std::filesystem::remove(folder_.File("keys") + "/PK.auth");
  Boot();
  SetNewHostKeys();
  Mark();
  static_cast<void>(Calls());
  Boot();
  ExpectOldCertificates();
  EXPECT_EQ(guest_->GetVariable(u"SetupMode", kGlobalGuid).data, Bytes{1});
  EXPECT_EQ(guest_->GetVariable(u"PK", kGlobalGuid).status, kEfiNotFound);
  ExpectNotUpdated("the VM has no PK");
}

TEST_F(CertificatesTest, AHostWithOldFilesUpdatesNobody) {
  MakeOldVm();
  Mark();
  struct Case {
    Lists kek;
    Lists db;
    const char* why;
  };
  const Bytes own = custom_.certificate();
  const std::vector<Case> cases = {
      {{kek_2011_}, {windows_2011_, uefi_2011_}, "the host's own KEK.auth and db.auth are not"},
      {{kek_2011_, kek_2023_}, {windows_2011_, windows_2023_, uefi_2011_}, "the host's own"},
      {{kek_2011_}, {windows_2023_, uefi_2023_}, "the host's own"},
      {{own}, {own}, "lack a successor"},
      {{kek_2023_}, {windows_2023_}, "lack a successor"},
  };
  for (const Case& row : cases) {
    SetHostKeys(row.kek, row.db);
    Boot();
    ExpectOldCertificates();
    ExpectNotUpdated(row.why);
  }
}

TEST_F(CertificatesTest, AHostWithoutUsableFilesUpdatesNobody) {
  MakeOldVm();
  Mark();
  for (const char* name : {"KEK.auth", "db.auth"}) {
    SetNewHostKeys();
    std::filesystem::remove(folder_.File("keys") + "/" + name);
    Boot();
    ExpectOldCertificates();
    ExpectNotUpdated("the host has no KEK.auth or no db.auth");

    SetNewHostKeys();
    PutHostFile(name, Bytes(100));
    Boot();
    ExpectOldCertificates();
    ExpectNotUpdated(std::string("the host's ") + name + " cannot be appended");
  }
}

TEST_F(CertificatesTest, AVmWhoseStoreIsNearlyFullIsServedAndKeepsItsMark) {
  MakeOldVm();
  Boot();
  // What is left fits, but it is the firmware's.
  std::u16string name = u"Filler0";
  while (guest_->SetVariable(name, kVendor, 7, Bytes(4096, 1)) == kEfiSuccess) {
    ++name.back();
  }
  SetNewHostKeys();
  Mark();
  static_cast<void>(Calls());
  Boot();
  ExpectOldCertificates();
  ExpectNotUpdated("store-full");
  EXPECT_EQ(guest_->SetVariable(u"Filler0", kVendor, 7, Bytes(1)), kEfiSuccess);
  EXPECT_EQ(state(), "update_on_boot");
}

TEST_F(CertificatesTest, TheUpdateLeavesTheReserveOfTheFirmwareAlone) {
  MakeOldVm();
  Boot();
  // 131072 bytes are the limit, and 122880 the update's; less than 8000 are asked for.
  const std::uint64_t left = guest_->QueryVariableInfo(7).remaining_storage;
  constexpr std::uint64_t kOverhead = 130;  // of a variable with a name of one letter
  for (const char16_t letter : {u'A', u'B', u'C'}) {
    const Bytes third((left - 9000) / 3 - kOverhead);
    ASSERT_EQ(guest_->SetVariable({letter}, kVendor, 7, third), kEfiSuccess);
  }
  SetNewHostKeys();
  Mark();
  static_cast<void>(Calls());
  Boot();
  ExpectOldCertificates();
  ExpectNotUpdated("store-full");
}

TEST_F(CertificatesTest, AToolstackThatFailsInTheMiddleKeepsTheMark) {
  MakeOldVm();
  SetNewHostKeys();
  Mark();
  Put("fault", "VM.set_NVRAM_EFI_variables_v2 failure");
  Boot();
  ExpectOldCertificates();
  EXPECT_NE(Alert().find("SOME CODE"), std::string::npos);
  EXPECT_EQ(state(), "update_on_boot");
  Put("fault", "");
  EXPECT_EQ(guest_->SetVariable(u"Fox", kVendor, 7, Bytes(1)), kEfiSuccess);
  EXPECT_EQ(state(), "update_on_boot");
  Boot();
  ExpectNewCertificates();
  EXPECT_EQ(state(), "ok");
}

TEST_F(CertificatesTest, AnUpdateWhoseAnswerIsLostIsTakenBackByTheNextWrite) {
  MakeOldVm();
  SetNewHostKeys();
  Mark();
  Put("fault", "VM.set_NVRAM_EFI_variables_v2 answer-lost");
  Boot({"--start-budget", "1"});
  ExpectOldCertificates();
  EXPECT_EQ(state(), "ok");
  Put("fault", "");
  EXPECT_EQ(guest_->SetVariable(u"Fox", kVendor, 7, Bytes(1)), kEfiSuccess);
  EXPECT_EQ(state(), "update_available");
}

TEST_F(CertificatesTest, AVmOfOnly2011IsUpdatedAtItsStartOnceWhereClonesAre) {
  MakeOldVm();
  Put("certificates", "update_available");
  SetNewHostKeys();
  Boot();
  ExpectOldCertificates();
  EXPECT_EQ(Calls(), (Strings{kGet, kField}));
  Boot({"--update-clones", "yes"});
  ExpectNewCertificates();
  EXPECT_EQ(Calls(), (Strings{kGet, kField, "set yes"}));
  EXPECT_EQ(state(), "ok");
  EXPECT_NE(vm_->Errors().find("certificates-updated: the certificates were updated, because there "
                               "were none but those of 2011 (update-clones): PCR 7 changes"),
            std::string::npos)
      << vm_->Errors();
  Boot({"--update-clones", "yes"});
  EXPECT_EQ(Calls(), (Strings{kGet, kField}));
  EXPECT_EQ(vm_->Errors().find("certificates-updated"), std::string::npos) << vm_->Errors();
}

TEST_F(CertificatesTest, WhoHasMoreThanThoseOf2011IsNoClone) {
  const Bytes own = custom_.certificate();
  const std::vector<std::pair<Lists, Lists>> others = {
      {{kek_2011_, kek_2023_}, {windows_2011_, uefi_2011_}},
      {{kek_2011_}, {windows_2011_, windows_2023_}},
      {{own}, {own}},
  };
  for (const auto& [kek, db] : others) {
    std::filesystem::remove(folder_.File("nvram"));
    MakeVm(kek, db);
    SetNewHostKeys();
    Boot({"--update-clones", "yes"});
    ExpectCertificates(KekOfGuest(), kek);
    ExpectCertificates(DbOfGuest(), db);
    EXPECT_EQ(Calls(), (Strings{kGet, kField}));
  }
}

TEST_F(CertificatesTest, AVmWhoseChangesEndWithItIsNoCloneToUpdate) {
  MakeOldVm();
  SetNewHostKeys();
  Boot({"--update-clones", "yes", "--nonpersistent"});
  ExpectOldCertificates();
}

TEST_F(CertificatesTest, ThatAVmThatIsUpToDateWasMarkedLeavesPcr7AsItIs) {
  SetNewHostKeys();
  Boot();
  Mark();
  Boot();
  EXPECT_NE(vm_->Errors().find("are up to date: PCR 7 stays"), std::string::npos) << vm_->Errors();
}

TEST_F(CertificatesTest, AGuestThatAddsTheCertificatesByItselfIsUpToDateOnceItHasAll) {
  MakeVm({kek_2011_, kek_2023_}, {windows_2011_, uefi_2011_});
  Put("certificates", "update_available");
  Boot();
  static_cast<void>(Calls());
  EXPECT_EQ(guest_->SetVariable(u"db", kSecurityDatabaseGuid, 0x67,
                                Read("secureboot_objects/db/DBUpdate2024.bin")),
            kEfiSuccess);
  EXPECT_EQ(Calls(), (Strings{kField, "set unspecified"}));
  EXPECT_EQ(state(), "update_available");
  EXPECT_EQ(guest_->SetVariable(u"db", kSecurityDatabaseGuid, 0x67,
                                Read("secureboot_objects/db/DBUpdate3P2023.bin")),
            kEfiSuccess);
  EXPECT_EQ(Calls(), (Strings{kField, "set yes"}));
  EXPECT_EQ(state(), "ok");
  ExpectCertificates(DbOfGuest(), {windows_2011_, uefi_2011_, windows_2023_, uefi_2023_});
  EXPECT_EQ(guest_->SetVariable(u"Fox", kVendor, 7, Bytes(1)), kEfiSuccess);
  EXPECT_EQ(Calls(), (Strings{"set no"}));
}

TEST_F(CertificatesTest, AMarkThatIsSetWhileTheVmRunsIsThereAtItsNextBoot) {
  MakeOldVm();
  SetNewHostKeys();
  Boot();
  Mark();
  EXPECT_EQ(guest_->SetVariable(u"Fox", kVendor, 7, Bytes(1)), kEfiSuccess);
  EXPECT_EQ(guest_->SetVariable(u"db", kSecurityDatabaseGuid, 0x67,
                                Read("secureboot_objects/db/DBUpdate2024.bin")),
            kEfiSuccess);
  EXPECT_EQ(guest_->SetVariable(u"db", kSecurityDatabaseGuid, 0x67,
                                Read("secureboot_objects/db/DBUpdate3P2023.bin")),
            kEfiSuccess);
  EXPECT_EQ(state(), "update_on_boot");
  Boot();
  ExpectCertificates(KekOfGuest(), {kek_2011_, kek_2023_});
  EXPECT_EQ(state(), "ok");
}

TEST_F(CertificatesTest, RevocationsComeOnlyWhereTheHostWantsThem) {
  const Bytes hash(32, 7);
  const VariableWrite write = {.name = u"dbx",
                               .guid = kSecurityDatabaseGuid,
                               .attributes = 0x67,
                               .payload = SignatureListOf(kSha256, kMicrosoft, {hash})};
  for (const char* wanted : {"no", "yes"}) {
    std::filesystem::remove(folder_.File("nvram"));
    MakeOldVm();
    SetNewHostKeys();
    PutHostFile("dbx.auth", AuthPayload(write, owner_));
    Mark();
    Boot({"--update-dbx", wanted});
    ExpectNewCertificates();
    EXPECT_EQ(guest_->GetVariable(u"dbx", kSecurityDatabaseGuid).data,
              std::string(wanted) == "yes" ? write.payload : Bytes());
    Stop();
  }
}

TEST_F(CertificatesTest, AnOlderGuardKnowsOfNoUpdate) {
  MakeOldVm();
  SetNewHostKeys();
  StartToolstack("old-guard");
  Mark();
  Boot();
  ExpectOldCertificates();
  EXPECT_EQ(Calls(), (Strings{kGet, kField}));
}

TEST_F(CertificatesTest, XapiItselfIsToldAsWell) {
  MakeOldVm();
  SetNewHostKeys();
  StartToolstack("xapi");
  Mark();
  Boot();
  ExpectNewCertificates();
  EXPECT_EQ(state(), "ok");
  EXPECT_EQ(Calls().back(), "set yes");
}

TEST_F(CertificatesTest, ResumeUpdatesNothing) {
  MakeOldVm();
  const std::string save = folder_.File("save");
  Boot({"--arg", "save:" + save});
  Stop();
  SetNewHostKeys();
  Mark();
  static_cast<void>(Calls());
  Boot({"--resume", "--arg", "resume:" + save});
  ExpectOldCertificates();
  EXPECT_EQ(Calls(), Strings());
}

}  // namespace
}  // namespace varstored::test
