#include "notation.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

namespace guest_driver {
namespace {

constexpr size_t kLongestShown = 40;

struct NamedVendor {
  std::string_view word;
  std::string_view guid;
};
constexpr NamedVendor kVendors[] = {
    {"global", "8be4df61-93ca-11d2-aa0d-00e098032b8c"},
    {"security", "d719b2cb-3d3a-4596-a3bc-dad00e67656f"},
    {"mor", "e20939be-32d4-41be-a150-897f85d49829"},
    {"morlock", "bb983ccf-151d-40e1-a07b-4a17be168292"},
    {"ppi", "9d1947eb-09bb-4780-a3cd-bea956e0e056"},
    {"test", "11223344-5566-7788-99aa-bbccddeeff01"},
};

bool IsData(std::string_view word) {
  constexpr std::array<std::string_view, 5> kKinds = {
      "hex:", "text:", "zeros:", "pattern:", "file:"};
  return std::any_of(kKinds.begin(), kKinds.end(),
                     [&](std::string_view kind) { return word.starts_with(kind); });
}

// The first three fields of a GUID are stored little endian, the rest as it is written.
constexpr std::array<size_t, 16> kGuidOrder = {3, 2, 1,  0,  5,  4,  7,  6,
                                               8, 9, 10, 11, 12, 13, 14, 15};

Bytes ParseGuid(std::string_view text) {
  std::string digits(text);
  std::erase(digits, '-');
  const Bytes written = ParseHex(digits);
  if (written.size() != 16) Die("not a GUID: " + std::string(text));
  Bytes guid(16);
  for (size_t i = 0; i < 16; ++i) guid[i] = written[kGuidOrder[i]];
  return guid;
}

std::string ShowGuid(std::span<const uint8_t> guid) {
  std::string text;
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += ShowHex(guid.subspan(kGuidOrder[i], 1));
  }
  return text;
}

bool IsGuid(std::string_view text) {
  return text.size() == 36 && std::count(text.begin(), text.end(), '-') == 4;
}

}  // namespace

void Die(const std::string& why) {
  std::cerr << "guest_driver: " << why << std::endl;
  std::exit(2);
}

uint64_t ParseNumber(const std::string& text, int base) {
  size_t used = 0;
  uint64_t value = 0;
  try {
    value = std::stoull(text, &used, base);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used == 0 || used != text.size()) Die("not a number: " + text);
  return value;
}

Bytes ParseHex(std::string_view text) {
  if (text.size() % 2 != 0) Die("odd number of hexadecimal digits");
  Bytes bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(ParseNumber(std::string(text.substr(i, 2)), 16)));
  }
  return bytes;
}

std::string ShowHex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Bytes ParseData(const std::string& word) {
  if (word == "-") return {};
  if (!IsData(word)) Die("not data: " + word);
  const size_t colon = word.find(':');
  const std::string kind = word.substr(0, colon);
  const std::string value = word.substr(colon + 1);
  if (kind == "hex") return ParseHex(value);
  if (kind == "text") return Bytes(value.begin(), value.end());
  if (kind == "zeros") return Bytes(ParseNumber(value, 10), 0);
  if (kind == "pattern") {
    Bytes bytes(ParseNumber(value, 10));
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 256);
    return bytes;
  }
  std::ifstream file(value, std::ios::binary);
  if (!file) Die("cannot read " + value);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

std::string ShowHexNumber(uint64_t value) {
  std::ostringstream text;
  text << std::hex << value;
  return text.str();
}

std::string ShowData(std::span<const uint8_t> bytes) {
  if (bytes.size() <= kLongestShown) return "hex:" + ShowHex(bytes);
  uint32_t sum = 0x811c9dc5;  // FNV-1a
  for (uint8_t byte : bytes) sum = (sum ^ byte) * 0x01000193;
  return "long:" + std::to_string(bytes.size()) + ':' + ShowHexNumber(sum);
}

Variable ParseVariable(const std::string& word) {
  if (word == "-") return {Bytes(16), {}};
  const size_t colon = word.find(':');
  if (colon == std::string::npos) Die("not VENDOR:NAME: " + word);
  std::string_view vendor = std::string_view(word).substr(0, colon);
  for (const NamedVendor& known : kVendors) {
    if (vendor == known.word) vendor = known.guid;
  }
  Variable variable{ParseGuid(vendor), {}};
  for (char c : word.substr(colon + 1)) {
    variable.name.push_back(static_cast<uint8_t>(c));
    variable.name.push_back(0);
  }
  return variable;
}

std::string ShowVariable(const Variable& variable) {
  std::string text = ShowGuid(variable.vendor);
  for (const NamedVendor& known : kVendors) {
    if (text == known.guid) text = known.word;
  }
  text += ':';
  for (size_t i = 0; i + 1 < variable.name.size(); i += 2) {
    const bool printable =
        variable.name[i + 1] == 0 && variable.name[i] > ' ' && variable.name[i] < 0x7f;
    text += printable ? static_cast<char>(variable.name[i]) : '?';
  }
  return text;
}

std::string Canonical(const std::string& word) {
  if (IsData(word)) return ShowData(ParseData(word));
  if (IsGuid(word.substr(0, word.find(':')))) return ShowVariable(ParseVariable(word));
  return word;
}

Words Split(const std::string& line) {
  Words words;
  size_t at = 0;
  while ((at = line.find_first_not_of(" \t", at)) != std::string::npos) {
    const size_t end = std::min(line.find_first_of(" \t", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

bool Matches(const Words& expected, const Words& got) {
  return std::equal(
      expected.begin(), expected.end(), got.begin(), got.end(),
      [](const std::string& e, const std::string& g) { return e == "*" || Canonical(e) == g; });
}

bool MatchesInAnyOrder(Words expected, Words got) {
  std::transform(expected.begin(), expected.end(), expected.begin(), Canonical);
  std::sort(expected.begin(), expected.end());
  std::sort(got.begin(), got.end());
  return expected == got;
}

}  // namespace guest_driver
