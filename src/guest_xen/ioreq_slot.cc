#include "ioreq_slot.h"

#include <atomic>

namespace varstored::guest_xen {

std::optional<Access> IoreqSlot::Take() {
  const unsigned int state = slot_.state;
  if (state != STATE_IOREQ_READY && state != STATE_IOREQ_INPROCESS) {
    return std::nullopt;
  }
  // Xen writes the access first and READY last. Without this the fields below could be read before
  // the state is, and be those of the access before.
  std::atomic_thread_fence(std::memory_order_acquire);
  Access access;
  access.type = slot_.type;
  access.is_read = slot_.dir == IOREQ_READ;
  access.data_is_pointer = slot_.data_is_ptr != 0;
  access.address = slot_.addr;
  access.size = slot_.size;
  access.count = slot_.count;
  access.data = slot_.data;
  // From READY on the slot is the daemon's alone, so there is nobody to race with.
  slot_.state = STATE_IOREQ_INPROCESS;
  return access;
}

void IoreqSlot::Complete(std::uint64_t data) {
  slot_.data = data;
  // With RESP_READY the slot is Xen's again, and the vCPU may run at once: what it will read, the
  // slot's data and the answer in its memory, has to be there before.
  std::atomic_thread_fence(std::memory_order_release);
  slot_.state = STATE_IORESP_READY;
}

}  // namespace varstored::guest_xen
