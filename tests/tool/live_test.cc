// A running VM, looked into with the tools, and whether the guest notices.

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/process.h"
#include "support/temporary_folder.h"
#include "varstored/base/file.h"
#include "varstored/base/unix_address.h"
#include "varstored/efi/guid.h"
#include "varstored/live/snapshot.h"
#include "varstored/store/vars_blob.h"

namespace varstored::test {
namespace {

constexpr const char* kUuid = "c0acc535-2c4e-4d3b-8f0a-1d2e3f405162";
constexpr const char* kNoVendor = "00000000-0000-0000-0000-000000000000";
const Guid kMorControlGuid = efi::ParseGuid("e20939be-32d4-41be-a150-897f85d49829")->bytes;
const Guid kMorLockGuid = efi::ParseGuid("bb983ccf-151d-40e1-a07b-4a17be168292")->bytes;

class LiveTest : public ::testing::Test {
 protected:
  [[nodiscard]] Process StartVm(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"--backend", "memory", "--arg", std::string("uuid:") + kUuid,
                               "--live", folder_.File("live")});
    return StartLoopback(socket_, more);
  }
  [[nodiscard]] Ended Run(const std::string& tool, std::vector<std::string> words) const {
    words.insert(words.begin(), std::string(TOOLS) + "/" + tool);
    words.emplace_back("--live");
    return RunProgram(words);
  }
  [[nodiscard]] std::string Vm(std::string_view name = "0") const {
    return folder_.File("live/" + std::string(name));
  }
  [[nodiscard]] base::UniqueFd Connect() const {
    base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // A client that is forgotten is a failure, and not a test that never ends.
    const timeval most = {.tv_sec = 20, .tv_usec = 0};
    EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most), 0);
    const auto address = base::UnixAddress(Vm(std::string("0.") + kUuid));
    EXPECT_EQ(::connect(socket.get(), base::General(*address), sizeof *address), 0);
    return socket;
  }
  static Bytes ReadAll(int socket) {
    Bytes all;
    Bytes part(65536);
    for (ssize_t count = 0; (count = ::read(socket, part.data(), part.size())) > 0;) {
      all.insert(all.end(), part.begin(), part.begin() + count);
    }
    return all;
  }
  static bool Has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
  }

  TemporaryFolder folder_;
  std::string socket_ = folder_.File("socket");
};

TEST_F(LiveTest, TheToolsShowTheStateOfTheMoment) {
  const Process vm = StartVm();
  LoopbackClient guest(socket_);
  ASSERT_EQ(guest.SetVariable(u"First", {}, 7, Bytes{1}), kEfiSuccess);
  EXPECT_FALSE(Has(Run("varstore-ls", {Vm()}).output, "Second"));
  ASSERT_EQ(guest.SetVariable(u"Second", {}, 6, Bytes{1}), kEfiSuccess);
  ASSERT_EQ(guest.SetVariable(u"Bad", {}, 0x40000007, Bytes{1}), kEfiInvalidParameter);

  const Ended listed = Run("varstore-ls", {Vm()});
  EXPECT_EQ(listed.exit_code, 0) << listed.errors;
  EXPECT_TRUE(Has(listed.output, " Second\n")) << listed.output;
  EXPECT_TRUE(Has(listed.output, " SecureBoot\n")) << listed.output;
  EXPECT_EQ(Run("varstore-ls", {Vm(kUuid)}).output, listed.output);
  EXPECT_EQ(Run("varstore-ls", {Vm(std::string("0.") + kUuid)}).output, listed.output);

  const Ended shown = Run("varstore-inspect", {Vm()});
  EXPECT_EQ(shown.exit_code, 0) << shown.errors;
  EXPECT_TRUE(Has(shown.output, "SetVariable           1 Invalid Parameter, 2 Success\n"))
      << shown.output;
  EXPECT_TRUE(Has(shown.output, "Reasons       1 unknown-attributes\n")) << shown.output;
  EXPECT_TRUE(Has(shown.output, "Backend       1 requests in ")) << "the volatile one is not kept";
  EXPECT_TRUE(Has(shown.output, "Last error    SetVariable of Bad 00000000-")) << shown.output;
}

TEST_F(LiveTest, TheHostsKeysThatTheGuestIsShownAreToldAndTakeNoRoom) {
  const std::string keys = folder_.File("keys");
  ASSERT_TRUE(std::filesystem::create_directory(keys));
  ASSERT_EQ(RunProgram({std::string(TOOLS) + "/create-auth", "--managed", "PK", keys + "/PK.auth"})
                .exit_code,
            0);
  const auto used = [](const std::string& json) {
    return json.substr(json.find("\"used_bytes\":"), 20);
  };
  std::string without;
  {
    const Process vm = StartVm({"--auth-dir", keys, "--default-keys", "no"});
    without = Run("varstore-inspect", {Vm(), "--json"}).output;
    EXPECT_TRUE(Has(without, R"("defaults":[],"vendor_keys":null)")) << without;
  }
  const Process vm = StartVm({"--auth-dir", keys});
  EXPECT_TRUE(Has(Run("varstore-ls", {Vm()}).output, " PKDefault\n"));
  const std::string json = Run("varstore-inspect", {Vm(), "--json"}).output;
  EXPECT_TRUE(Has(json, R"("defaults":[{"name":"PKDefault","is_present":true)")) << json;
  EXPECT_TRUE(Has(json, R"("vendor_keys":true)")) << json;
  EXPECT_EQ(used(json), used(without));
  const std::string screen = Run("varstore-inspect", {Vm()}).output;
  EXPECT_TRUE(Has(screen, "PKDefault     managed by the host, no certificate\n")) << screen;
  EXPECT_TRUE(Has(screen, "VendorKeys    1: the VM's keys are the host's\n")) << screen;
}

TEST_F(LiveTest, AModeThatWasChosenIsShown) {
  const Process vm = StartVm();
  const Guid global = efi::ParseGuid("8be4df61-93ca-11d2-aa0d-00e098032b8c")->bytes;
  EXPECT_TRUE(Has(Run("varstore-inspect", {Vm(), "--json"}).output,
                  R"("secure_boot_mode":"setup","is_mode_chosen":false)"));
  ASSERT_EQ(LoopbackClient(socket_).SetVariable(u"AuditMode", global, 6, Bytes{1}), kEfiSuccess);
  EXPECT_TRUE(Has(Run("varstore-inspect", {Vm(), "--json"}).output,
                  R"("secure_boot_mode":"audit","is_mode_chosen":true)"));
  EXPECT_TRUE(Has(Run("varstore-inspect", {Vm()}).output, "Mode          audit, which was chosen"));
}

TEST_F(LiveTest, OfALockedDatabaseToolsThatLookAskTheDaemonAndOthersSayWhatToDo) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root, for a root folder of its own";
  }
  // The tools find both where they are on a host.
  const std::string root = folder_.File("root");
  const std::string vm_folder = root + "/var/lib/varstored/" + kUuid;
  const std::string path = std::string("/var/lib/varstored/") + kUuid + "/variables.sqlite";
  std::filesystem::create_directories(vm_folder);
  std::filesystem::create_directories(root + "/tmp");
  std::filesystem::create_directories(root + "/run/varstored");
  const auto run = [&root](const std::string& tool, std::vector<std::string> words) {
    words.insert(words.begin(), std::string(TOOLS) + "/" + tool);
    words.insert(words.end(), {"-r", root});
    return RunProgram(words);
  };
  const std::string socket = std::string("/run/varstored/live/0.") + kUuid;
  const std::string said =
      ": the VM runs: this is what its varstored has in memory now (" + socket + ")\n";
  {
    const Process vm = StartLoopback(
        socket_, {"--backend", "sqlite", "--arg", "path:" + root + path, "--arg",
                  std::string("uuid:") + kUuid, "--live", root + "/run/varstored/live"});
    LoopbackClient guest(socket_);
    ASSERT_EQ(guest.SetVariable(u"Kept", {}, 7, Bytes{'k'}), kEfiSuccess);
    ASSERT_EQ(guest.SetVariable(u"Volatile", {}, 6, Bytes{'v'}), kEfiSuccess);
    for (const std::string& word : {std::string(kUuid), path}) {
      const Ended got = run("varstore-get", {word, kNoVendor, "Volatile"});
      EXPECT_EQ(got.exit_code, 0);
      EXPECT_EQ(got.output, "v");
      EXPECT_EQ(got.errors, "varstore-get" + said);
      const Ended listed = run("varstore-ls", {word});
      EXPECT_EQ(listed.errors, "varstore-ls" + said);
      EXPECT_EQ(listed.output, Run("varstore-ls", {root + "/run/varstored/live/" + kUuid}).output);
      const Ended shown = run("varstore-inspect", {word});
      EXPECT_EQ(shown.errors, "varstore-inspect" + said);
      EXPECT_TRUE(Has(shown.output, "Running\n")) << shown.output;
      const Ended removed = run("varstore-rm", {word, kNoVendor, "Kept"});
      EXPECT_EQ(removed.exit_code, 1);
      EXPECT_EQ(removed.errors, "varstore-rm: " + path +
                                    ": another process uses it: the VM runs, as a rule. Shut it "
                                    "down, then run this again\n");
    }
    std::filesystem::remove(root + socket);
    const Ended deaf = run("varstore-ls", {kUuid});
    EXPECT_EQ(deaf.exit_code, 1);
    EXPECT_TRUE(Has(deaf.errors, "its varstored cannot be asked: /run/varstored/live: no socket"))
        << deaf.errors;
  }
  const Ended off = run("varstore-ls", {kUuid});
  EXPECT_EQ(off.exit_code, 0);
  EXPECT_EQ(off.errors, "");
}

TEST_F(LiveTest, OfAVmThatHasEndedTheToolSaysSo) {
  Process vm = StartVm();
  EXPECT_EQ(vm.Stop().exit_code, 0);
  for (const char* tool : {"varstore-ls", "varstore-inspect"}) {
    const Ended ended = Run(tool, {Vm(kUuid)});
    EXPECT_EQ(ended.exit_code, 1);
    EXPECT_EQ(ended.output, "");
    EXPECT_TRUE(Has(ended.errors, Vm(std::string("0.") + kUuid) + ": the VM's varstored has ended"))
        << ended.errors;
  }
  // The next start finds the name taken, and takes it.
  const Process next = StartVm();
  EXPECT_EQ(Run("varstore-ls", {Vm(kUuid)}).exit_code, 0);
}

TEST_F(LiveTest, WhereThereIsNoSocketTheToolSaysSo) {
  const Process vm = StartVm({"--live", "no"});
  EXPECT_TRUE(Has(Run("varstore-ls", {Vm()}).errors, "no socket of a running VM"));
  EXPECT_TRUE(Has(Run("varstore-ls", {Vm(), "--backend", "sqlite"}).errors, "exclude each other"));
}

TEST_F(LiveTest, AVmStartsWithoutTheSocketToo) {
  ASSERT_TRUE(base::WriteFileInPlace(folder_.File("file"), {}));
  const Process vm = StartVm({"--live", folder_.File("file/live")});
  EXPECT_TRUE(Has(vm.Errors(), "nobody can look into the running VM: ")) << vm.Errors();
  EXPECT_EQ(LoopbackClient(socket_).SetVariable(u"Name", {}, 7, Bytes{1}), kEfiSuccess);
}

TEST_F(LiveTest, ItIsAnsweredWhileTheGuestFloods) {
  const Process vm = StartVm();
  std::atomic<bool> is_enough = false;
  std::atomic<int> failures = 0;
  std::thread flood([&] {
    LoopbackClient guest(socket_);
    for (std::uint8_t i = 0; !is_enough; ++i) {
      failures += guest.SetVariable(u"Name", {}, 7, Bytes{i}) == kEfiSuccess ? 0 : 1;
    }
  });
  for (int round = 0; round < 10; ++round) {
    const Ended ended = Run("varstore-ls", {Vm()});
    EXPECT_EQ(ended.exit_code, 0) << ended.errors;
  }
  is_enough = true;
  flood.join();
  EXPECT_EQ(failures, 0);
}

TEST_F(LiveTest, ClientsThatNeverReadHoldNobodyUp) {
  // A store of an older version's, which may be larger than a guest can make it, and than what the
  // kernel takes at once.
  const store::Entry large = store::MakeEntry(
      {.name = {'L', '\0'}, .vendor = {}, .attributes = 7, .data = Bytes(600000, 1)});
  ASSERT_TRUE(base::WriteFileInPlace(folder_.File("init"), store::EncodeVarsBlob({}, {&large})));
  Process vm = StartVm({"--arg", "init:" + folder_.File("init")});
  LoopbackClient guest(socket_);
  const base::UniqueFd held = Connect();
  std::vector<base::UniqueFd> gone;
  for (int i = 0; i < 20; ++i) {
    gone.push_back(Connect());
  }
  gone.clear();
  const base::UniqueFd next = Connect();
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(guest.GetVariable(u"SecureBoot", kGlobalGuid).status, kEfiSuccess);
  }

  // From here on the guest does nothing that would wake the daemon up.
  const Bytes told = ReadAll(next.get());

  EXPECT_TRUE(live::DecodeSnapshot(told));
  const Bytes cut_off = ReadAll(held.get());
  EXPECT_FALSE(cut_off.empty());
  EXPECT_LT(cut_off.size(), told.size());
  const Ended ended = vm.Stop();
  EXPECT_EQ(ended.exit_code, 0) << ended.errors;
}

TEST_F(LiveTest, TheKeyOfTheMorLockIsNotTold) {
  const Process vm = StartVm();
  LoopbackClient guest(socket_);
  const Bytes key = {'S', 'e', 'c', 'r', 'e', 't', 'K', 'y'};
  ASSERT_EQ(guest.SetVariable(u"MemoryOverwriteRequestControlLock", kMorLockGuid, 7, key),
            kEfiSuccess);
  ASSERT_EQ(guest.SetVariable(u"MemoryOverwriteRequestControl", kMorControlGuid, 7, Bytes{1}),
            kEfiAccessDenied)
      << "locked with the key";

  const Bytes told = ReadAll(Connect().get());

  ASSERT_TRUE(live::DecodeSnapshot(told));
  EXPECT_FALSE(Has(base::ToString(told), "SecretKy"));
  EXPECT_TRUE(Has(base::ToString(told), "mor-locked"));
}

}  // namespace
}  // namespace varstored::test
