#pragma once

#include <cstdint>
#include <memory>

// Xen's headers are C, and some want the integer types to be there already. The libraries whose
// interface stays the same are enough for everything that this room does; libxenctrl, whose
// interface changes with each release of Xen, is not used.
extern "C" {
#include <xen/hvm/ioreq.h>
#include <xen/memory.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xenstore.h>
#include <xentoolcore.h>
#include <xentoollog.h>
}

#include "varstored/base/result.h"

namespace varstored::guest_xen {

/// Closes a handle with the function that the library has for it. What close functions return says
/// nothing that could be acted on.
template <auto kClose>
struct Closer {
  template <class Handle>
  void operator()(Handle* handle) const noexcept {
    static_cast<void>(kClose(handle));
  }
};

/// What the process holds of the hypervisor, to serve one domain.
struct Hypervisor {
  /// Opens all of it. The error says what cannot be opened, and why.
  [[nodiscard]] static base::Result<Hypervisor> Open(domid_t domain);

  domid_t domain = 0;
  std::unique_ptr<xendevicemodel_handle, Closer<xendevicemodel_close>> device_model;
  std::unique_ptr<xenforeignmemory_handle, Closer<xenforeignmemory_close>> memory;
  std::unique_ptr<xenevtchn_handle, Closer<xenevtchn_close>> events;
};

}  // namespace varstored::guest_xen
