#include "store/blob_notation.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

#include "varstored/base/writer.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/time.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"

namespace varstored::test {
namespace {

[[noreturn]] void Fail(const std::string& what, std::string_view text) {
  throw std::runtime_error(what + ": '" + std::string(text) + "'");
}

/// The parts of `text` between separators; empty ones do not count.
std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end != 0) {
      parts.push_back(text.substr(0, end));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

/// Decimal, or hexadecimal behind 0x; -N is N less than 2^64.
std::uint64_t NumberOf(std::string_view text) {
  const bool is_negative = text.starts_with("-");
  const std::string_view plain = text.substr(is_negative ? 1 : 0);
  const bool is_hex = plain.starts_with("0x");
  const std::string_view digits = plain.substr(is_hex ? 2 : 0);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number, is_hex ? 16 : 10);
  if (error != std::errc() || end != digits.end()) {
    Fail("not a number", text);
  }
  return is_negative ? 0 - number : number;
}

base::Bytes HexOf(std::string_view text) {
  base::Bytes bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const std::string_view digits = text.substr(i, 2);
    std::uint8_t byte = 0;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), byte, 16);
    if (error != std::errc() || end != digits.end() || digits.size() != 2) {
      Fail("not two hexadecimal digits", digits);
    }
    bytes.push_back(byte);
  }
  return bytes;
}

efi::Guid GuidOf(std::string_view text) {
  if (text == "global") {
    return efi::kGlobalVariableGuid;
  }
  if (text == "security") {
    return efi::kImageSecurityDatabaseGuid;
  }
  const std::optional<efi::Guid> guid = efi::ParseGuid(text);
  if (!guid) {
    Fail("not a GUID", text);
  }
  return *guid;
}

/// "2024-01-02T03:04:05".
efi::Time TimeOf(std::string_view text) {
  constexpr std::string_view kForm = "yyyy-mm-ddThh:mm:ss";
  if (text.size() != kForm.size()) {
    Fail("not a time", text);
  }
  const auto number = [text](std::size_t at) {
    return static_cast<std::uint8_t>(NumberOf(text.substr(at, 2)));
  };
  return {.year = static_cast<std::uint16_t>(NumberOf(text.substr(0, 4))),
          .month = number(5),
          .day = number(8),
          .hour = number(11),
          .minute = number(14),
          .second = number(17)};
}

base::Bytes Utf16Of(std::string_view text) {
  const auto name = efi::NameFromUtf8(text);
  if (!name) {
    Fail("no name", text);
  }
  return base::ToBytes(name->bytes());
}

/// word(argument): `bits` of an integer and all other terms.
base::Bytes BytesOfTerm(std::string_view term) {
  const std::size_t open = term.find('(');
  if (open == std::string_view::npos || term.back() != ')') {
    Fail("not word(argument)", term);
  }
  const std::string_view word = term.substr(0, open);
  const std::string_view argument = term.substr(open + 1, term.size() - open - 2);
  base::Writer writer;
  if (word == "u32") {
    writer.WriteU32(static_cast<std::uint32_t>(NumberOf(argument)));
  } else if (word == "u64") {
    writer.WriteU64(NumberOf(argument));
  } else if (word == "hex") {
    writer.WriteBytes(HexOf(argument));
  } else if (word == "text") {
    writer.WriteBytes(base::ToBytes(argument));
  } else if (word == "utf16") {
    writer.WriteBytes(Utf16Of(argument));
  } else if (word == "guid") {
    writer.WriteBytes(GuidOf(argument).bytes);
  } else if (word == "time") {
    efi::WriteTime(writer, TimeOf(argument));
  } else if (const auto parts = Split(argument, ','); word == "bytes" && parts.size() == 2) {
    const base::Bytes pattern = HexOf(parts[1]);
    for (std::uint64_t i = NumberOf(parts[0]); i > 0; --i) {
      writer.WriteBytes(pattern);
    }
  } else {
    Fail("unknown bytes", term);
  }
  return writer.Take();
}

}  // namespace

std::vector<std::string_view> Words(std::string_view text) { return Split(text, ' '); }

base::Bytes BytesOfWord(std::string_view word) {
  base::Bytes all;
  for (const std::string_view term : Split(word, '+')) {
    const base::Bytes bytes = BytesOfTerm(term);
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  return all;
}

base::Bytes BytesOfLine(std::string_view text) {
  base::Bytes all;
  for (const std::string_view word : Words(text)) {
    const base::Bytes bytes = BytesOfWord(word);
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  return all;
}

}  // namespace varstored::test
