#include "guest_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>

#include "varstored/guest/protocol.h"

namespace varstored::guest_xen {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kPages = guest::kSharedBytes / kPageBytes;

}  // namespace

std::optional<GuestPages> GuestPages::Map(const Hypervisor& xen, std::uint32_t first_page) {
  std::array<xen_pfn_t, kPages> numbers{};
  static_assert(sizeof(xen_pfn_t) == 8, "the last page number may not fit in 32 bits");
  xen_pfn_t next = first_page;
  std::ranges::generate(numbers, [&next] { return next++; });

  std::array<int, kPages> errors{};
  void* start = xenforeignmemory_map2(xen.memory.get(), xen.domain, nullptr, PROT_READ | PROT_WRITE,
                                      0, numbers.size(), numbers.data(), errors.data());
  if (start == nullptr) {
    return std::nullopt;
  }
  GuestPages pages(xen.memory.get(), start);
  // A mapping can have holes, and an access to one would end the process.
  if (std::ranges::any_of(errors, [](int error) { return error != 0; })) {
    return std::nullopt;
  }
  return pages;
}

GuestPages::~GuestPages() {
  if (start_ != nullptr) {
    static_cast<void>(xenforeignmemory_unmap(memory_, start_, kPages));
  }
}

}  // namespace varstored::guest_xen
