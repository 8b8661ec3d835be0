// The state in which the real program serves.

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/signing.h"
#include "support/temporary_folder.h"
#include "varstored/base/file.h"
#include "varstored/sandbox/sandbox.h"

namespace varstored::test {
namespace {

class LockedIn : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!sandbox::HasListOfCalls()) {
      GTEST_SKIP() << "this build has no list of system calls: a sanitizer makes calls of its own";
    }
  }
  static std::string File(const Process& process, const std::string& name) {
    const auto bytes =
        base::ReadFile("/proc/" + std::to_string(process.pid()) + "/" + name, 1 << 16);
    return bytes ? base::ToString(*bytes) : bytes.error().message;
  }
  static bool Has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  TemporaryFolder folder_;
  std::string socket_ = folder_.File("socket");
};

TEST_F(LockedIn, TheProcessThatServesHasNoWayBack) {
  const Process process = StartLoopback(socket_, {"--backend", "memory"});
  const std::string status = File(process, "status");
  EXPECT_TRUE(Has(status, "NoNewPrivs:\t1")) << status;
  EXPECT_TRUE(Has(status, "Seccomp:\t2")) << status;
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
    EXPECT_TRUE(Has(status, std::string(set) + ":\t0000000000000000")) << status;
  }
  if (::geteuid() == 0) {
    EXPECT_TRUE(Has(status, "CapBnd:\t0000000000000000")) << status;
  }
  EXPECT_TRUE(Has(status, "Threads:\t1\n")) << status;
  const std::string limits = File(process, "limits");
  EXPECT_TRUE(Has(limits, "Max file size             2097152              2097152")) << limits;
  EXPECT_TRUE(Has(limits, "Max processes             0                    0")) << limits;
  EXPECT_TRUE(Has(limits, "Max core file size        0                    0")) << limits;
  EXPECT_TRUE(Has(limits, "Max address space         134217728            134217728")) << limits;
}

TEST_F(LockedIn, ItServesOnAfterItWasStoppedAndContinued) {
  Process process = StartLoopback(socket_, {"--backend", "memory"});
  LoopbackClient guest(socket_);
  for (int round = 0; round < 3; ++round) {
    while (!Has(File(process, "stat"), ") S ")) {  // until it waits
      ::sched_yield();
    }
    process.Signal(SIGSTOP);
    int state = 0;
    ASSERT_EQ(::waitpid(process.pid(), &state, WUNTRACED), process.pid());
    ASSERT_TRUE(WIFSTOPPED(state));
    process.Signal(SIGCONT);
    EXPECT_EQ(guest.SetVariable(u"Name", {}, 7, Bytes{1}), kEfiSuccess);
  }
  const Ended ended = process.Stop();
  EXPECT_EQ(ended.exit_code, 0) << ended.errors;
}

// The C library's sort asks how much memory the computer has, the first time that there is much to
// sort; OpenSSL sorts the parts of a name before anything is known of who signed.
TEST_F(LockedIn, ANameOfManyPartsIsReadLikeAnother) {
  Name subject = CommonName("Many");
  for (int i = 0; i < 64; ++i) {
    subject.push_back({.field = "OU", .octets = "part " + std::to_string(i), .joins = true});
  }
  const Identity signer = Identity::Make({.subject = subject});
  Process process = StartLoopback(socket_, {"--backend", "memory"});
  const VariableWrite write = {.name = u"Private", .payload = {1}};

  EXPECT_EQ(LoopbackClient(socket_).SetVariable(u"Private", {}, 0x27, AuthPayload(write, signer)),
            kEfiSuccess);

  const Ended ended = process.Stop();
  EXPECT_EQ(ended.exit_code, 0) << ended.errors;
}

class LockedInWithDatabase : public LockedIn {
 protected:
  /// Starts with the database at this path, keeps a variable, and ends.
  void ExpectItWorksAt(const std::string& path) {
    Process process = StartLoopback(socket_, {"--backend", "sqlite", "--arg", "path:" + path});
    EXPECT_EQ(LoopbackClient(socket_).SetVariable(u"Name", {}, 7, Bytes{1}), kEfiSuccess);
    const Ended ended = process.Stop();
    EXPECT_EQ(ended.exit_code, 0) << ended.errors;
  }

  std::string database_ = folder_.File("vm.db");
};

TEST_F(LockedInWithDatabase, ItMayBeALinkToAnotherFolder) {
  TemporaryFolder other;
  ExpectItWorksAt(other.File("vm.db"));
  std::filesystem::create_symlink(other.File("vm.db"), database_);
  ExpectItWorksAt(database_);
}

TEST_F(LockedInWithDatabase, ItsModeMayChange) {
  ExpectItWorksAt(database_);
  std::filesystem::permissions(database_, std::filesystem::perms(0640));
  ExpectItWorksAt(database_);
}

TEST_F(LockedInWithDatabase, ItsPathMayBeRelative) {
  ExpectItWorksAt(std::filesystem::relative(database_).string());
  EXPECT_TRUE(std::filesystem::exists(database_));
}

TEST_F(LockedInWithDatabase, AJournalBesideItIsRefused) {
  ExpectItWorksAt(database_);
  ASSERT_TRUE(base::WriteFileInPlace(database_ + "-journal", Bytes(1024, 'x')));
  auto command = LoopbackCommand(socket_);
  command.insert(command.end(), {"--backend", "sqlite", "--arg", "path:" + database_});
  const Ended ended = RunProgram(command);
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_NE(ended.errors.find(database_ + "-journal: a journal beside the database"),
            std::string::npos)
      << ended.errors;
}

}  // namespace
}  // namespace varstored::test
