#include "varstored/efi/variable_name.h"

#include <charconv>
#include <cstddef>
#include <cstdint>

namespace varstored::efi {
namespace {

constexpr std::uint32_t kReplacement = 0xFFFD;

constexpr bool IsHighSurrogate(std::uint32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
constexpr bool IsLowSurrogate(std::uint32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

std::uint32_t UnitAt(std::string_view name_bytes, std::size_t at) {
  return static_cast<std::uint8_t>(name_bytes[at]) |
         static_cast<std::uint32_t>(static_cast<std::uint8_t>(name_bytes[at + 1])) << 8U;
}

void AppendUtf8(std::string& text, std::uint32_t code) {
  const auto put = [&text](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0U | code >> 6U);
    put(0x80U | (code & 0x3FU));
  } else if (code < 0x10000) {
    put(0xE0U | code >> 12U);
    put(0x80U | (code >> 6U & 0x3FU));
    put(0x80U | (code & 0x3FU));
  } else {
    put(0xF0U | code >> 18U);
    put(0x80U | (code >> 12U & 0x3FU));
    put(0x80U | (code >> 6U & 0x3FU));
    put(0x80U | (code & 0x3FU));
  }
}

/// The next character of UTF-8 text, taken off its front; nothing when it is not well formed.
std::optional<std::uint32_t> TakeUtf8(std::string_view& text) {
  const auto first = static_cast<std::uint8_t>(text[0]);
  std::size_t size = 1;
  std::uint32_t code = first;
  std::uint32_t least = 0;
  if (first >= 0xF0 && first <= 0xF4) {
    size = 4;
    code = first & 0x07U;
    least = 0x10000;
  } else if (first >= 0xE0 && first < 0xF0) {
    size = 3;
    code = first & 0x0FU;
    least = 0x800;
  } else if (first >= 0xC0 && first < 0xE0) {
    size = 2;
    code = first & 0x1FU;
    least = 0x80;
  } else if (first >= 0x80) {
    return std::nullopt;
  }
  if (text.size() < size) {
    return std::nullopt;
  }
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<std::uint8_t>(text[i]);
    if ((next & 0xC0U) != 0x80) {
      return std::nullopt;
    }
    code = code << 6U | (next & 0x3FU);
  }
  if (code < least || code > 0x10FFFF || IsHighSurrogate(code) || IsLowSurrogate(code)) {
    return std::nullopt;
  }
  text.remove_prefix(size);
  return code;
}

void AppendUnit(std::string& name_bytes, std::uint32_t unit) {
  name_bytes.push_back(static_cast<char>(unit & 0xFFU));
  name_bytes.push_back(static_cast<char>(unit >> 8U & 0xFFU));
}

void AppendCode(std::string& name_bytes, std::uint32_t code) {
  if (code >= 0x10000) {
    AppendUnit(name_bytes, 0xD800 + ((code - 0x10000) >> 10U));
    AppendUnit(name_bytes, 0xDC00 + ((code - 0x10000) & 0x3FFU));
  } else {
    AppendUnit(name_bytes, code);
  }
}

void AppendEscape(std::string& text, char kind, std::uint32_t number, unsigned int digits) {
  text += {'\\', kind};
  while (digits > 0) {
    text.push_back("0123456789ABCDEF"[number >> 4U * --digits & 0xFU]);
  }
}

/// The number of an escape `\KIND` with so many digits, taken off the front of `text`.
std::optional<std::uint32_t> TakeEscape(std::string_view& text, char kind, std::size_t digits) {
  const std::size_t size = 2 + digits;
  std::uint32_t number = 0;
  if (text.size() < size || text[1] != kind) {
    return std::nullopt;
  }
  const char* const end = text.data() + size;
  const std::string_view hex = text.substr(2, digits);
  if (hex.find_first_not_of("0123456789ABCDEFabcdef") != std::string_view::npos ||
      std::from_chars(hex.data(), end, number, 16).ptr != end) {
    return std::nullopt;
  }
  text.remove_prefix(size);
  return number;
}

}  // namespace

std::optional<VariableName> VariableName::FromBytes(base::ByteSpan bytes) {
  if (bytes.empty() || bytes.size() > kMaxNameBytes || bytes.size() % 2 != 0) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    if (bytes[i] == 0 && bytes[i + 1] == 0) {
      return std::nullopt;
    }
  }
  return VariableName(base::ToString(bytes));
}

VariableName NameFromAscii(std::string_view text) {
  std::string bytes;
  bytes.reserve(2 * text.size());
  for (const char c : text) {
    AppendUnit(bytes, static_cast<std::uint8_t>(c));
  }
  return VariableName(std::move(bytes));
}

std::string NameToUtf8(std::string_view name_bytes) {
  std::string text;
  std::size_t at = 0;
  while (at + 1 < name_bytes.size()) {
    const std::uint32_t unit = UnitAt(name_bytes, at);
    at += 2;
    if (IsHighSurrogate(unit) && at + 1 < name_bytes.size() &&
        IsLowSurrogate(UnitAt(name_bytes, at))) {
      AppendUtf8(text, 0x10000 + ((unit - 0xD800) << 10U) + (UnitAt(name_bytes, at) - 0xDC00));
      at += 2;
    } else {
      AppendUtf8(text, IsHighSurrogate(unit) || IsLowSurrogate(unit) ? kReplacement : unit);
    }
  }
  if (at < name_bytes.size()) {
    AppendUtf8(text, kReplacement);
  }
  return text;
}

std::optional<VariableName> NameFromUtf8(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const auto code = TakeUtf8(text);
    if (!code) {
      return std::nullopt;
    }
    AppendCode(bytes, *code);
  }
  return VariableName::FromBytes(base::ToBytes(bytes));
}

std::string EscapeName(std::string_view name_bytes) {
  std::string text;
  std::size_t at = 0;
  for (; at + 1 < name_bytes.size(); at += 2) {
    const std::uint32_t unit = UnitAt(name_bytes, at);
    if (unit > ' ' && unit <= '~' && unit != '\\') {
      text.push_back(static_cast<char>(unit));
    } else {
      AppendEscape(text, 'u', unit, 4);
    }
  }
  if (at < name_bytes.size()) {
    AppendEscape(text, 'x', static_cast<std::uint8_t>(name_bytes[at]), 2);
  }
  return text;
}

std::optional<std::string> UnescapeName(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    if (text.front() != '\\') {
      const auto code = TakeUtf8(text);
      if (!code) {
        return std::nullopt;
      }
      AppendCode(bytes, *code);
    } else if (const auto unit = TakeEscape(text, 'u', 4)) {
      AppendUnit(bytes, *unit);
    } else if (const auto byte = TakeEscape(text, 'x', 2); byte && text.empty()) {
      bytes.push_back(static_cast<char>(*byte));
    } else {
      return std::nullopt;
    }
  }
  return bytes;
}

}  // namespace varstored::efi
