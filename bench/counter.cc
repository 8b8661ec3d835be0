#include "counter.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <system_error>
#include <utility>

namespace varstored::bench {

std::optional<InstructionCounter> InstructionCounter::Attach(pid_t pid) {
  perf_event_attr attributes = {};
  attributes.type = PERF_TYPE_HARDWARE;
  attributes.size = sizeof attributes;
  attributes.config = PERF_COUNT_HW_INSTRUCTIONS;
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  base::UniqueFd counter(static_cast<int>(
      ::syscall(SYS_perf_event_open, &attributes, pid, -1, -1, PERF_FLAG_FD_CLOEXEC)));
  if (!counter.valid()) {
    return std::nullopt;
  }
  return InstructionCounter(std::move(counter));
}

std::uint64_t InstructionCounter::Read() const {
  std::uint64_t count = 0;
  if (::read(counter_.get(), &count, sizeof count) != sizeof count) {
    throw std::system_error(errno, std::generic_category(), "cannot read the counter");
  }
  return count;
}

}  // namespace varstored::bench
