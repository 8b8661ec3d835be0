#pragma once

#include <cstdint>
#include <string_view>

namespace varstored::efi {

/// EFI_STATUS as it is on the wire: 64 bits, the highest one set in errors (UEFI 2.10, appendix D).
enum class Status : std::uint64_t {
  kSuccess = 0,
  kInvalidParameter = 0x8000000000000002,
  kUnsupported = 0x8000000000000003,
  kBufferTooSmall = 0x8000000000000005,
  kDeviceError = 0x8000000000000007,
  kWriteProtected = 0x8000000000000008,
  kOutOfResources = 0x8000000000000009,
  kNotFound = 0x800000000000000E,
  kAccessDenied = 0x800000000000000F,
  kSecurityViolation = 0x800000000000001A,
};

/// The specification's words, such as "Not Found"; "Unknown Status" for a value of no enumerator.
[[nodiscard]] std::string_view StatusText(Status status);

}  // namespace varstored::efi
