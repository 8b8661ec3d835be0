#include "varstored/efi/guid.h"

namespace varstored::efi {

std::string ToText(const Guid& guid) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr std::array<std::size_t, 16> kOrder = {3, 2, 1,  0,  5,  4,  7,  6,
                                                  8, 9, 10, 11, 12, 13, 14, 15};
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < kOrder.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      text.push_back('-');
    }
    const std::uint8_t byte = guid.bytes[kOrder[i]];
    text.push_back(kDigits[byte >> 4U]);
    text.push_back(kDigits[byte & 15U]);
  }
  return text;
}

}  // namespace varstored::efi
