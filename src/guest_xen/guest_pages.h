#pragma once

#include <cstdint>
#include <memory>

#include "hypervisor.h"

namespace varstored::guest_xen {

struct UnmapGuestPages {
  xenforeignmemory_handle* memory = nullptr;
  void operator()(void* start) const noexcept;
};

/// The pages of a request, mapped from the guest's memory: a pointer to the first byte. A mapping
/// keeps a destroyed domain from going away, so none is kept longer than its request.
using GuestPages = std::unique_ptr<void, UnmapGuestPages>;

/// Maps the pages from the guest's page number `first_page` on, guest::kSharedBytes in all: every
/// one of them, for reading and writing. Null when that is not possible. `xen` outlives the result.
[[nodiscard]] GuestPages MapGuestPages(const Hypervisor& xen, std::uint32_t first_page);

}  // namespace varstored::guest_xen
