// null_handler DOMAIN [FIRST_PORT]
//
// The least that an IOREQ server can do: it takes twelve ports (0x100..0x10b, or others from
// FIRST_PORT on), completes every access without an answer, and tells Xen that the 16 pages named
// by a write to the first port are dirty, as a daemon must for live migration. Nothing else, so a
// round trip through it is the fastest that there can be on this path.
//
// "ready" on standard output means that accesses will be served. It runs until it is killed.

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>

extern "C" {
#include <xen/hvm/dm_op.h>
#include <xen/hvm/ioreq.h>
#include <xen/memory.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
}

namespace {

constexpr uint64_t kPorts = 12;
constexpr uint32_t kSharedPages = 16;
constexpr int kNoBufferedPage = 0;  // HVM_IOREQSRV_BUFIOREQ_OFF, which the headers keep for Xen

void Require(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  Require(argc == 2 || argc == 3, "usage: null_handler DOMAIN [FIRST_PORT]");
  const auto domain = static_cast<domid_t>(std::strtoul(argv[1], nullptr, 10));
  const uint64_t first_port = argc == 3 ? std::strtoul(argv[2], nullptr, 0) : 0x100;

  xendevicemodel_handle* device_model = xendevicemodel_open(nullptr, 0);
  xenforeignmemory_handle* memory = xenforeignmemory_open(nullptr, 0);
  xenevtchn_handle* events = xenevtchn_open(nullptr, 0);
  Require(device_model != nullptr && memory != nullptr && events != nullptr, "open Xen");

  ioservid_t server = 0;
  Require(xendevicemodel_create_ioreq_server(device_model, domain, kNoBufferedPage, &server) == 0,
          "create IOREQ server");
  Require(xendevicemodel_map_io_range_to_ioreq_server(device_model, domain, server, 0, first_port,
                                                      first_port + kPorts - 1) == 0,
          "take ports");

  // The page through which Xen passes accesses: one slot for each vCPU.
  void* page = nullptr;
  Require(xenforeignmemory_map_resource(memory, domain, XENMEM_resource_ioreq_server, server,
                                        XENMEM_resource_ioreq_server_frame_ioreq(0), 1, &page,
                                        PROT_READ | PROT_WRITE, 0) != nullptr,
          "map IOREQ page");
  Require(xendevicemodel_set_ioreq_server_state(device_model, domain, server, 1) == 0,
          "enable IOREQ server");

  unsigned int vcpus = 0;
  Require(xendevicemodel_nr_vcpus(device_model, domain, &vcpus) == 0, "count vCPUs");
  auto* slots = static_cast<shared_iopage_t*>(page)->vcpu_ioreq;
  std::map<evtchn_port_t, ioreq_t*> slot_of_port;
  for (unsigned int vcpu = 0; vcpu < vcpus; ++vcpu) {
    const xenevtchn_port_or_error_t port =
        xenevtchn_bind_interdomain(events, domain, slots[vcpu].vp_eport);
    Require(port >= 0, "bind event channel");
    slot_of_port[static_cast<evtchn_port_t>(port)] = &slots[vcpu];
  }
  std::cout << "ready" << std::endl;

  for (;;) {
    const xenevtchn_port_or_error_t pending = xenevtchn_pending(events);
    Require(pending >= 0, "wait for an event");
    const auto port = static_cast<evtchn_port_t>(pending);
    ioreq_t* request = slot_of_port[port];
    if (request->state == STATE_IOREQ_READY) {
      // The other fields are valid only once the state has been seen.
      std::atomic_thread_fence(std::memory_order_acquire);
      request->state = STATE_IOREQ_INPROCESS;
      if (request->dir == IOREQ_WRITE && request->addr == first_port) {
        struct xen_dm_op_modified_memory_extent extent = {};
        extent.nr = kSharedPages;
        extent.first_pfn = request->data;
        xendevicemodel_modified_memory_bulk(device_model, domain, &extent, 1);
      }
      std::atomic_thread_fence(std::memory_order_release);
      request->state = STATE_IORESP_READY;
      xenevtchn_notify(events, port);
    }
    xenevtchn_unmask(events, port);
  }
}
