#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "hypervisor.h"

namespace varstored::guest_xen {

struct UnmapGuestPages {
  xenforeignmemory_handle* memory = nullptr;
  void operator()(void* start) const noexcept;
};

/// The pages of a request, mapped from the guest's memory: a pointer to the first byte.
using GuestPages = std::unique_ptr<void, UnmapGuestPages>;

/// Maps the pages from the guest's page number `first_page` on, guest::kSharedBytes in all: every
/// one of them, for reading and writing. Null when that is not possible. `xen` outlives the result.
[[nodiscard]] GuestPages MapGuestPages(const Hypervisor& xen, std::uint32_t first_page);

/// Mappings for the page numbers that the guest used last: to map and unmap pages takes as long as
/// all the rest of a request. What such a mapping may be used for says docs/xen-door.md, "Kept
/// mappings": it stays that of the memory that the guest had there once.
class KeptPages {
 public:
  /// The mapping from `first_page` on, or null. It is not kept any longer.
  [[nodiscard]] GuestPages Take(std::uint32_t first_page) noexcept;

  /// Keeps a mapping that was just used, in place of the one that has not been used for longest.
  void Keep(std::uint32_t first_page, GuestPages pages) noexcept;

  /// Unmaps all.
  void Drop() noexcept;

 private:
  struct Kept {
    std::uint32_t first_page = 0;
    GuestPages pages;
  };
  /// Firmware has one for variables, and a new one for each image that it refuses.
  static constexpr std::size_t kMost = 4;

  std::array<Kept, kMost> kept_;  // the last used one comes first
};

}  // namespace varstored::guest_xen
