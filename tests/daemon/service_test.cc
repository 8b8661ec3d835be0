#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/temporary_folder.h"
#include "varstored/base/file.h"
#include "varstored/store/vars_blob.h"

namespace varstored::test {
namespace {

constexpr Guid kVendor = {1, 2, 3};
constexpr Guid kMorControlGuid = {0xbe, 0x39, 0x09, 0xe2, 0xd4, 0x32, 0xbe, 0x41,
                                  0xa1, 0x50, 0x89, 0x7f, 0x85, 0xd4, 0x98, 0x29};
constexpr Guid kMorLockGuid = {0xcf, 0x3c, 0x98, 0xbb, 0x1d, 0x15, 0xe1, 0x40,
                               0xa0, 0x7b, 0x4a, 0x17, 0xbe, 0x16, 0x82, 0x92};

/// The real program, and one guest after the other.
class ServiceTest : public ::testing::Test {
 protected:
  Process Start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--backend", "memory"});
    return StartLoopback(socket_, std::move(arguments));
  }
  [[nodiscard]] LoopbackClient Connect() const { return LoopbackClient(socket_); }

  TemporaryFolder folder_;
  std::string socket_ = folder_.File("socket");
  std::string save_ = folder_.File("save");
};

TEST_F(ServiceTest, EveryCallWorksOverTheSocket) {
  const Process process = Start({});
  LoopbackClient guest = Connect();
  const Bytes data = {10, 20, 30};

  EXPECT_EQ(guest.SetVariable(u"Name", kVendor, 7, data), kEfiSuccess);
  const auto found = guest.GetVariable(u"Name", kVendor);
  EXPECT_EQ(found.status, kEfiSuccess);
  EXPECT_EQ(found.attributes, 7U);
  EXPECT_EQ(found.data, data);
  const auto too_small = guest.GetVariable(u"Name", kVendor, 2);
  EXPECT_EQ(too_small.status, kEfiBufferTooSmall);
  EXPECT_EQ(too_small.needed_size, 3U);

  const auto names = guest.Walk();
  EXPECT_EQ(names.front(), std::pair(std::u16string(u"Name"), kVendor));
  const auto short_room = guest.GetNextVariableName({}, {}, 9);
  EXPECT_EQ(short_room.status, kEfiBufferTooSmall);
  EXPECT_EQ(short_room.needed_size, 10U);

  const auto info = guest.QueryVariableInfo(7);
  EXPECT_EQ(info.status, kEfiSuccess);
  EXPECT_EQ(info.maximum_storage, 131072U);
  EXPECT_EQ(info.maximum_variable, 57344U);
  EXPECT_LT(info.remaining_storage, 131072U);

  EXPECT_EQ(guest.NotifySecureBootFailure(), kEfiSuccess);
  EXPECT_EQ(guest.NotifySecureBootFailure(), kEfiAccessDenied);
}

TEST_F(ServiceTest, SecureBootNeedsAPlatformKeyAndKeys) {
  const Identity owner = Identity::Make();
  const Guid x509 = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                     0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
  VariableWrite pk = {.name = u"PK", .guid = kGlobalGuid};
  pk.payload = SignatureListOf(x509, kVendor, {owner.certificate()});
  ASSERT_TRUE(base::WriteFileInPlace(folder_.File("PK.auth"), AuthPayload(pk, owner)));
  struct Case {
    std::vector<std::string> options;
    std::uint8_t setup_mode;
    std::uint8_t secure_boot;
  };
  const std::vector<Case> cases = {
      {{}, 1, 0},
      {{"--platform", "secureboot=true"}, 1, 0},
      {{"--auth-dir", folder_.path()}, 0, 0},
      {{"--auth-dir", folder_.path(), "--platform", "secureboot=true"}, 0, 1},
      {{"--auth-dir", folder_.path(), "--platform", "secureboot=1"}, 0, 0},
      {{"--auth-dir", folder_.path(), "--require-db", "yes"}, 1, 0},
  };
  for (const Case& row : cases) {
    const Process process = Start(row.options);
    LoopbackClient guest = Connect();
    EXPECT_EQ(guest.GetVariable(u"SetupMode", kGlobalGuid).data, Bytes{row.setup_mode});
    EXPECT_EQ(guest.GetVariable(u"SecureBoot", kGlobalGuid).data, Bytes{row.secure_boot});
  }
}

TEST_F(ServiceTest, AuthEnforceFalseTakesUnsignedKeys) {
  const Process process = Start({"--platform", "auth-enforce=false"});
  LoopbackClient guest = Connect();
  const Guid x509 = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                     0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
  const Bytes list = SignatureListOf(x509, kVendor, {Identity::Make().certificate()});
  EXPECT_EQ(guest.SetVariable(u"PK", kGlobalGuid, 0x27, WithDescriptor({}, {}, list)), kEfiSuccess);
}

TEST_F(ServiceTest, PortsOfThePhysicalPresenceInterfaceWork) {
  const Process process = Start({});
  LoopbackClient guest = Connect();
  guest.WritePort(0x104, 4, 0x100);
  guest.WritePort(0x108, 4, 0xDDCCBBAA);
  EXPECT_EQ(guest.ReadPort(0x109, 1), 0xBBU);
  EXPECT_EQ(guest.ReadPort(0x108, 4), 0xDDCCBBAAU);
  EXPECT_EQ(guest.ReadPort(0x100, 4), 0U);
}

TEST_F(ServiceTest, ACommandWithoutPagesHasNoAnswerAndIsSurvived) {
  Process process = Start({});
  LoopbackClient guest = Connect();
  EXPECT_EQ(guest.CommandWithoutPages(), 1U);
  guest.WritePort(0x100, 4, 0xABCDE);
  EXPECT_EQ(guest.QueryVariableInfo(7).status, kEfiSuccess);
  const Ended ended = process.Stop();
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_NE(ended.errors.find("pages-not-mapped 2"), std::string::npos) << ended.errors;
}

// Every signal that asks for the end is an orderly one.
TEST_F(ServiceTest, ASignalSavesAndEndsWellWhateverTheClientDoes) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    for (const std::size_t sent : {0U, 1U, 15U, 16U, 17U, 30000U}) {
      ASSERT_TRUE(base::WriteFileInPlace(save_, {}));
      Process process = Start({"--arg", "save:" + save_});
      LoopbackClient guest = Connect();
      ASSERT_EQ(guest.SetVariable(u"Name", kVendor, 7, Bytes{1}), kEfiSuccess);
      // In the middle of a message, and going on for ever.
      guest.SendRaw(Bytes(sent));
      guest.WaitUntilRead();
      const Ended ended = process.Stop(number);
      EXPECT_EQ(ended.exit_code, 0) << ended.errors;
      EXPECT_EQ(base::ToString(*base::ReadFile(save_, 1 << 20)).substr(0, 4), "VARS");
    }
  }
}

TEST_F(ServiceTest, WithoutASaveFileTheEndIsOrderlyToo) {
  EXPECT_EQ(Start({}).Stop().exit_code, 0);
}

// The file is open from the start on: whoever has taken the daemon over makes none beside it.
TEST_F(ServiceTest, TheSaveFileIsMadeAtTheStartAndStaysTheSameFile) {
  for (const bool is_there : {true, false}) {
    std::filesystem::remove(save_);
    if (is_there) {
      ASSERT_TRUE(base::WriteFileInPlace(save_, Bytes(100000, 'x')));
    }
    Process process = Start({"--arg", "save:" + save_});
    struct stat before = {};
    ASSERT_EQ(::stat(save_.c_str(), &before), 0);
    EXPECT_EQ(before.st_mode & 07777U, 0600U);
    EXPECT_EQ(before.st_size, is_there ? 100000 : 0) << "what was saved stays until the end";
    EXPECT_EQ(process.Stop().exit_code, 0);
    struct stat after = {};
    ASSERT_EQ(::stat(save_.c_str(), &after), 0);
    EXPECT_EQ(after.st_ino, before.st_ino);
    EXPECT_TRUE(store::DecodeVarsBlob(*base::ReadFile(save_, 1 << 20)));
  }
}

TEST_F(ServiceTest, ASaveFileThatIsRemovedMeanwhileIsAnError) {
  Process process = Start({"--arg", "save:" + save_});
  ASSERT_TRUE(std::filesystem::remove(save_));
  const Ended ended = process.Stop();
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_NE(ended.errors.find("state-not-saved: "), std::string::npos) << ended.errors;
  EXPECT_NE(ended.errors.find(save_), std::string::npos) << ended.errors;
}

TEST_F(ServiceTest, ASavedGuestGoesOnWithAllOfItsState) {
  Process first = Start({"--arg", "save:" + save_});
  {
    LoopbackClient guest = Connect();
    ASSERT_EQ(guest.SetVariable(u"Kept", kVendor, 7, Bytes{1}), kEfiSuccess);
    ASSERT_EQ(guest.SetVariable(u"Volatile", kVendor, 6, Bytes{2}), kEfiSuccess);
    ASSERT_EQ(guest.SetVariable(u"MemoryOverwriteRequestControl", kMorControlGuid, 7, Bytes{1}),
              kEfiSuccess);
    ASSERT_EQ(guest.SetVariable(u"MemoryOverwriteRequestControlLock", kMorLockGuid, 7, Bytes(8, 5)),
              kEfiSuccess);
    guest.WritePort(0x104, 4, 0xFE);
    guest.WritePort(0x108, 4, 0x44332211);
  }
  ASSERT_EQ(first.Stop().exit_code, 0);
  const Bytes saved = *base::ReadFile(save_, 1 << 20);

  Process second = Start({"--resume", "--arg", "resume:" + save_, "--arg", "save:" + save_ + "2"});
  {
    LoopbackClient guest = Connect();
    EXPECT_EQ(guest.GetVariable(u"Kept", kVendor).data, Bytes{1});
    EXPECT_EQ(guest.GetVariable(u"Volatile", kVendor).data, Bytes{2});
    EXPECT_EQ(guest.GetVariable(u"MemoryOverwriteRequestControl", kMorControlGuid).data, Bytes{1});
    EXPECT_EQ(guest.ReadPort(0x108, 4), 0x44332211U);
  }
  ASSERT_EQ(second.Stop().exit_code, 0);

  Process third = Start({"--resume", "--arg", "resume:" + save_ + "2"});
  LoopbackClient guest = Connect();
  EXPECT_EQ(guest.SetVariable(u"MemoryOverwriteRequestControlLock", kMorLockGuid, 7, Bytes(8, 4)),
            kEfiAccessDenied)
      << "the key is still another one";
}

TEST_F(ServiceTest, ABootFromKeptVariablesIsNoResume) {
  Process first = Start({"--arg", "save:" + save_});
  {
    LoopbackClient guest = Connect();
    ASSERT_EQ(guest.SetVariable(u"Kept", kVendor, 7, Bytes{1}), kEfiSuccess);
    ASSERT_EQ(guest.SetVariable(u"MemoryOverwriteRequestControl", kMorControlGuid, 7, Bytes{1}),
              kEfiSuccess);
  }
  ASSERT_EQ(first.Stop().exit_code, 0);

  const Process second = Start({"--arg", "init:" + save_});
  LoopbackClient guest = Connect();
  EXPECT_EQ(guest.GetVariable(u"Kept", kVendor).data, Bytes{1});
  EXPECT_EQ(guest.GetVariable(u"MemoryOverwriteRequestControl", kMorControlGuid).data, Bytes{0});
}

// No saved state, an empty one and one without variables are three things (L-10).
TEST_F(ServiceTest, L10ResumeWithoutAStateServesWhatWasKept) {
  Process first = Start({"--arg", "save:" + save_});
  {
    LoopbackClient guest = Connect();
    ASSERT_EQ(guest.SetVariable(u"Kept", kVendor, 7, Bytes{1}), kEfiSuccess);
  }
  ASSERT_EQ(first.Stop().exit_code, 0);

  Process second = Start({"--resume", "--arg", "init:" + save_});
  {
    LoopbackClient guest = Connect();
    EXPECT_EQ(guest.GetVariable(u"Kept", kVendor).data, Bytes{1});
  }
  EXPECT_NE(second.Stop().errors.find("volatile-lost: "), std::string::npos);
}

TEST_F(ServiceTest, L10ResumeWithoutAStateIsNoFirstBoot) {
  // A file that a first boot would choke on.
  ASSERT_TRUE(base::WriteFileInPlace(folder_.File("PK.auth"), Bytes(100)));
  const Process process = Start({"--resume", "--auth-dir", folder_.path()});
  LoopbackClient guest = Connect();
  EXPECT_EQ(guest.GetVariable(u"SetupMode", kGlobalGuid).data, Bytes{1});
}

TEST_F(ServiceTest, L10AStateWithoutVariablesIsAState) {
  Bytes blob = {'V', 'A', 'R', 'S', 2};
  blob.resize(24 + 268);
  ASSERT_TRUE(base::WriteFileInPlace(save_, blob));
  const Process process = Start({"--resume", "--arg", "resume:" + save_});
  LoopbackClient guest = Connect();
  EXPECT_EQ(guest.GetVariable(u"SetupMode", kGlobalGuid).data, Bytes{1});
}

TEST_F(ServiceTest, ANonpersistentGuestStartsFromWhatIsKeptAndKeepsNothing) {
  const std::vector<std::string> kept = {"--backend", "sqlite", "--arg",
                                         "path:" + folder_.File("database")};
  std::vector<std::string> not_kept = kept;
  not_kept.emplace_back("--nonpersistent");
  const auto boot = [&](const std::vector<std::string>& arguments, const std::u16string& added) {
    Process process = StartLoopback(socket_, arguments);
    const std::size_t before = Connect().Walk().size();
    EXPECT_EQ(Connect().SetVariable(added, kVendor, 7, Bytes{1}), kEfiSuccess);
    EXPECT_EQ(process.Stop().exit_code, 0);
    return before;
  };
  const std::size_t own = boot(kept, u"First");
  EXPECT_EQ(boot(not_kept, u"Second"), own + 1);
  EXPECT_EQ(boot(not_kept, u"Third"), own + 1);
  EXPECT_EQ(boot(kept, u"Fourth"), own + 1);
  EXPECT_EQ(boot(kept, u"Fifth"), own + 2);
}

}  // namespace
}  // namespace varstored::test
