#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace varstored::efi {

/// EFI_GUID in its memory layout: the first three fields little endian (UEFI 2.10, appendix A).
struct Guid {
  std::array<std::uint8_t, 16> bytes{};

  [[nodiscard]] auto operator<=>(const Guid&) const = default;
};

/// Reads "8be4df61-93ca-11d2-aa0d-00e098032b8c", in either case; nothing for any other form.
[[nodiscard]] constexpr std::optional<Guid> ParseGuid(std::string_view text) {
  // Where each byte of the memory layout stands in the text.
  constexpr std::array<std::size_t, 16> kPositions = {6,  4,  2,  0,  11, 9,  16, 14,
                                                      19, 21, 24, 26, 28, 30, 32, 34};
  constexpr auto kDigit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  if (text.size() != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' ||
      text[23] != '-') {
    return std::nullopt;
  }
  Guid guid;
  for (std::size_t i = 0; i < guid.bytes.size(); ++i) {
    const int high = kDigit(text[kPositions[i]]);
    const int low = kDigit(text[kPositions[i] + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    guid.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return guid;
}

/// The lower-case text form.
[[nodiscard]] std::string ToText(const Guid& guid);

}  // namespace varstored::efi
