#pragma once

#include <cstdint>
#include <memory>

#include "varstored/base/log.h"
#include "varstored/guest/door.h"

namespace varstored::guest_xen {

/// The door to a domain of this host: an IOREQ server for the device's ports (docs/xen-door.md).
/// `log` belongs to the caller and outlives the door.
///
/// After Prepare, every handle of the hypervisor that the process holds can do something to this
/// domain alone, and none of xenstore is left.
[[nodiscard]] std::unique_ptr<guest::Door> MakeXenDoor(std::uint16_t domain, base::Log& log);

}  // namespace varstored::guest_xen
