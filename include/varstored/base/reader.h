#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "varstored/base/bytes.h"

namespace varstored::base {

/// A cursor over foreign bytes that cannot run past their end. Integers are little endian and need
/// no alignment. A read that does not fit returns false, and leaves the cursor and the target as
/// they were. The bytes belong to the caller and must outlive the Reader.
class Reader {
 public:
  explicit Reader(ByteSpan bytes) noexcept : bytes_(bytes) {}

  /// Bytes consumed so far.
  [[nodiscard]] std::size_t offset() const noexcept { return offset_; }
  [[nodiscard]] std::size_t remaining() const noexcept { return bytes_.size() - offset_; }
  [[nodiscard]] bool empty() const noexcept { return remaining() == 0; }

  [[nodiscard]] bool ReadU8(std::uint8_t& value) noexcept { return ReadInteger(value); }
  [[nodiscard]] bool ReadU16(std::uint16_t& value) noexcept { return ReadInteger(value); }
  [[nodiscard]] bool ReadU32(std::uint32_t& value) noexcept { return ReadInteger(value); }
  [[nodiscard]] bool ReadU64(std::uint64_t& value) noexcept { return ReadInteger(value); }

  /// The next `size` bytes, as a view of the original. `size` is 64 bits wide so that a length from
  /// the wire can be passed as it is.
  [[nodiscard]] bool ReadBytes(std::uint64_t size, ByteSpan& bytes) noexcept {
    if (size > remaining()) {
      return false;
    }
    bytes = bytes_.subspan(offset_, static_cast<std::size_t>(size));
    offset_ += static_cast<std::size_t>(size);
    return true;
  }

  template <std::size_t N>
  [[nodiscard]] bool ReadArray(std::array<std::uint8_t, N>& array) noexcept {
    ByteSpan bytes;
    if (!ReadBytes(N, bytes)) {
      return false;
    }
    std::memcpy(array.data(), bytes.data(), N);
    return true;
  }

  /// All that is left.
  [[nodiscard]] ByteSpan ReadRest() noexcept {
    const ByteSpan rest = bytes_.subspan(offset_);
    offset_ = bytes_.size();
    return rest;
  }

 private:
  template <class T>
  [[nodiscard]] bool ReadInteger(T& value) noexcept {
    std::array<std::uint8_t, sizeof(T)> bytes{};
    if (!ReadArray(bytes)) {
      return false;
    }
    static_assert(std::endian::native == std::endian::little, "the daemon is for x86");
    value = std::bit_cast<T>(bytes);
    return true;
  }

  ByteSpan bytes_;
  std::size_t offset_ = 0;
};

}  // namespace varstored::base
