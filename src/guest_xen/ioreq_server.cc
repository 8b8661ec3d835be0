#include "ioreq_server.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <string>
#include <utility>

#include "varstored/base/file.h"
#include "varstored/guest/dispatcher.h"

namespace varstored::guest_xen {
namespace {

// Constants that Xen's headers keep for programs which use its unstable interfaces.
constexpr int kNoBufferedPage = 0;  // HVM_IOREQSRV_BUFIOREQ_OFF
constexpr int kPorts = 0;           // the range is one of ports, not of memory
constexpr int kEnabled = 1;

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kMaxVcpus = kPageBytes / sizeof(ioreq_t);

int MapPorts(const Hypervisor& xen, ioservid_t id) {
  return xendevicemodel_map_io_range_to_ioreq_server(xen.device_model.get(), xen.domain, id, kPorts,
                                                     guest::kFirstPort,
                                                     guest::kFirstPort + guest::kPortCount - 1);
}

int UnmapPorts(const Hypervisor& xen, ioservid_t id) {
  return xendevicemodel_unmap_io_range_from_ioreq_server(xen.device_model.get(), xen.domain, id,
                                                         kPorts, guest::kFirstPort,
                                                         guest::kFirstPort + guest::kPortCount - 1);
}

base::Failure<base::Error> FailWithErrno(const std::string& what) {
  return base::Fail(what + ": " + base::ErrnoText());
}

}  // namespace

base::Result<ioservid_t> Register(const Hypervisor& xen) {
  ioservid_t id = 0;
  if (xendevicemodel_create_ioreq_server(xen.device_model.get(), xen.domain, kNoBufferedPage,
                                         &id) != 0) {
    return errno == ESRCH ? base::Fail("there is no such domain")
                          : FailWithErrno("cannot create an IOREQ server");
  }
  if (MapPorts(xen, id) != 0) {
    auto failure = FailWithErrno("cannot take the I/O ports");
    Unregister(xen, id);
    return failure;
  }
  return id;
}

bool IsRegistered(const Hypervisor& xen, ioservid_t id) {
  // Xen has no question for the ports of a server, but it refuses to give it some for a second
  // time.
  if (MapPorts(xen, id) != 0) {
    return errno == EEXIST;
  }
  static_cast<void>(UnmapPorts(xen, id));
  return false;
}

void Unregister(const Hypervisor& xen, ioservid_t id) {
  static_cast<void>(xendevicemodel_destroy_ioreq_server(xen.device_model.get(), xen.domain, id));
}

base::Result<IoreqServer> IoreqServer::Connect(const Hypervisor& xen, ioservid_t id) {
  unsigned int vcpus = 0;
  if (xendevicemodel_nr_vcpus(xen.device_model.get(), xen.domain, &vcpus) != 0) {
    return FailWithErrno("cannot count the vCPUs");
  }
  if (vcpus > kMaxVcpus) {
    return base::Fail(std::to_string(vcpus) + " vCPUs, an IOREQ page has slots for " +
                      std::to_string(kMaxVcpus));
  }
  void* start = nullptr;
  Page page(xenforeignmemory_map_resource(
                xen.memory.get(), xen.domain, XENMEM_resource_ioreq_server, id,
                XENMEM_resource_ioreq_server_frame_ioreq(0), 1, &start, PROT_READ | PROT_WRITE, 0),
            Unmap{xen.memory.get()});
  if (!page) {
    return FailWithErrno("cannot map the IOREQ page");
  }
  // Xen writes the numbers of the event channels into the page when the server is enabled.
  if (xendevicemodel_set_ioreq_server_state(xen.device_model.get(), xen.domain, id, kEnabled) !=
      0) {
    return FailWithErrno("cannot enable the IOREQ server");
  }
  const std::span<ioreq_t> slots(static_cast<ioreq_t*>(start), vcpus);
  std::vector<Channel> channels;
  channels.reserve(slots.size());
  for (ioreq_t& ioreq : slots) {
    const IoreqSlot slot(ioreq);
    const auto port =
        xenevtchn_bind_interdomain(xen.events.get(), xen.domain, slot.event_channel());
    if (port < 0) {
      const bool is_taken = errno == EINVAL;
      return is_taken ? base::Fail("another process serves the domain")
                      : FailWithErrno("cannot bind the event channel of vCPU " +
                                      std::to_string(channels.size()));
    }
    channels.push_back({port, slot});
  }
  return IoreqServer(std::move(page), std::move(channels));
}

IoreqSlot* IoreqServer::SlotOf(xenevtchn_port_or_error_t port) {
  const auto found = std::ranges::find(channels_, port, &Channel::port);
  return found == channels_.end() ? nullptr : &found->slot;
}

}  // namespace varstored::guest_xen
