#include "hypervisor.h"

#include <cstdarg>
#include <string>

#include "varstored/base/file.h"

namespace varstored::guest_xen {
namespace {

/// The libraries write each failure to standard error by themselves, and some of those are for the
/// guest to cause as often as it likes. This program says what failed in its own words, and not
/// without end.
void Discard(xentoollog_logger* /*logger*/, xentoollog_level /*level*/, int /*error*/,
             const char* /*context*/, const char* /*format*/, va_list /*arguments*/) {}

base::Failure<base::Error> FailToOpen(const char* what) {
  return base::Fail(std::string("cannot open Xen's ") + what + ": " + base::ErrnoText());
}

}  // namespace

base::Result<Hypervisor> Hypervisor::Open(domid_t domain) {
  // It has no state, but the libraries want it by a pointer that is not const, and keep it.
  static xentoollog_logger silence = {Discard, nullptr, nullptr};
  Hypervisor xen;
  xen.domain = domain;
  xen.device_model.reset(xendevicemodel_open(&silence, 0));
  if (!xen.device_model) {
    return FailToOpen("device model interface");
  }
  xen.memory.reset(xenforeignmemory_open(&silence, 0));
  if (!xen.memory) {
    return FailToOpen("foreign memory interface");
  }
  xen.events.reset(xenevtchn_open(&silence, 0));
  if (!xen.events) {
    return FailToOpen("event channels");
  }
  return xen;
}

}  // namespace varstored::guest_xen
