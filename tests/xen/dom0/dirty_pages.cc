// dirty_pages DOMAIN watch
// dirty_pages DOMAIN show FIRST COUNT
//
// What a live migration would send again. `watch` has Xen note from now on which pages of the
// domain are written; `show` prints a digit for each of COUNT pages from the page number FIRST on:
// 1 for one that was written since.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

extern "C" {
#include <xenctrl.h>
}

namespace {

constexpr unsigned long kPages = 0x1000;  // of a test domain: 16 MB
constexpr size_t kWordBits = 8 * sizeof(unsigned long);

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(2);
}

void Watch(xc_interface* xen, uint32_t domain) {
  // It may be on from an earlier call: off and on again begins anew.
  xc_shadow_control(xen, domain, XEN_DOMCTL_SHADOW_OP_OFF, nullptr, 0);
  if (xc_shadow_control(xen, domain, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, nullptr, 0) != 0) {
    Die("dirty_pages: watch");
  }
}

void Show(xc_interface* xen, uint32_t domain, size_t first, size_t count) {
  // What the macros of xenctrl.h do, which C++ does not understand.
  xc_hypercall_buffer_t buffer = {};
  const auto* bitmap = static_cast<unsigned long*>(
      xc__hypercall_buffer_alloc_pages(xen, &buffer, kPages / 8 / XC_PAGE_SIZE + 1));
  if (bitmap == nullptr || first + count > kPages ||
      xc_logdirty_control(xen, domain, XEN_DOMCTL_SHADOW_OP_PEEK, &buffer, kPages, 0, nullptr) <
          0) {
    Die("dirty_pages: show");
  }
  for (size_t page = first; page < first + count; ++page) {
    std::putchar((bitmap[page / kWordBits] >> (page % kWordBits)) & 1 ? '1' : '0');
  }
  std::putchar('\n');
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  xc_interface* xen = xc_interface_open(nullptr, nullptr, 0);
  if (xen == nullptr || words.size() < 2) return 2;
  const auto domain = static_cast<uint32_t>(std::stoul(words[0]));
  if (words[1] == "watch") {
    Watch(xen, domain);
  } else if (words[1] == "show" && words.size() == 4) {
    Show(xen, domain, std::stoul(words[2], nullptr, 0), std::stoul(words[3], nullptr, 0));
  } else {
    return 2;
  }
  return 0;
}
