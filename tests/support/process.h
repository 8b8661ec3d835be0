#pragma once

#include <sys/types.h>

#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include "varstored/base/unique_fd.h"

namespace varstored::test {

/// How a program ended, and all that it wrote.
struct Ended {
  int exit_code = 0;  // 128 + N for signal N, as in a shell
  std::string output;
  std::string errors;
};

/// A program that runs beside the test. Its standard input is empty, and what it writes is kept in
/// memory, so that it never waits for a reader. Failures throw.
class Process {
 public:
  /// `arguments[0]` is the program's path.
  explicit Process(const std::vector<std::string>& arguments);
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  /// Kills the program if it still runs.
  ~Process();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool IsRunning() const;
  /// What it wrote to standard error until now.
  [[nodiscard]] std::string Errors() const;

  void Signal(int number) const;
  /// Waits for its end. To be called once.
  [[nodiscard]] Ended Wait();
  /// Signal and Wait.
  [[nodiscard]] Ended Stop(int number = SIGTERM);

  /// Returns when `is_done` gives true, which is asked whenever something happens in the folder of
  /// `path`. Throws, with the program's errors, when it ends before or when 60 seconds pass.
  void WaitFor(const std::string& path, const std::function<bool()>& is_done) const;

 private:
  pid_t pid_ = -1;
  base::UniqueFd pid_fd_;
  base::UniqueFd output_;
  base::UniqueFd errors_;
};

/// Runs a program until it ends by itself.
[[nodiscard]] Ended RunProgram(const std::vector<std::string>& arguments);

}  // namespace varstored::test
