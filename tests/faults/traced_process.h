#pragma once

#include <sys/syscall.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace varstored::test {

/// A program that stops at each of its system calls, so that a test can let one fail or send a
/// signal at just that moment. Everything happens in the thread that has made the object. amd64
/// only, as is the hypervisor's use of the daemon. Failures throw.
class TracedProcess {
 public:
  /// A call that is about to begin.
  struct Call {
    long number = 0;
    long descriptor = 0;        // the argument that is one, where there is one
    unsigned long request = 0;  // of ioctl; of poll, how many descriptors it waits for
    std::string path;           // of a call that takes one; of connect, that of a unix socket

    /// The log asks too whether standard error takes a line, and of that alone.
    [[nodiscard]] bool WaitsForRequests() const { return number == SYS_poll && request > 1; }
  };

  /// `arguments[0]` is the program's path. What it writes goes nowhere. It stands at its first
  /// call. Processes that it forks are not traced.
  explicit TracedProcess(const std::vector<std::string>& arguments);
  TracedProcess(const TracedProcess&) = delete;
  TracedProcess& operator=(const TracedProcess&) = delete;
  /// Kills the program if it still runs.
  ~TracedProcess();

  /// Goes on to the next call, which has not begun then. Nothing when the program has ended
  /// instead.
  [[nodiscard]] std::optional<Call> Next();
  /// The call at which it stands does nothing but fail with this error.
  void FailCall(int error) { error_ = error; }
  void Signal(int number) const;
  /// What a descriptor of the program's is, as /proc has it: a path, or "socket:[...]" and the
  /// like.
  [[nodiscard]] std::string NameOf(long descriptor) const;

  /// Once it has ended: as a shell has it, 128 + N for signal N.
  [[nodiscard]] int exit_code() const { return exit_code_; }

 private:
  /// Runs to the next stop. False when the program has ended.
  [[nodiscard]] bool Continue();
  [[nodiscard]] std::string ReadText(unsigned long address) const;

  pid_t pid_;
  bool has_ended_ = false;
  int exit_code_ = -1;
  int signal_ = 0;  // to be delivered when it goes on
  bool in_call_ = false;
  std::optional<int> error_;
};

/// The name of a system call, as in its manual page.
[[nodiscard]] std::string CallName(long number);

}  // namespace varstored::test
