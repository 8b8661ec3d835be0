#pragma once

#include <cstdint>
#include <optional>

#include "access.h"
#include "hypervisor.h"

namespace varstored::guest_xen {

/// One vCPU's place in the page through which Xen hands on accesses. Its state says whose it is:
///
///   NONE        Xen's. No access waits.
///   READY       the daemon's: Xen has described an access, has halted the vCPU and sends an event.
///   INPROCESS   the daemon's: it has begun with the access.
///   RESP_READY  Xen's: the access is complete. Xen takes the data and sets NONE when the vCPU goes
///               on, which is after the event that the daemon sends.
///
/// The guest cannot reach this page. The daemon reads each field of an access once all the same,
/// because what the fields hold is the guest's choice.
class IoreqSlot {
 public:
  /// `slot` stays mapped as long as this object.
  explicit IoreqSlot(volatile ioreq_t& slot) : slot_(slot) {}

  /// The domain's end of the event channel that belongs to this slot.
  [[nodiscard]] evtchn_port_t event_channel() const { return slot_.vp_eport; }

  /// READY -> INPROCESS, and a copy of the access. Nothing when no access waits here, as with the
  /// one event that comes just because a channel was bound.
  ///
  /// An access that is in process already is taken again: as one daemon has one loop, it can only
  /// be one that another daemon was killed over.
  [[nodiscard]] std::optional<Access> Take();

  /// INPROCESS -> RESP_READY. `data` is what a read gives. The event is sent afterwards.
  void Complete(std::uint64_t data);

  /// RESP_READY: complete, and the vCPU has not seen it yet.
  [[nodiscard]] bool is_complete() const { return slot_.state == STATE_IORESP_READY; }

 private:
  volatile ioreq_t& slot_;
};

}  // namespace varstored::guest_xen
