#include "guest_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "varstored/guest/protocol.h"

namespace varstored::guest_xen {
namespace {

constexpr std::size_t kPages = guest::kSharedBytes / guest::kPageBytes;

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

GuestPages KeptPages::Take(std::uint32_t first_page) noexcept {
  auto* const found = std::ranges::find_if(kept_, [first_page](const Kept& kept) {
    return kept.pages != nullptr && kept.first_page == first_page;
  });
  return found == kept_.end() ? GuestPages() : std::move(found->pages);
}

void KeptPages::Keep(std::uint32_t first_page, GuestPages pages) noexcept {
  // The place of one that was taken, or the last one.
  auto* const place = std::ranges::find_if(kept_, [](const Kept& kept) { return !kept.pages; });
  auto* const last = place == kept_.end() ? std::prev(place) : place;
  *last = {first_page, std::move(pages)};
  std::rotate(kept_.begin(), last, std::next(last));
}

void KeptPages::Drop() noexcept {
  std::ranges::for_each(kept_, [](Kept& kept) { kept.pages.reset(); });
}

}  // namespace varstored::guest_xen
