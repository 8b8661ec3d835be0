#pragma once

#include <algorithm>
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

}  // namespace varstored::base
