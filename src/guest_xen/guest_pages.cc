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

GuestPages MapGuestPages(const Hypervisor& xen, std::uint32_t first_page) {
  std::array<xen_pfn_t, kPages> numbers{};
  static_assert(sizeof(xen_pfn_t) == 8, "the last page number may not fit in 32 bits");
  xen_pfn_t next = first_page;
  std::ranges::generate(numbers, [&next] { return next++; });

  std::array<int, kPages> errors{};
  GuestPages pages(
      xenforeignmemory_map2(xen.memory.get(), xen.domain, nullptr, PROT_READ | PROT_WRITE, 0,
                            numbers.size(), numbers.data(), errors.data()),
      UnmapGuestPages{xen.memory.get()});
  // A mapping can have holes, and an access to one would end the process.
  if (std::ranges::any_of(errors, [](int error) { return error != 0; })) {
    pages.reset();
  }
  return pages;
}

void UnmapGuestPages::operator()(void* start) const noexcept {
  static_cast<void>(xenforeignmemory_unmap(memory, start, kPages));
}

}  // namespace varstored::guest_xen
