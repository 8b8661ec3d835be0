#include "varstored/health/text.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace varstored::health {
namespace {

/// A character of UTF-8, or a byte that belongs to none.
struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 1;
  bool is_valid = false;
};

/// The first character of `text`, which is not empty (RFC 3629: the shortest form only, no
/// surrogates, nothing above 10FFFF).
Character FirstOf(std::string_view text) {
  const auto byte = [&text](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
  };
  const std::uint32_t lead = byte(0);
  const Character invalid{lead, 1, false};
  if (lead < 0x80) {
    return {lead, 1, true};
  }
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  constexpr std::array<std::uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) {
    return invalid;
  }
  std::uint32_t code = lead & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) {
      return invalid;
    }
    code = code << 6 | (byte(i) & 0x3F);
  }
  const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kSmallest[bytes] || is_surrogate || code > 0x10FFFF) {
    return invalid;
  }
  return {code, bytes, true};
}

/// Whether every terminal shows it as one column and nothing else happens.
bool IsPlain(std::uint32_t code) {
  return (code >= 0x20 && code <= 0x7E) ||                     // ASCII
         (code >= 0xA1 && code <= 0x24F && code != 0xAD) ||    // Latin; AD is a soft hyphen
         (code >= 0x391 && code <= 0x3FF && code != 0x3A2) ||  // Greek; 3A2 is not assigned
         (code >= 0x400 && code <= 0x482) || (code >= 0x48A && code <= 0x52F);  // Cyrillic
}

/// At least `digits` digits.
std::string Hex(std::string_view alphabet, std::uint32_t number, std::size_t digits) {
  std::string text;
  for (; number != 0 || text.size() < digits; number /= 16) {
    text.insert(text.begin(), alphabet[number % 16]);
  }
  return text;
}

std::string Upper(std::uint32_t number, std::size_t digits) {
  return Hex("0123456789ABCDEF", number, digits);
}

std::string Lower(std::uint32_t number, std::size_t digits) {
  return Hex("0123456789abcdef", number, digits);
}

}  // namespace

std::string ForTerminal(std::string_view utf8) {
  std::string text;
  while (!utf8.empty()) {
    const Character c = FirstOf(utf8);
    if (c.is_valid && IsPlain(c.code)) {
      text += utf8.substr(0, c.bytes);
    } else {
      text += c.is_valid ? "\\u{" + Upper(c.code, 4) + "}" : "\\x{" + Upper(c.code, 2) + "}";
    }
    utf8.remove_prefix(c.bytes);
  }
  return text;
}

std::size_t ColumnsOf(std::string_view terminal_text) {
  std::size_t columns = 0;
  for (const char c : terminal_text) {
    // Every character has one byte that is no continuation.
    columns += (static_cast<unsigned char>(c) & 0xC0U) == 0x80 ? 0U : 1U;
  }
  return columns;
}

std::string Cut(std::string_view terminal_text, std::size_t columns) {
  std::size_t taken = 0;
  std::size_t end = 0;  // of what stays when it is cut
  for (std::size_t i = 0; i < terminal_text.size(); ++i) {
    if ((static_cast<unsigned char>(terminal_text[i]) & 0xC0U) == 0x80) {
      continue;
    }
    if (taken + 3 == columns) {
      end = i;
    }
    if (taken == columns) {
      return std::string(terminal_text.substr(0, end)) + "...";
    }
    ++taken;
  }
  return std::string(terminal_text);
}

std::string JsonString(std::string_view utf8) {
  std::string json = "\"";
  while (!utf8.empty()) {
    const Character c = FirstOf(utf8);
    utf8.remove_prefix(c.bytes);
    const std::uint32_t code = c.is_valid ? c.code : 0xFFFD;
    if (code == '"' || code == '\\') {
      json.push_back('\\');
      json.push_back(static_cast<char>(code));
    } else if (code >= 0x20 && code <= 0x7E) {
      json.push_back(static_cast<char>(code));
    } else if (code <= 0xFFFF) {
      json += "\\u" + Lower(code, 4);
    } else {
      json += "\\u" + Lower(0xD800 + ((code - 0x10000) >> 10), 4);
      json += "\\u" + Lower(0xDC00 + ((code - 0x10000) & 0x3FF), 4);
    }
  }
  json.push_back('"');
  return json;
}

std::string ForXml(std::string_view utf8) {
  std::string xml;
  for (const char c : ForTerminal(utf8)) {
    switch (c) {
      case '&':
        xml += "&amp;";
        break;
      case '<':
        xml += "&lt;";
        break;
      case '>':
        xml += "&gt;";
        break;
      case '"':
        xml += "&quot;";
        break;
      case '\'':
        xml += "&apos;";
        break;
      default:
        xml.push_back(c);
    }
  }
  return xml;
}

}  // namespace varstored::health
