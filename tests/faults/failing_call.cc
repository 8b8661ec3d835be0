// failing_call starting|serving NUMBER PROGRAM ARGUMENT...
//
// Runs a daemon of which one system call fails with EIO: the one of that number, counted from 0,
// among those on the hypervisor's devices and on xenstore, either of its start or of what comes
// behind. Prints "CALL on WHAT" in a line when it is about to fail, and ends with the daemon's exit
// status. To standard error it writes a line when the daemon waits for the first request.

#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "faults/traced_process.h"

namespace varstored::test {
namespace {

struct Request {
  unsigned int kind;
  unsigned int number;
  const char* name;
};
/// What is asked of /dev/xen/privcmd and /dev/xen/evtchn (the kernel's xen/privcmd.h,
/// xen/evtchn.h).
constexpr std::array<Request, 10> kRequests = {{{'P', 0, "HYPERCALL"},
                                                {'P', 4, "MMAPBATCH_V2"},
                                                {'P', 5, "DM_OP"},
                                                {'P', 6, "RESTRICT"},
                                                {'P', 7, "MMAP_RESOURCE"},
                                                {'P', 255, "UNIMPLEMENTED"},
                                                {'E', 1, "BIND_INTERDOMAIN"},
                                                {'E', 3, "UNBIND"},
                                                {'E', 4, "NOTIFY"},
                                                {'E', 6, "RESTRICT_DOMID"}}};

std::string NameOf(const TracedProcess::Call& call) {
  std::string name = CallName(call.number);
  if (call.number == SYS_ioctl) {
    const auto* const found = std::ranges::find_if(kRequests, [&call](const Request& request) {
      return request.kind == _IOC_TYPE(call.request) && request.number == _IOC_NR(call.request);
    });
    name += " ";
    name += found == kRequests.end() ? std::to_string(call.request) : found->name;
  }
  return name;
}

/// The name of the device that the call is about, or "xenstore"; empty for any other call.
std::string DeviceOf(const TracedProcess& process, const TracedProcess::Call& call) {
  constexpr std::string_view kFolder = "/dev/xen/";
  switch (call.number) {
    case SYS_openat:
      return call.path.starts_with(kFolder) ? call.path.substr(kFolder.size()) : "";
    case SYS_connect:  // not the system's log
      return call.path.find("xenstored") != std::string::npos ? "xenstore" : "";
    case SYS_ioctl:
    case SYS_mmap:
    case SYS_read:
    case SYS_write:
      break;
    default:
      return "";
  }
  const std::string name = process.NameOf(call.descriptor);
  if (name.starts_with(kFolder)) {
    return name.substr(kFolder.size());
  }
  return name.starts_with("socket:") ? "xenstore" : "";
}

int Run(const std::vector<std::string>& arguments) {
  if (arguments.size() < 3 || (arguments[0] != "starting" && arguments[0] != "serving")) {
    std::cerr << "usage: failing_call starting|serving NUMBER PROGRAM ARGUMENT...\n";
    return 2;
  }
  const bool when_serving = arguments[0] == "serving";
  const std::size_t number = std::stoul(arguments[1]);
  TracedProcess process({arguments.begin() + 2, arguments.end()});
  // An event channel has an event as soon as it is bound; behind that the daemon waits.
  constexpr int kWaits = 2;
  int waits = 0;
  std::size_t count = 0;
  while (const auto call = process.Next()) {
    if (call->WaitsForRequests() && ++waits == kWaits) {
      std::cerr << "serving" << std::endl;
    }
    const bool counts = when_serving ? waits >= kWaits : waits == 0;
    const std::string device = counts ? DeviceOf(process, *call) : "";
    if (!device.empty() && count++ == number) {
      process.FailCall(EIO);
      std::cout << NameOf(*call) << " on " << device << std::endl;
    }
  }
  return process.exit_code();
}

}  // namespace
}  // namespace varstored::test

int main(int argc, char** argv) {
  try {
    return varstored::test::Run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "failing_call: " << error.what() << '\n';
    return 125;
  }
}
