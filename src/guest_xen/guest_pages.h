#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "hypervisor.h"

namespace varstored::guest_xen {

/// The pages of a request, mapped from the guest's memory as long as this object. A mapping keeps a
/// destroyed domain from going away, so none outlives the request.
class GuestPages {
 public:
  /// Maps the pages from the guest's page number `first_page` on, guest::kSharedBytes in all: every
  /// one of them, for reading and writing, or none. `xen` outlives the result.
  [[nodiscard]] static std::optional<GuestPages> Map(const Hypervisor& xen,
                                                     std::uint32_t first_page);

  GuestPages(GuestPages&& other) noexcept
      : memory_(other.memory_), start_(std::exchange(other.start_, nullptr)) {}
  GuestPages(const GuestPages&) = delete;
  GuestPages& operator=(const GuestPages&) = delete;
  GuestPages& operator=(GuestPages&&) = delete;
  ~GuestPages();

  [[nodiscard]] volatile void* start() const { return start_; }

 private:
  GuestPages(xenforeignmemory_handle* memory, void* start) : memory_(memory), start_(start) {}

  xenforeignmemory_handle* memory_;
  void* start_;
};

}  // namespace varstored::guest_xen
