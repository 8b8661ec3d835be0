// What somebody would do who has taken over a helper process: each act is tried from inside, and
// ends the process, or fails.

#include "varstored/sandbox/helper.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "varstored/base/file.h"
#include "varstored/sandbox/program.h"
#include "varstored/sandbox/sandbox.h"

namespace varstored::sandbox {
namespace {

class Lines final : public base::Log {
 public:
  std::vector<std::string> lines;

 private:
  void Put(base::LogLevel level, std::string_view /*name*/, std::string_view text) override {
    lines.push_back(std::to_string(static_cast<int>(level)) + " " + std::string(text));
  }
};

using Work = std::function<base::Result<base::Bytes>(base::Log& log)>;

/// The text that came back, or the error behind a "!".
std::string Done(const Work& work, Lines& log, const Helper::Options& options = {}) {
  const auto answer = InHelper(work, log, options);
  return answer ? base::ToString(*answer) : "!" + answer.error().message;
}

std::string Done(const Work& work) {
  Lines ignored;
  return Done(work, ignored);
}

TEST(Helper, WhatTheWorkGivesAndLogsComesBack) {
  Lines log;
  EXPECT_EQ(Done(
                [](base::Log& lines) -> base::Result<base::Bytes> {
                  lines.Warning("one");
                  lines.Info("two");
                  return base::ToBytes("seen");
                },
                log),
            "seen");
  EXPECT_EQ(log.lines, (std::vector<std::string>{"4 one", "6 two"}));
}

TEST(Helper, AFailureComesBackInItsOwnWords) {
  EXPECT_EQ(Done([](base::Log&) -> base::Result<base::Bytes> { return base::Fail("no blob"); }),
            "!no blob");
  EXPECT_EQ(Done([](base::Log&) -> base::Result<base::Bytes> { throw std::bad_alloc(); }),
            "!out of memory");
}

TEST(Helper, ItsEndIsAnErrorAndNotTheCallers) {
  const std::string crashed = Done([](base::Log&) -> base::Result<base::Bytes> {
    ::raise(SIGTERM);
    return base::Bytes();
  });
  EXPECT_EQ(crashed.find("!the helper process that looks at foreign bytes was ended"), 0U)
      << crashed;
  const std::string left = Done([](base::Log&) -> base::Result<base::Bytes> { ::_exit(0); });
  EXPECT_NE(left.find("has ended early"), std::string::npos) << left;
}

TEST(Helper, AnAnswerIsBounded) {
  Lines ignored;
  const std::string large =
      Done([](base::Log&) -> base::Result<base::Bytes> { return base::Bytes(5000); }, ignored,
           {.max_answer_bytes = 4096});
  EXPECT_EQ(large, "!the helper process answers with more than there can be");
}

TEST(Helper, AnAnswerThatIsNotInItsFormIsRefused) {
  // 12 bytes that promise more lines than there are.
  const std::string broken = Done([](base::Log&) -> base::Result<base::Bytes> {
    const base::Bytes forged = {12, 0, 0, 0, 9, 0, 0, 0, 4, 255, 255, 255, 255, 0, 0, 0};
    ::send(Helper::kFirstFile - 1, forged.data(), forged.size(), 0);
    return base::Bytes();
  });
  EXPECT_EQ(broken, "!the answer of the helper process is broken");
}

TEST(Helper, ProcessorTimeIsBounded) {
  if (!HasListOfCalls()) {
    GTEST_SKIP() << "a sanitizer takes time of its own";
  }
  const std::string endless = Done([](base::Log&) -> base::Result<base::Bytes> {
    for (volatile bool goes_on = true; goes_on;) {
    }
    return base::Bytes();
  });
  EXPECT_NE(endless.find("more processor time"), std::string::npos) << endless;
}

TEST(Helper, MemoryIsBounded) {
  if (!HasListOfCalls()) {
    GTEST_SKIP() << "a sanitizer needs more addresses";
  }
  EXPECT_EQ(Done([](base::Log&) -> base::Result<base::Bytes> {
              return base::Bytes(std::size_t{1} << 30U);
            }),
            "!out of memory");
}

TEST(Helper, NoDescriptorOfTheCallersIsLeft) {
  const base::UniqueFd file(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(Done([](base::Log&) -> base::Result<base::Bytes> {
              std::string open;
              for (int fd = 0; fd < 100; ++fd) {
                struct stat status = {};
                if (::fstat(fd, &status) == 0) {
                  open += std::to_string(fd) + (S_ISREG(status.st_mode) ? "f " : " ");
                }
              }
              return base::ToBytes(open);
            }),
            "0 1 2 3 ");
}

TEST(Helper, RootIsNobodyAndHasNoWayBack) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  // The kernel says it of the process from outside, which has no call left to ask.
  auto helper = Helper::Start({}, [](int, base::Log&) -> Helper::Work {
    return [](base::ByteSpan) -> base::Result<base::Bytes> {
      return base::ToBytes(std::to_string(::getpid()));
    };
  });
  ASSERT_TRUE(helper);
  Lines log;
  const auto process = helper->Ask({}, log);
  ASSERT_TRUE(process);
  std::string status;
  {
    const base::UniqueFd file(
        ::open(("/proc/" + base::ToString(*process) + "/status").c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 4096> text{};
    const ssize_t size = ::read(file.get(), text.data(), text.size());
    status.assign(text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  }
  for (const char* line :
       {"Uid:\t65534\t65534\t65534\t65534\n", "Gid:\t65534\t65534\t65534\t65534\n",
        "CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n", "NoNewPrivs:\t1\n"}) {
    EXPECT_NE(status.find(line), std::string::npos) << line << status;
  }
  if (HasListOfCalls()) {
    EXPECT_NE(status.find("Seccomp:\t2\n"), std::string::npos) << status;
  }
}

struct Act {
  const char* name;
  std::function<void()> act;
};

const std::vector<Act> kActs = {
    {"read a file", [] { ::open("/etc/shadow", O_RDONLY); }},
    {"read a file that all may read", [] { ::open("/etc/passwd", O_RDONLY); }},
    {"make a file", [] { ::open("/tmp/varstored-helper", O_WRONLY | O_CREAT, 0600); }},
    {"remove a file", [] { ::unlink("/tmp/varstored-helper"); }},
    {"connect", [] { ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }},
    {"connect to the net", [] { ::socket(AF_INET, SOCK_STREAM, 0); }},
    {"fork", [] { ::syscall(SYS_fork); }},
    {"run a program",
     [] {
       std::array<char*, 1> none = {nullptr};
       ::execve("/bin/true", none.data(), none.data());
     }},
    {"be root", [] { ::syscall(SYS_setuid, 0); }},
    {"signal the caller", [] { ::kill(::getppid(), SIGTERM); }},
    {"write to what is open", [] { ::syscall(SYS_write, 1, "x", 1); }},
    {"raise a limit", [] { ::syscall(SYS_prlimit64, 0, 0, 0, 0); }},
    {"wait for ever", [] { ::syscall(SYS_pause); }},
};

TEST(Helper, EachForbiddenActEndsIt) {
  if (!HasListOfCalls()) {
    GTEST_SKIP() << "this build has no list of system calls: a sanitizer makes calls of its own";
  }
  for (const Act& act : kActs) {
    const std::string done = Done([&act](base::Log&) -> base::Result<base::Bytes> {
      act.act();
      return base::ToBytes("it was let through");
    });
    EXPECT_NE(done.find("system call that is not allowed"), std::string::npos)
        << act.name << ": " << done;
  }
}

TEST(Helper, OneThatConnectsCanDoNothingElse) {
  if (!HasListOfCalls()) {
    GTEST_SKIP() << "this build has no list of system calls: a sanitizer makes calls of its own";
  }
  Lines ignored;
  for (const Act& act : kActs) {
    const bool may = std::string(act.name) == "connect";
    const std::string done = Done(
        [&act](base::Log&) -> base::Result<base::Bytes> {
          act.act();
          return base::ToBytes("done");
        },
        ignored, {.keeps = HelperKeeps::kConnecting});
    EXPECT_EQ(done == "done", may) << act.name << ": " << done;
  }
}

TEST(Helper, OneWithFilesHasTheseAndNoOthers) {
  const test::TemporaryFolder folder;
  ASSERT_TRUE(base::WriteFileInPlace(folder.File("one"), base::ToBytes("1")));
  ASSERT_TRUE(base::WriteFileInPlace(folder.File("two"), base::ToBytes("2")));
  const base::UniqueFd one(::open(folder.File("one").c_str(), O_RDWR | O_CLOEXEC));
  const base::UniqueFd two(::open(folder.File("two").c_str(), O_RDWR | O_CLOEXEC));
  Lines ignored;
  EXPECT_EQ(
      Done(
          [](base::Log&) -> base::Result<base::Bytes> {
            // In the caller's order, and within the bound.
            std::array<char, 2> found{};
            if (::pread(Helper::kFirstFile, found.data(), 1, 0) != 1 ||
                ::pread(Helper::kFirstFile + 1, found.data() + 1, 1, 0) != 1) {
              return base::Fail("they cannot be read");
            }
            const bool is_bounded = ::pwrite(Helper::kFirstFile, "x", 1, 100) < 0 && errno == EFBIG;
            return base::ToBytes(std::string(found.data(), 2) + (is_bounded ? " bounded" : ""));
          },
          ignored,
          {.keeps = HelperKeeps::kFiles, .files = {two.get(), one.get()}, .max_file_bytes = 100}),
      "21 bounded");
}

TEST(Helper, AfterAStopItIsGivenUpWithinItsTime) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const base::UniqueFd stop_fd(pipe[0]);
  const base::UniqueFd other_end(pipe[1]);
  ASSERT_EQ(::write(other_end.get(), "x", 1), 1);
  Stop stop{.fd = stop_fd.get(), .grace = std::chrono::milliseconds(100)};
  Lines ignored;
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(Done(
                [](base::Log&) -> base::Result<base::Bytes> {
                  for (volatile bool goes_on = true; goes_on;) {
                  }
                  return base::Bytes();
                },
                ignored, {.stop = &stop}),
            "!interrupted");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(900));
}

// The words may be those of the file that it looked at.
TEST(Program, WhatItSaysReachesNoTerminalAsItIs) {
  const test::TemporaryFolder folder;
  const auto done = RunProgram({.path = FindProgram("sh"),
                                .arguments = {"-c", "printf 'a \\033[31mred\\nb\\n' >&2; exit 1"},
                                .folder = folder.path(),
                                .max_file_bytes = 1000});
  ASSERT_FALSE(done);
  const std::string& said = done.error().message;
  EXPECT_TRUE(said.starts_with("failed: ")) << said;
  EXPECT_NE(said.find("red"), std::string::npos) << said;
  EXPECT_EQ(said.find_first_of("\033\n"), std::string::npos) << said;
}

TEST(Program, OfRootsIsAUserThatNobodyElseIs) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can be two users";
  }
  const test::TemporaryFolder folder;
  ASSERT_TRUE(RunProgram({.path = FindProgram("sh"),
                          .arguments = {"-c", "echo made > out"},
                          .folder = folder.path(),
                          .max_file_bytes = 1000}));
  struct stat made = {};
  ASSERT_EQ(::stat(folder.File("out").c_str(), &made), 0);
  constexpr uid_t kFirst = 0x70000000;
  EXPECT_EQ(made.st_uid, kFirst + static_cast<uid_t>(::getpid()));
  EXPECT_EQ(made.st_gid, made.st_uid);
  struct stat status = {};
  ASSERT_EQ(::stat(folder.path().c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, made.st_uid);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
}

TEST(Program, SeesItsFolderAndNothingElse) {
  const test::TemporaryFolder folder;
  const test::TemporaryFolder other;
  ASSERT_TRUE(base::WriteFileInPlace(other.File("secret"), base::ToBytes("secret")));
  const std::string shell = FindProgram("sh");
  ASSERT_NE(shell, "");
  const auto run = [&](const std::string& script) {
    return RunProgram({.path = shell,
                       .arguments = {"-c", script},
                       .folder = folder.path(),
                       .max_file_bytes = 1000})
        .ok();
  };
  EXPECT_TRUE(run("echo made > out"));
  auto made = base::ReadFile(folder.File("out"), 100);
  ASSERT_TRUE(made);
  EXPECT_EQ(base::ToString(*made), "made\n");
  if (::geteuid() != 0 && !Confinement::Prepare({})->is_possible()) {
    GTEST_SKIP() << "the kernel has no Landlock, and the user stays the same";
  }
  EXPECT_FALSE(run("read line < " + other.File("secret")));
  EXPECT_FALSE(run("read line < /etc/shadow"));
  EXPECT_FALSE(run("echo x > " + other.File("new")));
  if (HasListOfCalls()) {
    EXPECT_FALSE(run("(:); :")) << "a child process";
  }
}

}  // namespace
}  // namespace varstored::sandbox
