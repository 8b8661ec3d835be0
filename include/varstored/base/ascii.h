#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace varstored::base {

/// A capital of ASCII as the small letter, and any other byte as it is, whatever the locale.
[[nodiscard]] constexpr char LowerAscii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// The same of each byte.
[[nodiscard]] inline std::string LowerAscii(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return LowerAscii(c); });
  return lower;
}

/// The number in decimal, with zeros in front of it where it has fewer than `digits` digits.
[[nodiscard]] inline std::string Padded(std::int64_t number, std::size_t digits) {
  std::string text = std::to_string(number);
  text.insert(0, digits > text.size() ? digits - text.size() : 0, '0');
  return text;
}

}  // namespace varstored::base
