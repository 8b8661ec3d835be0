// The keys of a first boot (docs/engine.md, "First boot"): every set of files, and what may be
// wrong with them.

#include <algorithm>
#include <array>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/process.h"
#include "support/signing.h"
#include "support/temporary_folder.h"
#include "varstored/base/file.h"
#include "varstored/efi/well_known.h"
#include "wire/expressions.h"
#include "wire/machine.h"

namespace varstored::test {
namespace {

/// A file, the variable that it is for, and the attributes that it is signed with.
struct KeyFile {
  std::string file_name;
  std::u16string name;
  Guid guid;
  std::uint32_t attributes;
};

const std::array<KeyFile, 4>& KeyFiles() {
  static const std::array<KeyFile, 4> files = {{
      {"dbx.auth", u"dbx", kSecurityDatabaseGuid, 0x67},
      {"db.auth", u"db", kSecurityDatabaseGuid, 0x27},
      {"KEK.auth", u"KEK", kGlobalGuid, 0x27},
      {"PK.auth", u"PK", kGlobalGuid, 0x27},
  }};
  return files;
}

class FirstBoot : public testing::Test {
 protected:
  /// What the file of this name holds, signed by `signer`.
  [[nodiscard]] Bytes Content(const KeyFile& file, const Identity& signer) const {
    KeyRing keys({});
    const Bytes payload =
        file.name == u"dbx" ? ParseBytes("sha256(01)", keys)
                            : SignatureListOf(ParseGuidWord("a5c059a1-94e4-4aa7-87b5-ab155c2bf072"),
                                              ParseGuidWord("test"), {pk_.certificate()});
    return AuthPayload(
        {.name = file.name, .guid = file.guid, .attributes = file.attributes, .payload = payload},
        signer);
  }
  void Put(const std::string& file_name, ByteSpan content) const {
    ASSERT_TRUE(base::WriteFileInPlace(folder_.File(file_name), content).ok());
  }
  void PutGoodFile(const KeyFile& file) const { Put(file.file_name, Content(file, pk_)); }

  [[nodiscard]] std::vector<std::string> Arguments(std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--auth-dir", folder_.path()});
    return more;
  }
  static bool IsThere(Machine& machine, const KeyFile& file) {
    return machine.guest().GetVariable(file.name, file.guid).status == kEfiSuccess;
  }
  static int ByteOf(Machine& machine, const std::u16string& name) {
    const auto reply = machine.guest().GetVariable(name, kGlobalGuid);
    return reply.data.size() == 1 ? reply.data[0] : -1;
  }
  /// Starts with the files as they are, and expects that it says `reason` and ends.
  void ExpectNoStart(const std::string& reason, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = Arguments(std::move(more));
    arguments.insert(arguments.begin(), {"--backend", "memory"});
    const std::vector<std::string> command = LoopbackCommand(folder_.File("socket"));
    arguments.insert(arguments.begin(), command.begin(), command.end());
    const Ended ended = RunProgram(arguments);
    EXPECT_EQ(ended.exit_code, 1);
    EXPECT_NE(ended.errors.find(reason), std::string::npos) << ended.errors;
    EXPECT_FALSE(base::ReadFile(folder_.File("socket"), 1).ok());
  }

  const Identity pk_ = Identity::Make({.subject = CommonName("First boot")});
  TemporaryFolder folder_;
};

/// Which files are there, one bit each in the order of KeyFiles(), and which the host asks for.
struct FilesCase {
  unsigned there = 0;
  bool require_kek = false;
  bool require_db = false;
};

std::ostream& operator<<(std::ostream& out, const FilesCase& files) {
  return out << "files " << files.there << (files.require_kek ? ", KEK is required" : "")
             << (files.require_db ? ", db is required" : "");
}

std::vector<FilesCase> AllFilesCases() {
  std::vector<FilesCase> all;
  for (unsigned i = 0; i < 64; ++i) {
    all.push_back({i % 16, (i & 16) != 0, (i & 32) != 0});
  }
  return all;
}

TEST_F(FirstBoot, EverySetOfFilesIsEnrolledAsFarAsItGoes) {
  for (const FilesCase& files : AllFilesCases()) {
    SCOPED_TRACE(testing::Message() << files);
    for (std::size_t i = 0; i < KeyFiles().size(); ++i) {
      const KeyFile& file = KeyFiles()[i];
      ASSERT_TRUE(base::WriteFileInPlace(folder_.File(file.file_name), {}).ok());
      if ((files.there >> i & 1) != 0) {
        PutGoodFile(file);
      } else {
        ASSERT_EQ(std::remove(folder_.File(file.file_name).c_str()), 0);
      }
    }
    const bool has_db = (files.there & 2) != 0;
    const bool has_kek = (files.there & 4) != 0;
    const bool has_pk = (files.there & 8) != 0;
    const bool user_mode =
        has_pk && (has_kek || !files.require_kek) && (has_db || !files.require_db);

    Machine machine({.platform = {"secureboot=true"},
                     .arguments = Arguments({"--require-kek", files.require_kek ? "yes" : "no",
                                             "--require-db", files.require_db ? "yes" : "no"})});

    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(IsThere(machine, KeyFiles()[i]), (files.there >> i & 1) != 0)
          << KeyFiles()[i].file_name;
    }
    EXPECT_EQ(IsThere(machine, KeyFiles()[3]), user_mode);
    EXPECT_EQ(ByteOf(machine, u"SetupMode"), user_mode ? 0 : 1);
    EXPECT_EQ(ByteOf(machine, u"SecureBoot"), user_mode ? 1 : 0);

    const std::string log = machine.LogAtTheEnd();
    EXPECT_EQ(log.find("there is no KEK.auth") == std::string::npos, has_kek) << log;
    EXPECT_EQ(log.find("there is no db.auth") == std::string::npos, has_db) << log;
  }
}

TEST_F(FirstBoot, TheKeysAreThoseOfTheFiles) {
  for (const KeyFile& file : KeyFiles()) {
    PutGoodFile(file);
  }
  Machine machine({.arguments = Arguments()});
  KeyRing keys({});
  const auto dbx = machine.guest().GetVariable(u"dbx", kSecurityDatabaseGuid);
  EXPECT_EQ(dbx.attributes, 0x27U);
  EXPECT_EQ(dbx.data, ParseBytes("sha256(01)", keys));
  const auto pk = machine.guest().GetVariable(u"PK", kGlobalGuid);
  EXPECT_EQ(pk.attributes, 0x27U);
  EXPECT_TRUE(std::equal(pk_.certificate().rbegin(), pk_.certificate().rend(), pk.data.rbegin()));
}

TEST_F(FirstBoot, TheTimesOfTheFilesAreStored) {
  for (const KeyFile& file : KeyFiles()) {
    PutGoodFile(file);
  }
  Machine machine({.arguments = Arguments()});
  const KeyFile& db = KeyFiles()[1];
  // The very file again is a replay.
  EXPECT_EQ(machine.guest().SetVariable(db.name, db.guid, db.attributes, Content(db, pk_)),
            kEfiSecurityViolation);
}

TEST_F(FirstBoot, WithoutAFolderThereAreNoKeys) {
  for (const KeyFile& file : KeyFiles()) {
    PutGoodFile(file);
  }
  Machine machine;
  EXPECT_EQ(ByteOf(machine, u"SetupMode"), 1);
  EXPECT_FALSE(IsThere(machine, KeyFiles()[1]));
}

TEST_F(FirstBoot, AVmThatHasBootedBeforeGetsNoKeys) {
  for (const KeyFile& file : KeyFiles()) {
    PutGoodFile(file);
  }
  Machine kept({.kept = BlobOf({}), .arguments = Arguments()});
  EXPECT_EQ(ByteOf(kept, u"SetupMode"), 1);
  Machine resumed({.saved = kept.Save(), .arguments = Arguments()});
  EXPECT_EQ(ByteOf(resumed, u"SetupMode"), 1);
}

TEST_F(FirstBoot, AFileThatCannotBeUsedFailsTheStartByName) {
  for (const KeyFile& broken : KeyFiles()) {
    SCOPED_TRACE(broken.file_name);
    for (const KeyFile& file : KeyFiles()) {
      PutGoodFile(file);
    }
    Bytes content = Content(broken, pk_);
    Put(broken.file_name, {});
    ExpectNoStart(broken.file_name);
    Put(broken.file_name, ByteSpan(content).first(39));
    ExpectNoStart(broken.file_name);
    Put(broken.file_name, ByteSpan(content).first(content.size() - 1));
    ExpectNoStart(broken.file_name);
    content.push_back(0);
    Put(broken.file_name, content);
    ExpectNoStart(broken.file_name);
    Put(broken.file_name, Bytes(std::size_t{1} << 20, 0xAA));
    ExpectNoStart(broken.file_name);
  }
}

// The host owns the store, and may have a PK of somebody else's.
TEST_F(FirstBoot, APkIsEnrolledWhoeverHasSignedIt) {
  const KeyFile& pk = KeyFiles()[3];
  KeyFile append = pk;
  append.attributes = 0x67;
  for (const Bytes& content :
       {Content(pk, Identity::Make()), Content(append, pk_),
        WithDescriptor({}, {},
                       SignatureListOf(ParseGuidWord("a5c059a1-94e4-4aa7-87b5-ab155c2bf072"),
                                       ParseGuidWord("test"), {pk_.certificate()}))}) {
    Put("PK.auth", content);
    Machine machine({.arguments = Arguments()});
    EXPECT_EQ(ByteOf(machine, u"SetupMode"), 0);
  }
}

TEST_F(FirstBoot, ABadPkIsFoundAlsoWhenItIsNotEnrolledYet) {
  KeyRing keys({});
  Put("PK.auth", WithDescriptor({}, {}, ParseBytes("sha256(01)", keys)));
  ExpectNoStart("PK.auth cannot be used: pk-not-one-certificate", {"--require-kek", "yes"});
}

TEST_F(FirstBoot, APkThatTheHostManagesIsEnrolledWithoutASignature) {
  KeyRing keys({});
  Put("PK.auth", WithDescriptor({}, {}, ParseBytes("managed(00)", keys)));
  Machine machine({.arguments = Arguments()});
  EXPECT_EQ(ByteOf(machine, u"SetupMode"), 0);
  EXPECT_EQ(machine.guest().GetVariable(u"PK", kGlobalGuid).data, ParseBytes("managed(00)", keys));
}

TEST_F(FirstBoot, TheHostsKeysAreShownAsDefaults) {
  for (const KeyFile& file : KeyFiles()) {
    PutGoodFile(file);
  }
  Machine machine({.arguments = Arguments()});
  const auto remaining = [&machine] {
    return machine.guest().QueryVariableInfo(0x07).remaining_storage;
  };
  const auto before = remaining();
  for (const KeyFile& file : KeyFiles()) {
    const auto key = machine.guest().GetVariable(file.name, file.guid);
    const auto shown = machine.guest().GetVariable(file.name + u"Default", kGlobalGuid);
    EXPECT_EQ(shown.status, kEfiSuccess);
    EXPECT_EQ(shown.attributes, 0x06U);
    EXPECT_EQ(shown.data, key.data) << "without a descriptor";
    EXPECT_EQ(machine.guest().SetVariable(file.name + u"Default", kGlobalGuid, 0x06, {}),
              kEfiWriteProtected);
  }
  EXPECT_EQ(ByteOf(machine, u"VendorKeys"), 1);
  EXPECT_EQ(remaining(), before);

  // A walk meets each once, the host's behind the VM's own.
  std::vector<std::u16string> names;
  for (auto next = machine.guest().GetNextVariableName(u"", Guid{}); next.status == kEfiSuccess;
       next = machine.guest().GetNextVariableName(next.name, next.guid)) {
    names.push_back(next.name);
  }
  for (const std::u16string_view name :
       {u"PKDefault", u"KEKDefault", u"dbDefault", u"dbxDefault", u"VendorKeys"}) {
    EXPECT_EQ(std::ranges::count(names, name), 1);
  }
}

TEST_F(FirstBoot, VendorKeysSaysWhetherTheKeysAreTheHosts) {
  for (const KeyFile& file : KeyFiles()) {
    PutGoodFile(file);
  }
  Machine machine({.arguments = Arguments()});
  const auto set = [&](const KeyFile& file, std::uint32_t attributes, std::uint8_t day,
                       const std::string& payload) {
    KeyRing keys({});
    return machine.guest().SetVariable(file.name, file.guid, attributes,
                                       AuthPayload({.name = file.name,
                                                    .guid = file.guid,
                                                    .attributes = attributes,
                                                    .time = {.day = day},
                                                    .payload = ParseBytes(payload, keys)},
                                                   pk_));
  };
  const auto& [dbx, db, kek, pk] = KeyFiles();
  EXPECT_EQ(set(dbx, 0x67, 2, "sha256(01,02)"), kEfiSuccess);
  EXPECT_EQ(ByteOf(machine, u"VendorKeys"), 1) << "who has the host's keys has signed it";
  EXPECT_EQ(set(dbx, 0x27, 3, "sha256(02)"), kEfiSuccess);
  EXPECT_EQ(ByteOf(machine, u"VendorKeys"), 0) << "an entry of the host's is gone";
  EXPECT_EQ(set(dbx, 0x27, 4, "sha256(01)"), kEfiSuccess);
  EXPECT_EQ(ByteOf(machine, u"VendorKeys"), 1);
  EXPECT_EQ(set(kek, 0x67, 2, "sha256(01)"), kEfiSuccess);
  EXPECT_EQ(ByteOf(machine, u"VendorKeys"), 0) << "somebody else may sign";
}

TEST_F(FirstBoot, DefaultsAreNeitherKeptNorSavedAndAnOptionLeavesThemOut) {
  for (const KeyFile& file : KeyFiles()) {
    PutGoodFile(file);
  }
  Machine machine({.arguments = Arguments()});
  const Bytes name = base::ToBytes(efi::kPkDefault.name);
  const Bytes saved = machine.Save();
  EXPECT_EQ(std::search(saved.begin(), saved.end(), name.begin(), name.end()), saved.end());
  Machine resumed({.saved = saved, .arguments = Arguments()});
  EXPECT_EQ(resumed.guest().GetVariable(u"PKDefault", kGlobalGuid).status, kEfiSuccess);
  const Bytes kept = resumed.ShutDown();
  EXPECT_EQ(std::search(kept.begin(), kept.end(), name.begin(), name.end()), kept.end());

  Machine without({.arguments = Arguments({"--default-keys", "no"})});
  EXPECT_EQ(without.guest().GetVariable(u"PKDefault", kGlobalGuid).status, kEfiNotFound);
  EXPECT_EQ(without.guest().GetVariable(u"VendorKeys", kGlobalGuid).status, kEfiNotFound);
  EXPECT_TRUE(IsThere(without, KeyFiles()[3]));
}

TEST_F(FirstBoot, TheOtherFilesNeedNoSignature) {
  const Identity stranger = Identity::Make();
  for (std::size_t i = 0; i < 3; ++i) {
    Put(KeyFiles()[i].file_name, Content(KeyFiles()[i], stranger));
  }
  PutGoodFile(KeyFiles()[3]);
  Machine machine({.arguments = Arguments()});
  EXPECT_EQ(ByteOf(machine, u"SetupMode"), 0);
  EXPECT_TRUE(IsThere(machine, KeyFiles()[0]));
}

}  // namespace
}  // namespace varstored::test
