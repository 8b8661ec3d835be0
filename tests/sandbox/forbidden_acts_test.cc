// What somebody would do who has taken the process over: each act is tried from inside of the whole
// sandbox, and ends it or fails.

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "varstored/base/file.h"
#include "varstored/base/file_in_place.h"
#include "varstored/base/unique_fd.h"
#include "varstored/sandbox/sandbox.h"

namespace varstored::test {
namespace {

/// What the compiler calls when a function has written over the end of its stack.
extern "C" [[noreturn]] void __stack_chk_fail();  // NOLINT

constexpr std::uint64_t kMemoryBytes = std::uint64_t{128} << 20;

/// As DropRights of the daemon does behind the change of ids.
void EnterSandbox(const std::vector<std::string_view>& sections,
                  const std::vector<sandbox::FileUse>& files,
                  sandbox::OnViolation on_violation = sandbox::OnViolation::kKill) {
  sandbox::ForgoCapabilities();
  auto confinement = sandbox::Confinement::Prepare(files);
  if (!confinement || !sandbox::DropCapabilities() || !sandbox::LimitFileSize(4096) ||
      !sandbox::LimitResources(kMemoryBytes) || !sandbox::ForbidNewPrivileges() ||
      !confinement->Enter() || !sandbox::AllowOnlyListedCalls(sections, on_violation)) {
    ::_exit(99);
  }
}

class ForbiddenActs : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!sandbox::HasListOfCalls()) {
      GTEST_SKIP() << "this build has no list of system calls: a sanitizer makes calls of its own";
    }
  }

  TemporaryFolder folder_;
};

constexpr int kKilled = 128 + SIGSYS;

/// How a process of its own ended that did this inside of the sandbox: with an exit code, or 128
/// and the number of a signal, as in a shell.
template <class Function>
int Inside(const std::vector<std::string_view>& sections,
           const std::vector<sandbox::FileUse>& files, const Function& act,
           sandbox::OnViolation on_violation = sandbox::OnViolation::kKill) {
  const pid_t child = ::fork();
  if (child == 0) {
    EnterSandbox(sections, files, on_violation);
    act();
    ::_exit(0);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child) {
    return -1;
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

const std::vector<std::string_view> kXenWithXapi = {"always", "xen", "xapidb"};
const std::vector<std::string_view> kXenWithSqlite = {"always", "xen", "sqlite"};
const std::vector<std::string_view> kXenLookedInto = {"always", "xen", "xapidb", "live"};

struct Act {
  const char* name;
  void (*act)();
};

template <class... Arguments>
void Call(long number, Arguments... arguments) {
  ::syscall(number, arguments...);
}

void MapExecutable() {
  Call(SYS_mmap, 0L, 4096L, long{PROT_READ | PROT_EXEC}, long{MAP_PRIVATE | MAP_ANONYMOUS}, -1L,
       0L);
}
void MapWritableAndExecutable() {
  Call(SYS_mmap, 0L, 4096L, long{PROT_READ | PROT_WRITE | PROT_EXEC},
       long{MAP_PRIVATE | MAP_ANONYMOUS}, -1L, 0L);
}
void MakeExecutable() {
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ::mprotect(page, 4096, PROT_READ | PROT_EXEC);
}
void Execute() {
  std::array<char*, 1> none = {nullptr};
  ::execve("/bin/true", none.data(), none.data());
}
void ExecuteDescriptor() { Call(SYS_execveat, 0L, "", 0L, 0L, long{AT_EMPTY_PATH}); }
void Fork() { Call(SYS_fork); }
void Clone() { Call(SYS_clone, long{SIGCHLD}, 0L, 0L, 0L, 0L); }
void Clone3() { Call(SYS_clone3, 0L, 0L); }
void VFork() { Call(SYS_vfork); }
void Trace() { ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr); }
void ReadOtherMemory() { Call(SYS_process_vm_readv, long{::getpid()}, 0L, 0L, 0L, 0L, 0L); }
void ConnectTcp() { ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }
void ConnectTcp6() { ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0); }
void SendUdp() { ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); }
void SendToALog() { ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); }
void TalkToTheKernel() { ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0); }
void TalkToAHypervisorsHost() { ::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0); }
void Listen() { ::listen(0, 1); }
void Bind() { Call(SYS_bind, 0L, 0L, 0L); }
void KillTheParent() { ::kill(::getppid(), SIGTERM); }
void SignalAThread() { Call(SYS_tgkill, long{::getppid()}, long{::getppid()}, long{SIGABRT}); }
void SignalItself() { static_cast<void>(std::raise(SIGTERM)); }
void BecomeRoot() { Call(SYS_setuid, 0L); }
void ChangeRoot() { Call(SYS_chroot, "/"); }
void Mount() { ::mount("none", "/", "tmpfs", 0, nullptr); }
void ChangeNamespace() { ::unshare(CLONE_NEWUSER); }
void LoadAFilter() { ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); }
void BecomeDumpable() { ::prctl(PR_SET_DUMPABLE, 1); }
void RaiseALimit() { Call(SYS_prlimit64, 0L, 0L, 0L, 0L); }
void CreateARing() { Call(SYS_io_uring_setup, 1L, 0L); }
void LoadBpf() { Call(SYS_bpf, 0L, 0L, 0L); }
void UserFaults() { Call(SYS_userfaultfd, 0L); }
void KernelKeys() { Call(SYS_keyctl, 0L, 0L, 0L, 0L, 0L); }
void AnonymousFile() { Call(SYS_memfd_create, "", 0L); }
void OpenWithoutAName() {
  Call(SYS_openat, long{AT_FDCWD}, "/tmp", long{O_TMPFILE | O_RDWR}, 0600L);
}
void OpenForAppending() { ::open("/dev/null", O_WRONLY | O_APPEND | O_CLOEXEC); }
// As a journal that root's next look at a database acts upon, in the folder of save:.
void MakeAFile() {
  ::open("/tmp/none", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0600);
}
void MakeAProgramOfItsOwner() { ::open("/tmp/none", O_RDWR | O_CREAT | O_CLOEXEC, 04755); }
void MakeAProgramOfItsGroup() { ::open("/tmp/none", O_RDWR | O_CREAT | O_CLOEXEC, 02755); }
void GiveAFileItsOwnersRights() { ::fchmod(0, 04755); }
void GiveAFileItsGroupsRights() { ::fchmod(0, 02755); }
void MakeADevice() { ::mknod("/tmp/none", S_IFCHR | 0600, 0); }
void OpenAPath() { ::open("/", O_PATH | O_CLOEXEC); }
void Rename() { Call(SYS_rename, "/tmp/none", "/tmp/other"); }
void MakeAFolder() { ::mkdir("/none", 0700); }
void GiveASecondName() { Call(SYS_link, "/none", "/other"); }
void RemoveAFile() { ::unlink("/none"); }
void RemoveAFileOfAFolder() { ::unlinkat(AT_FDCWD, "/none", 0); }
void MakeAJournal() { ::open("/none-journal", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600); }
void MakeAFileOnlyHere() { ::open("/none", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600); }
void OpenForReadingAndWriting() { ::open("/dev/null", O_RDWR | O_CLOEXEC); }
void ChangeModeOfWhatIsOpen() { ::fchmod(0, 04777); }
void GiveAway() { Call(SYS_fchown, 0L, 1L, 1L); }
void MakeALink() { Call(SYS_symlink, "/", "/none"); }
void ChangeMode() { ::chmod("/none", 0777); }
void RemapPagesOfTheDomain() { ::ioctl(0, _IOC(_IOC_NONE, 'P', 7, 32), 0); }
void Hypercall() { ::ioctl(0, _IOC(_IOC_NONE, 'P', 0, 48), 0); }
void BindAnEventChannel() { ::ioctl(0, _IOC(_IOC_NONE, 'E', 1, 8), 0); }
void TypeIntoTheTerminal() { ::ioctl(0, TIOCSTI, ""); }
void CallOfThe32BitTable() {
  // Number 11 is execve there; here it is munmap, which is allowed.
  long result = 11;
  __asm__ volatile("int $0x80" : "+a"(result) : "b"(0L), "c"(0L), "d"(0L) : "memory");
}
void CallOfTheX32Table() { Call(0x40000000L | SYS_getpid); }
// Whoever can write to the stack sets all registers with it; no handler of the daemon's returns.
void ReturnFromNoSignal() { Call(SYS_rt_sigreturn); }
void CallWithoutAName() { Call(100000L); }

#define ACT(name) \
  Act { #name, name }
const std::array kDeadly = {
    ACT(MapExecutable),
    ACT(MapWritableAndExecutable),
    ACT(MakeExecutable),
    ACT(Execute),
    ACT(ExecuteDescriptor),
    ACT(Fork),
    ACT(Clone),
    ACT(Clone3),
    ACT(VFork),
    ACT(Trace),
    ACT(ReadOtherMemory),
    ACT(ConnectTcp),
    ACT(ConnectTcp6),
    ACT(SendUdp),
    ACT(SendToALog),
    ACT(TalkToTheKernel),
    ACT(TalkToAHypervisorsHost),
    ACT(Listen),
    ACT(Bind),
    ACT(KillTheParent),
    ACT(SignalAThread),
    ACT(SignalItself),
    ACT(BecomeRoot),
    ACT(ChangeRoot),
    ACT(Mount),
    ACT(ChangeNamespace),
    ACT(LoadAFilter),
    ACT(BecomeDumpable),
    ACT(RaiseALimit),
    ACT(CreateARing),
    ACT(LoadBpf),
    ACT(UserFaults),
    ACT(KernelKeys),
    ACT(AnonymousFile),
    ACT(OpenWithoutAName),
    ACT(OpenForAppending),
    ACT(MakeAFile),
    ACT(MakeAProgramOfItsOwner),
    ACT(MakeAProgramOfItsGroup),
    ACT(GiveAFileItsOwnersRights),
    ACT(GiveAFileItsGroupsRights),
    ACT(MakeADevice),
    ACT(OpenAPath),
    ACT(Rename),
    ACT(MakeAFolder),
    ACT(GiveASecondName),
    ACT(RemoveAFile),
    ACT(RemoveAFileOfAFolder),
    ACT(MakeAJournal),
    ACT(MakeAFileOnlyHere),
    ACT(OpenForReadingAndWriting),
    ACT(ChangeModeOfWhatIsOpen),
    ACT(GiveAway),
    ACT(MakeALink),
    ACT(ChangeMode),
    ACT(RemapPagesOfTheDomain),
    ACT(Hypercall),
    ACT(BindAnEventChannel),
    ACT(TypeIntoTheTerminal),
    ACT(CallOfThe32BitTable),
    ACT(CallOfTheX32Table),
    ACT(ReturnFromNoSignal),
    ACT(CallWithoutAName),
};
#undef ACT

TEST_F(ForbiddenActs, EachEndsTheProcessWithEveryBackend) {
  for (const auto& sections : {kXenWithXapi, kXenWithSqlite, kXenLookedInto}) {
    for (const Act& act : kDeadly) {
      SCOPED_TRACE(act.name);
      EXPECT_EQ(Inside(sections, {}, act.act), kKilled);
    }
  }
}

TEST_F(ForbiddenActs, WhatOneBackendNeedsIsForbiddenWithAnother) {
  const auto stream = [] { ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); };
  const auto write_a_page = [] { Call(SYS_pwrite64, -1L, 0L, 0L, 0L); };
  EXPECT_EQ(Inside(kXenWithSqlite, {}, stream), kKilled);
  EXPECT_EQ(Inside(kXenWithXapi, {}, stream), 0);
  EXPECT_EQ(Inside(kXenWithXapi, {}, write_a_page), kKilled);
  EXPECT_EQ(Inside(kXenWithSqlite, {}, write_a_page), 0);
}

TEST_F(ForbiddenActs, NoFileIsMade) {
  const std::string path = folder_.File("new");
  const auto make = [&] { ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600); };
  EXPECT_EQ(Inside(kXenWithXapi, {}, make), kKilled);
  EXPECT_EQ(Inside(kXenWithSqlite, {}, make), kKilled);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(ForbiddenActs, ClientsAreTakenOnlyWhereSomebodyMayLookIn) {
  const auto accept = [] { ::accept4(0, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK); };
  const auto ask_who = [] { ::getsockopt(0, SOL_SOCKET, SO_PEERCRED, nullptr, nullptr); };
  for (const auto& act : {+accept, +ask_who}) {
    EXPECT_EQ(Inside(kXenWithXapi, {}, act), kKilled);
    EXPECT_EQ(Inside(kXenLookedInto, {}, act), 0);
  }
  const auto wait_for_one = [] { ::accept4(0, nullptr, nullptr, SOCK_CLOEXEC); };
  const auto ask_more = [] { ::getsockopt(0, SOL_SOCKET, SO_PEERSEC, nullptr, nullptr); };
  const auto change = [] { ::setsockopt(0, SOL_SOCKET, SO_SNDBUF, nullptr, 0); };
  for (const auto& act : {+wait_for_one, +ask_more, +change}) {
    EXPECT_EQ(Inside(kXenLookedInto, {}, act), kKilled);
  }
}

TEST_F(ForbiddenActs, InTheTestsTheCallIsNamed) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Inside({"always", "loopback"}, {}, Mount, sandbox::OnViolation::kSayAndExit), kKilled);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "system call 165 is not in src/sandbox/system_calls.txt\n");
}

/// Exits with the errno of a call that gives -1, or with 0.
void ExitWithErrno(long result) { ::_exit(result == -1 ? errno : 0); }

class ConfinedFiles : public ForbiddenActs {
 protected:
  void SetUp() override {
    ForbiddenActs::SetUp();
    if (::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) < 1) {
      GTEST_SKIP() << "this kernel has no Landlock";
    }
    ASSERT_TRUE(base::WriteFileInPlace(folder_.File("read"), Bytes{1}));
    ASSERT_TRUE(base::WriteFileInPlace(folder_.File("other"), Bytes{1}));
  }
  [[nodiscard]] std::vector<sandbox::FileUse> Uses() const {
    return {{folder_.File("read"), sandbox::FileUse::Kind::kRead}};
  }
  using Bytes = base::Bytes;
};

TEST_F(ConfinedFiles, OnlyWhatWasNamedCanBeOpened) {
  constexpr int kReading = O_RDONLY | O_CLOEXEC;
  constexpr int kWriting = O_RDWR | O_CLOEXEC;
  constexpr int kMaking = O_RDWR | O_CREAT | O_CLOEXEC;
  struct Case {
    std::string path;
    int flags;
    int expected;  // errno, or how the process ends
  };
  for (const Case& row : {
           Case{folder_.File("read"), kReading, 0},
           Case{folder_.File("read"), kWriting, kKilled},
           Case{folder_.File("other"), kReading, EACCES},
           Case{folder_.File("other"), kWriting, kKilled},
           Case{folder_.File("new"), kMaking, kKilled},
       }) {
    SCOPED_TRACE(row.path + " " + std::to_string(row.flags));
    EXPECT_EQ(Inside(kXenWithSqlite, Uses(),
                     [&] { ExitWithErrno(::open(row.path.c_str(), row.flags, 0600)); }),
              row.expected);
  }
  EXPECT_EQ(Inside(kXenWithXapi, Uses(), [&] { ExitWithErrno(::open("/etc/passwd", kReading)); }),
            EACCES);
}

// That of save:, which the daemon opens before: it can be written, and nothing else be made.
TEST_F(ConfinedFiles, AFileThatIsOpenCanBeWritten) {
  ASSERT_TRUE(base::WriteFileInPlace(folder_.File("saved"), Bytes(100, 1)));
  const auto file = base::FileInPlace::Open(folder_.File("saved"));
  ASSERT_TRUE(file);
  EXPECT_EQ(Inside(kXenWithXapi, {}, [&] { ::_exit(file->Write(Bytes{1, 2, 3}) ? 0 : 1); }), 0);
  const auto content = base::ReadFile(folder_.File("saved"), 100);
  ASSERT_TRUE(content);
  EXPECT_EQ(*content, (Bytes{1, 2, 3}));
}

// As the daemon does when its variables are loaded.
TEST_F(ConfinedFiles, ASecondConfinementTakesFilesAway) {
  const std::string read_path = folder_.File("read");
  auto second = sandbox::Confinement::Prepare({});
  ASSERT_TRUE(second);
  EXPECT_EQ(Inside(kXenWithXapi, Uses(),
                   [&] {
                     if (::open(read_path.c_str(), O_RDONLY | O_CLOEXEC) < 0 || !second->Enter()) {
                       ::_exit(98);
                     }
                     ExitWithErrno(::open(read_path.c_str(), O_RDONLY | O_CLOEXEC));
                   }),
            EACCES);
}

class Limits : public ForbiddenActs {};

TEST_F(Limits, WantOfMemoryIsAnErrorAndNotTheEnd) {
  // All of malloc's ways out of want of memory need a call or another.
  const auto act = [] {
    std::vector<void*> blocks;
    blocks.reserve(100000);
    std::size_t size = std::size_t{1} << 20;
    while (size >= 4096) {
      void* block = ::operator new(size, std::nothrow);
      if (block == nullptr) {
        size /= 2;
        continue;
      }
      *static_cast<char*>(block) = 1;
      blocks.push_back(block);
    }
    for (void* block : blocks) {
      ::operator delete(block);
    }
    try {
      blocks.resize(kMemoryBytes);
    } catch (const std::bad_alloc&) {
      return;
    }
    ::_exit(1);
  };
  EXPECT_EQ(Inside(kXenWithXapi, {}, act), 0);
}

TEST_F(Limits, ALargeBlockOfMemoryCanGrow) {
  const auto act = [] {
    constexpr std::size_t kSize = std::size_t{1} << 20;
    void* block = std::malloc(kSize);
    block = block == nullptr ? nullptr : std::realloc(block, 4 * kSize);
    ::_exit(block == nullptr ? 1 : 0);
  };
  EXPECT_EQ(Inside(kXenWithXapi, {}, act), 0);
}

TEST_F(Limits, AFailedCheckOfTheCLibraryStillEndsWithItsOwnSignal) {
  const auto ignored = [] {
    static_cast<void>(std::signal(SIGABRT, SIG_IGN));
    std::abort();
  };
  EXPECT_EQ(Inside(kXenWithXapi, {}, ignored), 128 + SIGABRT);
  const auto found = [] {
    ::close(STDERR_FILENO);  // it says so, which would look odd here
    __stack_chk_fail();
  };
  EXPECT_EQ(Inside(kXenWithXapi, {}, found), 128 + SIGABRT);
  EXPECT_EQ(Inside(kXenWithXapi, {}, [&] { std::abort(); }), 128 + SIGABRT);
}

TEST_F(Limits, AFileThatGrowsTooLargeIsAnError) {
  const base::UniqueFd file(
      ::open(folder_.File("file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const int fd = file.get();
  const auto act = [&] {
    const std::array<char, 8192> bytes{};
    if (::write(fd, bytes.data(), bytes.size()) != 4096) {
      ::_exit(98);
    }
    ExitWithErrno(::write(fd, bytes.data(), bytes.size()));
  };
  EXPECT_EQ(Inside(kXenWithXapi, {}, act), EFBIG);
}

}  // namespace
}  // namespace varstored::test
