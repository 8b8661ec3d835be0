// What is left to the process once it is locked in: no path, few system calls, small files.

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sqlite_session.h"
#include "support/temporary_folder.h"

namespace varstored::test {
namespace {

/// A sanitizer makes calls of its own.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kIsInstrumented = true;
#elif defined(__has_feature)
constexpr bool kIsInstrumented = __has_feature(address_sanitizer);
#else
constexpr bool kIsInstrumented = false;
#endif

/// docs/backends.md, "Locked in".
constexpr std::array kFileCalls = {SYS_pread64,   SYS_pwrite64,  SYS_fdatasync,
                                   SYS_ftruncate, SYS_fstat,     SYS_fcntl,
                                   SYS_close,     SYS_newfstatat /* fstat of a C library */};
/// What any program needs.
constexpr std::array kOtherCalls = {SYS_brk,   SYS_mmap,  SYS_munmap,    SYS_mremap,    SYS_madvise,
                                    SYS_write, SYS_futex, SYS_getrandom, SYS_exit_group};

bool Chroot(const std::string& folder) {
  if (::geteuid() != 0 && ::unshare(CLONE_NEWUSER) != 0) {
    return false;
  }
  return ::chroot(folder.c_str()) == 0 && ::chdir("/") == 0;
}

/// Any other call ends the process with SIGSYS.
bool AllowOnlyTheseCalls(bool with_files = true) {
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  const auto allow = [&program](long call) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  };
  if (with_files) {
    std::for_each(kFileCalls.begin(), kFileCalls.end(), allow);
  }
  for (const long call : kOtherCalls) {
    allow(call);
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  const sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
  return kIsInstrumented || (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                             ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

bool LimitFileSize(std::size_t bytes) {
  const rlimit limit = {bytes, bytes};
  return std::signal(SIGXFSZ, SIG_IGN) != SIG_ERR && ::setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

/// Runs `body` in a process of its own, and gives how it ended.
template <class Body>
int Fork(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(99);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

class SqliteSealedTest : public testing::Test {
 protected:
  TemporaryFolder folder_{FastParent()};
  std::string path_ = folder_.File("vm.db");
};

TEST_F(SqliteSealedTest, LivesInAChrootWithFewCallsAndSmallFiles) {
  constexpr int kNoChroot = 42;
  std::filesystem::create_directory(folder_.File("root"));
  const int ended = Fork([this] {
    std::optional<Session> session(path_);
    if (!Chroot(folder_.File("root"))) {
      ::_exit(kNoChroot);
    }
    if (!LimitFileSize(backend::kMaxDatabaseBytes) || !AllowOnlyTheseCalls()) {
      ::_exit(1);
    }
    // A whole store of large and small variables, again and again.
    for (std::uint8_t i = 0; i < 200; ++i) {
      if (!session->Put(MakeVariable("Big" + std::to_string(i % 2), 57344, i)).ok() ||
          !session->Put(MakeVariable("Small" + std::to_string(i % 50), 100, i)).ok() ||
          !session->Put(MakeVariable("Signed", 100, i, 0x27)).ok() ||
          !session->Erase(MakeVariable("Small" + std::to_string(i % 7), 1)).ok()) {
        ::_exit(2);
      }
    }
    session.reset();
    ::_exit(0);
  });
  if (ended == kNoChroot) {
    GTEST_SKIP() << "neither root nor a user namespace to be it in";
  }
  EXPECT_EQ(ended, 0);
  EXPECT_EQ(Reopen(path_).size(), 2U + 1U + 50U - 7U);
  EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), 0U);
}

// Not even a device for random bytes is opened, in a process that has not used SQLite before.
TEST_F(SqliteSealedTest, WhoLooksAtBytesNeedsNoFile) {
  ASSERT_EQ(Fork([this] {
              Session session(path_);
              ::_exit(session.Put(MakeVariable("BootOrder", 2)).ok() ? 0 : 1);
            }),
            0);
  const auto files = backend::OpenDatabaseFiles(path_, backend::DatabaseUse::kLook);
  ASSERT_TRUE(files) << files.error().message;
  const auto bytes = backend::ReadDatabase(*files);
  ASSERT_TRUE(bytes) << bytes.error().message;
  ASSERT_FALSE(bytes->log.empty());  // as a process leaves it that was killed
  const int ended = Fork([&bytes] {
    Lines log;
    if (!AllowOnlyTheseCalls(false)) {
      ::_exit(1);
    }
    const auto backend = backend::SqliteBackend::Look(*bytes, log);
    const auto kept =
        backend ? (*backend)->Load()
                : base::Result<std::optional<std::vector<store::Entry>>>(backend.failure());
    ::_exit(kept && *kept == std::vector{MakeVariable("BootOrder", 2)} ? 0 : 2);
  });
  EXPECT_EQ(ended, 0);
}

// The largest state that can come from elsewhere: a saved one of many records over today's limits.
TEST_F(SqliteSealedTest, TheLargestStateFitsTheLimitTwice) {
  const int ended = Fork([this] {
    store::Store resumed;
    for (int i = 0; i < 17; ++i) {
      resumed.Append(MakeVariable("Legacy" + std::to_string(i), 61440));
    }
    for (std::uint8_t process = 0; process < 2; ++process) {
      Lines log;
      const auto backend = backend::SqliteBackend::Open(path_, log);
      store::StagedStore staged(resumed);
      staged.Put(MakeVariable("BootNext", 2, process));
      if (!LimitFileSize(backend::kMaxDatabaseBytes) || !backend.ok() ||
          !(*backend)->Commit(staged).ok()) {
        ::_exit(1);
      }
    }
    ::_exit(0);
  });
  EXPECT_EQ(ended, 0);
  EXPECT_EQ(Reopen(path_).size(), 18U);
}

TEST_F(SqliteSealedTest, AFileSizeLimitIsAnErrorAndSmallerWritesGoOn) {
  const int ended = Fork([this] {
    Session session(path_);
    if (!session.Put(MakeVariable("Small", 100)).ok() || !LimitFileSize(40000)) {
      ::_exit(1);
    }
    const auto kept = session.Put(MakeVariable("Big", 57344));
    if (kept.ok() || kept.error().message.find("File too large") == std::string::npos) {
      ::_exit(2);
    }
    ::_exit(session.Put(MakeVariable("Small", 200)).ok() ? 0 : 3);
  });
  EXPECT_EQ(ended, 0);
  EXPECT_TRUE(Reopen(path_) == std::vector<store::Entry>{MakeVariable("Small", 200)});
}

}  // namespace
}  // namespace varstored::test
