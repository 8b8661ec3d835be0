#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "hypervisor.h"
#include "ioreq_slot.h"
#include "varstored/base/result.h"

namespace varstored::guest_xen {

/// Makes the process the one that the domain's vCPUs wait for when they access the device's ports.
/// Returns the number that Xen gave to this IOREQ server.
///
/// A registration is the domain's, not the process's: it stays when the process ends, however it
/// does, until the domain goes. docs/xen-door.md, "Takeover", says what that is good for.
[[nodiscard]] base::Result<ioservid_t> Register(const Hypervisor& xen);

/// Whether there is a server `id`, and it is one for the device's ports.
[[nodiscard]] bool IsRegistered(const Hypervisor& xen, ioservid_t id);

/// From here on Xen completes accesses by itself, without an answer.
void Unregister(const Hypervisor& xen, ioservid_t id);

/// The connection of this process with the vCPUs of the domain.
class IoreqServer {
 public:
  /// Connects with the registered server `id`; from here on vCPUs wait for the process. Fails when
  /// another process is connected with it, as Xen allows one at a time. `xen` outlives the result.
  [[nodiscard]] static base::Result<IoreqServer> Connect(const Hypervisor& xen, ioservid_t id);

  [[nodiscard]] std::size_t vcpus() const { return channels_.size(); }

  /// The slot that the event channel `port` of this process is about, or null.
  [[nodiscard]] IoreqSlot* SlotOf(xenevtchn_port_or_error_t port);

 private:
  struct Channel {
    xenevtchn_port_or_error_t port = -1;
    IoreqSlot slot;
  };
  struct Unmap {
    xenforeignmemory_handle* memory;
    void operator()(xenforeignmemory_resource_handle* page) const noexcept {
      static_cast<void>(xenforeignmemory_unmap_resource(memory, page));
    }
  };
  /// The page with the slots of all vCPUs, for as long as it is mapped.
  using Page = std::unique_ptr<xenforeignmemory_resource_handle, Unmap>;

  IoreqServer(Page page, std::vector<Channel> channels)
      : page_(std::move(page)), channels_(std::move(channels)) {}

  Page page_;
  std::vector<Channel> channels_;  // they are unbound when the event channels are closed
};

}  // namespace varstored::guest_xen
