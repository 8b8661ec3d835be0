#include "faults/traced_process.h"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <system_error>
#include <utility>

namespace varstored::test {
namespace {

[[noreturn]] void ThrowErrno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

constexpr int kCallStop = SIGTRAP | 0x80;

constexpr std::array<std::pair<long, const char*>, 31> kNames = {{
    {SYS_access, "access"},       {SYS_close, "close"},         {SYS_connect, "connect"},
    {SYS_fchmod, "fchmod"},       {SYS_fchown, "fchown"},       {SYS_fcntl, "fcntl"},
    {SYS_fdatasync, "fdatasync"}, {SYS_flock, "flock"},         {SYS_fstat, "fstat"},
    {SYS_fsync, "fsync"},         {SYS_ftruncate, "ftruncate"}, {SYS_geteuid, "geteuid"},
    {SYS_ioctl, "ioctl"},         {SYS_link, "link"},           {SYS_lseek, "lseek"},
    {SYS_lstat, "lstat"},         {SYS_mmap, "mmap"},           {SYS_newfstatat, "newfstatat"},
    {SYS_openat, "openat"},       {SYS_pread64, "pread64"},     {SYS_pwrite64, "pwrite64"},
    {SYS_read, "read"},           {SYS_readlink, "readlink"},   {SYS_rename, "rename"},
    {SYS_stat, "stat"},           {SYS_unlink, "unlink"},       {SYS_write, "write"},
    {SYS_linkat, "linkat"},       {SYS_renameat, "renameat"},   {SYS_renameat2, "renameat2"},
    {SYS_unlinkat, "unlinkat"},
}};

}  // namespace

std::string CallName(long number) {
  const auto* found = std::ranges::find(kNames, number, &std::pair<long, const char*>::first);
  return found != kNames.end() ? found->second : "system call " + std::to_string(number);
}

TracedProcess::TracedProcess(const std::vector<std::string>& arguments) {
  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers;
  for (std::string& copy : copies) {
    pointers.push_back(copy.data());
  }
  pointers.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) {
    ThrowErrno("fork");
  }
  if (pid_ == 0) {
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
      ::dup2(nowhere, standard);
    }
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::execv(pointers[0], pointers.data());
    ::_exit(125);
  }
  int status = 0;
  // The end of execv.
  if (::waitpid(pid_, &status, 0) != pid_ || !WIFSTOPPED(status) ||
      ::ptrace(PTRACE_SETOPTIONS, pid_, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0) {
    ThrowErrno(arguments[0].c_str());
  }
}

TracedProcess::~TracedProcess() {
  if (!has_ended_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

bool TracedProcess::Continue() {
  int status = 0;
  do {
    if (::ptrace(PTRACE_SYSCALL, pid_, nullptr, std::exchange(signal_, 0)) != 0 ||
        ::waitpid(pid_, &status, 0) != pid_) {
      ThrowErrno("ptrace");
    }
    if (!WIFSTOPPED(status)) {
      has_ended_ = true;
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      return false;
    }
    if (WSTOPSIG(status) != kCallStop) {
      signal_ = WSTOPSIG(status);
    }
  } while (WSTOPSIG(status) != kCallStop);
  return true;
}

std::optional<TracedProcess::Call> TracedProcess::Next() {
  user_regs_struct registers = {};
  if (in_call_) {
    if (error_) {
      ::ptrace(PTRACE_GETREGS, pid_, nullptr, &registers);
      registers.orig_rax = SYS_getpid;  // it does nothing, and is allowed in the sandbox
      ::ptrace(PTRACE_SETREGS, pid_, nullptr, &registers);
    }
    in_call_ = false;
    if (!Continue()) {
      return std::nullopt;
    }
    if (const auto error = std::exchange(error_, std::nullopt)) {
      ::ptrace(PTRACE_GETREGS, pid_, nullptr, &registers);
      registers.rax = static_cast<unsigned long long>(-static_cast<long long>(*error));
      ::ptrace(PTRACE_SETREGS, pid_, nullptr, &registers);
    }
  }
  if (!Continue()) {
    return std::nullopt;
  }
  in_call_ = true;
  ::ptrace(PTRACE_GETREGS, pid_, nullptr, &registers);
  Call call;
  call.number = static_cast<long>(registers.orig_rax);
  call.descriptor = static_cast<long>(call.number == SYS_mmap ? registers.r8 : registers.rdi);
  if (call.number == SYS_ioctl || call.number == SYS_poll) {
    call.request = registers.rsi;
  } else if (call.number == SYS_openat || call.number == SYS_newfstatat) {
    call.path = ReadText(registers.rsi);
  } else if (call.number == SYS_connect) {
    call.path = ReadText(registers.rsi + offsetof(sockaddr_un, sun_path));
  }
  return call;
}

std::string TracedProcess::ReadText(unsigned long address) const {
  std::array<char, 256> text{};
  iovec here = {text.data(), text.size()};
  iovec there = {reinterpret_cast<void*>(address), text.size()};  // NOLINT: another process's
  const ssize_t count = ::process_vm_readv(pid_, &here, 1, &there, 1, 0);
  const auto end = text.begin() + std::max<ssize_t>(count, 0);
  return {text.begin(), std::find(text.begin(), end, '\0')};
}

std::string TracedProcess::NameOf(long descriptor) const {
  std::error_code error;
  const auto name = std::filesystem::read_symlink(
      "/proc/" + std::to_string(pid_) + "/fd/" + std::to_string(descriptor), error);
  return error ? "" : name.string();
}

void TracedProcess::Signal(int number) const {
  if (::kill(pid_, number) != 0) {
    ThrowErrno("kill");
  }
}

}  // namespace varstored::test
