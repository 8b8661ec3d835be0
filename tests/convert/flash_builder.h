#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "varstored/base/bytes.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/time.h"

/// Flash images made field by field, without the code under test (UEFI Platform Initialization 1.8,
/// volume 3; EDK II's Guid/VariableFormat.h and Guid/FaultTolerantWrite.h).
namespace varstored::test {

/// One record as the firmware leaves it on the flash.
struct FlashRecord {
  std::string name;  // UTF-16LE without NUL
  efi::Guid vendor = {};
  std::uint32_t attributes = 7;
  base::Bytes data = {1};
  efi::Time timestamp = {};
  std::uint8_t state = 0x3F;
  std::uint64_t monotonic_count = 0;
  std::uint32_t public_key_index = 0;
  bool terminated = true;
};

/// A volume as OVMF's: variables, an event log, a log of writes, and a spare area as large as
/// these.
class FlashBuilder {
 public:
  explicit FlashBuilder(bool authenticated = true,
                        std::size_t store_bytes = std::size_t{56} * 1024);

  FlashBuilder& Add(const FlashRecord& record);
  /// An entry of the log of writes. Flags are those of the header and of its only record; a flag is
  /// set when its bit is 0.
  FlashBuilder& AddWrite(std::uint8_t header_flags, std::uint8_t record_flags);
  [[nodiscard]] base::Bytes Image() const { return image_; }

  static constexpr std::size_t kFirstRecord = 0x64;

 private:
  bool authenticated_;
  std::size_t area_bytes_;
  std::size_t next_record_ = kFirstRecord;
  std::size_t next_write_;
  base::Bytes image_;
};

/// The UTF-16LE bytes of ASCII text, in characters.
[[nodiscard]] std::string Utf16(std::string_view ascii);

}  // namespace varstored::test
