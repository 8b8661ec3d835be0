#pragma once

#include <cstdint>
#include <string_view>

#include "varstored/base/result.h"

namespace varstored::guest_xen {

/// An access of a vCPU's, as Xen describes it: a private copy of an IOREQ (xen/hvm/ioreq.h).
struct Access {
  std::uint8_t type = 0;         // IOREQ_TYPE_*
  bool is_read = false;          // there is no third direction: it is one bit
  bool data_is_pointer = false;  // `data` is where in the guest's memory the data is
  std::uint64_t address = 0;
  std::uint32_t size = 0;   // bytes of one element
  std::uint32_t count = 0;  // elements, of an instruction with a rep prefix
  std::uint64_t data = 0;   // what is written
};

/// An access to the device's ports that the dispatcher can be asked about.
struct PortAccess {
  bool is_read = false;
  std::uint32_t port = 0;
  std::uint32_t size = 0;   // 1, 2 or 4
  std::uint32_t value = 0;  // what is written, no wider than `size`
};

/// What makes an access none of a PortAccess. Such a one is completed like every other, because the
/// vCPU waits for it, and changes nothing; a read gives 0.
enum class Oddity : std::uint8_t { kNotAPort, kPointer, kSeveral, kSize, kAddress };
inline constexpr std::size_t kOddities = static_cast<std::size_t>(Oddity::kAddress) + 1;

/// In words, for the log.
[[nodiscard]] std::string_view OddityText(Oddity oddity);

/// Decides which one it is, in the order of Oddity.
[[nodiscard]] base::Result<PortAccess, Oddity> ToPortAccess(const Access& access);

}  // namespace varstored::guest_xen
