// A virtual CPU of the test guest, seen from dom0: its block of guest memory, mapped here, in which
// orders are left for it (../../guest/mailbox.h).
#pragma once

#include <chrono>
#include <cstdint>

extern "C" {
#include <xenforeignmemory.h>
}

#include "../../guest/mailbox.h"
#include "notation.h"

namespace guest_driver {

using Clock = std::chrono::steady_clock;

struct Timing {
  uint32_t calls = 0;
  uint64_t microseconds = 0;
};

class Vcpu {
 public:
  Vcpu(xenforeignmemory_handle* memory, uint32_t domain, uint32_t index);

  // For when the guest has other memory in these places. The mapping lasts until the program ends.
  void MapAnew();

  volatile Mailbox& mailbox() { return *mailbox_; }

  // What the shared pages hold.
  Bytes Pages() const;
  // Puts `bytes` at `block_offset` (BLOCK_*).
  void Fill(uint32_t block_offset, const Bytes& bytes);

  // False when the vCPU does not wait for orders within `limit`.
  bool WaitUntilReady(Clock::duration limit);
  // False when the vCPU is busy with its order for longer than `limit`.
  bool WaitUntilIdle(Clock::duration limit);

  // Gives the order that the mailbox describes. The vCPU must be idle.
  void Begin(Action action);
  // As Begin, and waits for its end: false when `limit` is over first.
  bool Order(Action action, Clock::duration limit);

  Timing LastTiming() const;

 private:
  xenforeignmemory_handle* memory_;
  uint32_t domain_;
  uint32_t index_;
  uint8_t* block_ = nullptr;
  volatile Mailbox* mailbox_ = nullptr;
};

}  // namespace guest_driver
