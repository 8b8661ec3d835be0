#include "varstored/base/base64.h"

#include <array>
#include <cstdint>

namespace varstored::base {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kInvalid = 0xFF;

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kInvalid);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<std::uint8_t>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

std::string EncodeBase64(ByteSpan bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = bytes.size() - i < 3 ? bytes.size() - i : 3;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < count ? bytes[i + k] : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text.push_back(k <= count ? kAlphabet[group >> (18 - 6 * k) & 63] : '=');
    }
  }
  return text;
}

Result<Bytes> DecodeBase64(std::string_view text) {
  Bytes bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  unsigned digits = 0;   // base64 digits in the current group of four
  unsigned padding = 0;  // '=' seen
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (IsSpace(c)) {
      continue;
    }
    const std::uint8_t value = kValues[static_cast<std::uint8_t>(c)];
    const bool pad = c == '=';
    if (pad ? digits < 2 || digits + padding >= 4 : value == kInvalid || padding != 0) {
      return Fail("not base64: unexpected character at offset " + std::to_string(i));
    }
    if (pad) {
      ++padding;
      continue;
    }
    bits = bits << 6 | value;
    if (++digits == 4) {
      bytes.push_back(static_cast<std::uint8_t>(bits >> 16));
      bytes.push_back(static_cast<std::uint8_t>(bits >> 8));
      bytes.push_back(static_cast<std::uint8_t>(bits));
      digits = 0;
    }
  }
  if (digits == 0) {
    return bytes;
  }
  if (digits + padding != 4) {
    return Fail("not base64: it ends in the middle of a group");
  }
  const unsigned spare = digits == 2 ? 4 : 2;
  if ((bits & ((1U << spare) - 1)) != 0) {
    return Fail("not base64: bits are set behind the last byte");
  }
  bits >>= spare;
  if (digits == 3) {
    bytes.push_back(static_cast<std::uint8_t>(bits >> 8));
  }
  bytes.push_back(static_cast<std::uint8_t>(bits));
  return bytes;
}

}  // namespace varstored::base
