#pragma once

#include <sys/types.h>

#include <cstddef>

namespace varstored::test {

/// What a process holds.
struct ProcessSize {
  std::size_t resident_kb = 0;
  std::size_t private_kb = 0;  // not shared with another process
  std::size_t virtual_kb = 0;
  std::size_t descriptors = 0;
};

/// Throws when there is no such process.
[[nodiscard]] ProcessSize SizeOf(pid_t pid);

}  // namespace varstored::test
