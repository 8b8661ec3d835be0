#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "varstored/base/bytes.h"

namespace varstored::base {

/// Builds a byte string. Integers are written little endian and packed.
class Writer {
 public:
  /// Memory for `size` bytes is taken at once; the string may grow past it.
  explicit Writer(std::size_t size = 0) { bytes_.reserve(size); }
  /// Uses the memory of `storage` again, whose content is dropped.
  explicit Writer(Bytes storage) : bytes_(std::move(storage)) { bytes_.clear(); }

  void WriteU8(std::uint8_t value) { bytes_.push_back(value); }
  void WriteU16(std::uint16_t value) { WriteInteger(value); }
  void WriteU32(std::uint32_t value) { WriteInteger(value); }
  void WriteU64(std::uint64_t value) { WriteInteger(value); }
  void WriteBytes(ByteSpan bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  /// The bytes written so far; the Writer is empty afterwards.
  [[nodiscard]] Bytes Take() noexcept { return std::exchange(bytes_, {}); }

 private:
  template <class T>
  void WriteInteger(T value) {
    static_assert(std::endian::native == std::endian::little, "the daemon is for x86");
    WriteBytes(std::bit_cast<std::array<std::uint8_t, sizeof(T)>>(value));
  }

  Bytes bytes_;
};

}  // namespace varstored::base
