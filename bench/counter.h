#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "varstored/base/unique_fd.h"

namespace varstored::bench {

/// Counts the instructions that another process executes in user mode, with the processor's own
/// counter: what `perf stat -e instructions:u` does.
class InstructionCounter {
 public:
  /// Nothing where the processor or the kernel has no such counter for us, as in many virtual
  /// machines.
  [[nodiscard]] static std::optional<InstructionCounter> Attach(pid_t pid);

  /// Instructions since Attach.
  [[nodiscard]] std::uint64_t Read() const;

 private:
  explicit InstructionCounter(base::UniqueFd counter) : counter_(std::move(counter)) {}

  base::UniqueFd counter_;
};

}  // namespace varstored::bench
