#include "vcpu.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace guest_driver {
namespace {

constexpr size_t kPageBytes = 4096;

template <typename Condition>
bool Wait(Clock::duration limit, Condition condition) {
  const Clock::time_point end = Clock::now() + limit;
  for (int turn = 0; !condition(); ++turn) {
    if (Clock::now() > end) return false;
    // The guest answers within a fraction of a millisecond: give way first, sleep later. It has to
    // share its processor with whoever looks often.
    if (turn < 50) {
      sched_yield();
    } else {
      usleep(turn < 200 ? 50 : 2000);
    }
  }
  return true;
}

}  // namespace

Vcpu::Vcpu(xenforeignmemory_handle* memory, uint32_t domain, uint32_t index)
    : memory_(memory), domain_(domain), index_(index) {
  MapAnew();
}

void Vcpu::MapAnew() {
  std::array<xen_pfn_t, BLOCK_BYTES / kPageBytes> frames{};
  std::array<int, frames.size()> holes{};  // pages that the guest has given away
  if (block_ != nullptr) xenforeignmemory_unmap(memory_, block_, frames.size());
  for (size_t i = 0; i < frames.size(); ++i) {
    frames[i] = (BLOCK_BASE + index_ * BLOCK_BYTES) / kPageBytes + i;
  }
  void* mapped = xenforeignmemory_map(memory_, domain_, PROT_READ | PROT_WRITE, frames.size(),
                                      frames.data(), holes.data());
  if (mapped == nullptr) Die(std::string("cannot map the guest's memory: ") + strerror(errno));
  block_ = static_cast<uint8_t*>(mapped);
  mailbox_ = static_cast<volatile Mailbox*>(mapped);
}

Bytes Vcpu::Pages() const { return {block_ + BLOCK_SHARED, block_ + BLOCK_SHARED + SHARED_BYTES}; }

void Vcpu::Fill(uint32_t block_offset, const Bytes& bytes) {
  if (bytes.size() > SHARED_BYTES) Die("more than fits into the shared pages");
  std::memcpy(block_ + block_offset, bytes.data(), bytes.size());
}

bool Vcpu::WaitUntilReady(Clock::duration limit) {
  return Wait(limit, [&] { return mailbox_->ready == MAILBOX_READY; });
}

bool Vcpu::WaitUntilIdle(Clock::duration limit) {
  return Wait(limit, [&] {
    return __atomic_load_n(&mailbox_->done, __ATOMIC_ACQUIRE) == mailbox_->ordered;
  });
}

void Vcpu::Begin(Action action) {
  mailbox_->action = action;
  mailbox_->stop = 0;
  __atomic_store_n(&mailbox_->ordered, mailbox_->ordered + 1, __ATOMIC_RELEASE);
}

bool Vcpu::Order(Action action, Clock::duration limit) {
  Begin(action);
  return WaitUntilIdle(limit);
}

Timing Vcpu::LastTiming() const {
  const uint64_t cycles = static_cast<uint64_t>(mailbox_->cycles_high) << 32 | mailbox_->cycles_low;
  const uint32_t cycles_per_ms = mailbox_->cycles_per_ms;
  return {mailbox_->calls, cycles_per_ms == 0 ? 0 : cycles * 1000 / cycles_per_ms};
}

}  // namespace guest_driver
