// wait_for_domain DOMAIN SECONDS
//
// Waits until the domain has shut down or is gone, and prints how it ended: poweroff, reboot,
// suspend, crash, watchdog, soft_reset, zombie (destroyed, but something holds its memory) or gone;
// running when it did neither in time. Asking Xen directly is much cheaper than `xl list`, which
// would slow the guest under test.

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

extern "C" {
#include <xenctrl.h>
}

namespace {

constexpr std::array<const char*, 6> kReasons = {"poweroff", "reboot",   "suspend",
                                                 "crash",    "watchdog", "soft_reset"};

// Null while it runs.
const char* HowItEnded(xc_interface* xen, uint32_t domain) {
  xc_dominfo_t info = {};
  if (xc_domain_getinfo(xen, domain, 1, &info) != 1 || info.domid != domain) return "gone";
  if (info.dying) return "zombie";
  if (info.shutdown && info.shutdown_reason < kReasons.size()) {
    return kReasons[info.shutdown_reason];
  }
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto domain = static_cast<uint32_t>(std::strtoul(argv[1], nullptr, 10));
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::seconds(std::strtoul(argv[2], nullptr, 10));
  xc_interface* xen = xc_interface_open(nullptr, nullptr, 0);
  if (xen == nullptr) return 2;
  for (;;) {
    if (const char* how = HowItEnded(xen, domain)) {
      std::puts(how);
      return 0;
    }
    if (std::chrono::steady_clock::now() > end) {
      std::puts("running");
      return 0;
    }
    usleep(30000);
  }
}
