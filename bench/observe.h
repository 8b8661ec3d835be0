#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "daemon.h"
#include "tasks.h"

namespace varstored::bench {

/// Memory of a process, from /proc/PID/smaps_rollup.
struct Memory {
  double anonymous_kb = 0;  // that it shares with nobody
  double pss_kb = 0;        // with its part of what it shares
};
[[nodiscard]] Memory MemoryOf(pid_t pid);

/// Processor time of another process in microseconds, the kernel's part included.
[[nodiscard]] double CpuMicroseconds(pid_t pid);

/// Which of the two below can be used here: valgrind and strace are installed.
[[nodiscard]] bool HasCallgrind();
[[nodiscard]] bool HasStrace();

/// What happened in a daemon's life, and how many requests there were in it.
struct Life {
  double requests = 0;
  double instructions = 0;              // in user mode, of the daemon's process alone
  std::map<std::string, double> calls;  // to the kernel, by name
};

/// A life below callgrind with `rounds` of the task. It cannot be locked in there. The profile goes
/// to the file `profile`, if not empty.
[[nodiscard]] Life LiveBelowCallgrind(const Setup& setup, const MakeTask& make, std::size_t rounds,
                                      const std::string& profile = {});
/// A life below strace.
[[nodiscard]] Life LiveBelowStrace(const Setup& setup, const MakeTask& make, std::size_t rounds);

}  // namespace varstored::bench
