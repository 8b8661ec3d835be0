// kill-at-call N PROGRAM ARGUMENT...: runs the program and kills it as with kill -9 when it is
// about to make its Nth system call that changes a file or answers a client. SIGTERM is handed on.
// The exit code is 9 when it was killed so, else the program's own.

#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <iostream>

namespace {

constexpr int kKilled = 9;
constexpr int kFailed = 125;

constexpr std::array kCalls = {SYS_openat, SYS_write,     SYS_pwrite64, SYS_ftruncate, SYS_fsync,
                               SYS_link,   SYS_fdatasync, SYS_unlink,   SYS_rename,    SYS_sendto};

// The handler of a signal can only reach what is global.
volatile pid_t child = -1;  // NOLINT(*-global-variables)

void HandOn(int number) { ::kill(child, number); }

bool IsCounted(pid_t traced) {
  __ptrace_syscall_info info = {};
  return ::ptrace(PTRACE_GET_SYSCALL_INFO, traced, sizeof info, &info) > 0 &&
         info.op == PTRACE_SYSCALL_INFO_ENTRY &&
         std::find(kCalls.begin(), kCalls.end(), static_cast<long>(info.entry.nr)) != kCalls.end();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: kill-at-call N PROGRAM ARGUMENT...\n";
    return kFailed;
  }
  const long last = std::strtol(argv[1], nullptr, 10);
  child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::execv(argv[2], argv + 2);
    ::_exit(kFailed);
  }
  if (std::signal(SIGTERM, HandOn) == SIG_ERR) {
    return kFailed;
  }
  int status = 0;
  // The first stop is the end of execv.
  ::waitpid(child, &status, 0);
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  long count = 0;
  while (WIFSTOPPED(status)) {
    const bool is_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
    if (is_call && IsCounted(child) && ++count == last) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      return kKilled;
    }
    const int number = is_call || WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    ::ptrace(PTRACE_SYSCALL, child, nullptr, number);
    ::waitpid(child, &status, 0);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
