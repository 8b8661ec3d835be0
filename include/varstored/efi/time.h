#pragma once

#include <cstddef>
#include <cstdint>

#include "varstored/base/reader.h"
#include "varstored/base/writer.h"

namespace varstored::efi {

/// EFI_TIME (UEFI 2.10, 8.3). Field by field what was read: a stored record may hold any values.
struct Time {
  static constexpr std::size_t kSizeBytes = 16;

  std::uint16_t year = 0;
  std::uint8_t month = 0;
  std::uint8_t day = 0;
  std::uint8_t hour = 0;
  std::uint8_t minute = 0;
  std::uint8_t second = 0;
  std::uint8_t pad1 = 0;
  std::uint32_t nanosecond = 0;
  std::uint16_t time_zone = 0;
  std::uint8_t daylight = 0;
  std::uint8_t pad2 = 0;

  [[nodiscard]] bool operator==(const Time&) const = default;

  /// Pad1, Nanosecond, TimeZone, Daylight and Pad2 are 0, as 8.2.2 wants them in a descriptor.
  [[nodiscard]] bool IsTimestamp() const {
    return pad1 == 0 && nanosecond == 0 && time_zone == 0 && daylight == 0 && pad2 == 0;
  }
};

/// Whether `a` is strictly later than `b`, to the second.
[[nodiscard]] bool IsLater(const Time& a, const Time& b);

/// False, with the cursor where it was, when fewer than 16 bytes are left.
[[nodiscard]] bool ReadTime(base::Reader& reader, Time& time);
void WriteTime(base::Writer& writer, const Time& time);

}  // namespace varstored::efi
