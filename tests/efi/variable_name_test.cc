#include "varstored/efi/variable_name.h"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "varstored/base/bytes.h"

namespace varstored::efi {
namespace {

using base::Bytes;

std::string Units(const std::vector<std::uint16_t>& units) {
  std::string bytes;
  for (const std::uint16_t unit : units) {
    bytes.push_back(static_cast<char>(unit & 0xFFU));
    bytes.push_back(static_cast<char>(unit >> 8U));
  }
  return bytes;
}

/// The UTF-16LE bytes that `utf8` gives, or nothing.
std::optional<std::string> FromUtf8(std::string_view utf8) {
  const auto name = NameFromUtf8(utf8);
  return name ? std::optional(name->bytes()) : std::nullopt;
}

TEST(VariableName, TheBytesAreKept) {
  const Bytes bytes = {'P', 0, 'K', 0};
  const auto name = VariableName::FromBytes(bytes);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->bytes(), std::string("P\0K\0", 4));
  EXPECT_EQ(*name, NameFromAscii("PK"));
  EXPECT_NE(*name, NameFromAscii("pk"));
}

TEST(VariableName, L05_OddLengthsAreRefused) {
  for (std::size_t size = 0; size <= 64; ++size) {
    EXPECT_EQ(VariableName::FromBytes(Bytes(size, 'a')).has_value(), size != 0 && size % 2 == 0)
        << size;
  }
  EXPECT_FALSE(VariableName::FromBytes(Bytes(4095, 'a')));
  EXPECT_FALSE(VariableName::FromBytes(Bytes(4097, 'a')));
}

TEST(VariableName, TheLongestHas4096Bytes) {
  EXPECT_TRUE(VariableName::FromBytes(Bytes(4094, 'a')));
  EXPECT_TRUE(VariableName::FromBytes(Bytes(4096, 'a')));
  EXPECT_FALSE(VariableName::FromBytes(Bytes(4098, 'a')));
  EXPECT_FALSE(VariableName::FromBytes(Bytes(100000, 'a')));
}

TEST(VariableName, ANulCharacterAnywhereIsRefused) {
  for (std::size_t at = 0; at < 5; ++at) {
    Bytes bytes(10, 'a');
    bytes[2 * at] = 0;
    EXPECT_TRUE(VariableName::FromBytes(bytes)) << "half of a character, at " << at;
    bytes[2 * at + 1] = 0;
    EXPECT_FALSE(VariableName::FromBytes(bytes)) << at;
    bytes[2 * at] = 'a';
    EXPECT_TRUE(VariableName::FromBytes(bytes)) << "the other half, at " << at;
  }
  // Two zero bytes that belong to two characters.
  EXPECT_TRUE(VariableName::FromBytes(Bytes{1, 0, 0, 1}));
  EXPECT_FALSE(VariableName::FromBytes(Bytes{0, 0}));
}

TEST(VariableName, AnyUcs2CharacterIsAName) {
  // A lone surrogate is a character of UCS-2; firmware compares names as numbers.
  for (unsigned unit = 1; unit <= 0xFFFF; ++unit) {
    EXPECT_TRUE(VariableName::FromBytes(
        Bytes{static_cast<std::uint8_t>(unit & 0xFF), static_cast<std::uint8_t>(unit >> 8U)}))
        << unit;
  }
}

TEST(VariableNameUtf8, CharactersOfEachLength) {
  const std::vector<std::pair<std::string, std::vector<std::uint16_t>>> rows = {
      {"A", {0x0041}},
      {"\x7F", {0x007F}},
      {"\xC2\x80", {0x0080}},
      {"\xDF\xBF", {0x07FF}},
      {"\xE0\xA0\x80", {0x0800}},
      {"\xE2\x82\xAC", {0x20AC}},  // the euro sign
      {"\xED\x9F\xBF", {0xD7FF}},
      {"\xEE\x80\x80", {0xE000}},
      {"\xEF\xBF\xBF", {0xFFFF}},
      {"\xF0\x90\x80\x80", {0xD800, 0xDC00}},  // U+10000
      {"\xF0\x9F\x98\x80", {0xD83D, 0xDE00}},  // U+1F600
      {"\xF4\x8F\xBF\xBF", {0xDBFF, 0xDFFF}},  // U+10FFFF
      {"db\xC3\xA4\xF0\x9F\x98\x80x", {'d', 'b', 0xE4, 0xD83D, 0xDE00, 'x'}},
  };
  for (const auto& [utf8, units] : rows) {
    EXPECT_EQ(FromUtf8(utf8), Units(units)) << utf8;
    EXPECT_EQ(NameToUtf8(Units(units)), utf8);
  }
}

TEST(VariableNameUtf8, EveryCodePointComesBack) {
  std::uint32_t code = 1;
  while (code <= 0x10FFFF) {
    // As many as fit in a name even as surrogate pairs.
    std::string bytes;
    while (code <= 0x10FFFF && bytes.size() + 4 <= kMaxNameBytes) {
      if (code >= 0x10000) {
        const std::uint32_t rest = code - 0x10000;
        bytes += Units({static_cast<std::uint16_t>(0xD800 + rest / 0x400),
                        static_cast<std::uint16_t>(0xDC00 + rest % 0x400)});
      } else {
        bytes += Units({static_cast<std::uint16_t>(code)});
      }
      code = code == 0xD7FF ? 0xE000 : code + 1;
    }
    ASSERT_EQ(FromUtf8(NameToUtf8(bytes)), bytes) << "below " << code;
  }
}

/// Whether `bytes` are one well-formed character: Unicode 15, table 3-7.
bool IsWellFormed(std::span<const unsigned> bytes) {
  const auto in = [&bytes](std::size_t at, unsigned low, unsigned high) {
    return bytes[at] >= low && bytes[at] <= high;
  };
  const auto tail = [&in](std::size_t at) { return in(at, 0x80, 0xBF); };
  switch (bytes.size()) {
    case 1:
      return in(0, 0x00, 0x7F);
    case 2:
      return in(0, 0xC2, 0xDF) && tail(1);
    case 3:
      return tail(2) &&
             ((in(0, 0xE0, 0xE0) && in(1, 0xA0, 0xBF)) || (in(0, 0xE1, 0xEC) && tail(1)) ||
              (in(0, 0xED, 0xED) && in(1, 0x80, 0x9F)) || (in(0, 0xEE, 0xEF) && tail(1)));
    case 4:
      return tail(2) && tail(3) &&
             ((in(0, 0xF0, 0xF0) && in(1, 0x90, 0xBF)) || (in(0, 0xF1, 0xF3) && tail(1)) ||
              (in(0, 0xF4, 0xF4) && in(1, 0x80, 0x8F)));
    default:
      return false;
  }
}

/// Whether `bytes` can be cut into well-formed characters, none of them NUL.
bool IsText(std::span<const unsigned> bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    std::size_t size = 1;
    while (size <= 4 && at + size <= bytes.size() && !IsWellFormed(bytes.subspan(at, size))) {
      ++size;
    }
    if (size > 4 || at + size > bytes.size() || bytes[at] == 0) {
      return false;
    }
    at += size;
  }
  return !bytes.empty();
}

void ExpectAsTheTableSays(std::initializer_list<unsigned> bytes) {
  std::string text;
  for (const unsigned byte : bytes) {
    text.push_back(static_cast<char>(byte));
  }
  // One and a half million times: words only where they are needed.
  if (NameFromUtf8(text).has_value() != IsText(bytes)) {
    ADD_FAILURE() << testing::PrintToString(std::vector<unsigned>(bytes));
  }
}

TEST(VariableNameUtf8, OnlyWellFormedTextIsTaken) {
  ExpectAsTheTableSays({});
  // Everything that decides: each lead byte, and the edges of the bytes behind it.
  const std::vector<unsigned> edges = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F,
                                       0xA0, 0xBF, 0xC0, 0xC2, 0xF4, 0xFF};
  for (unsigned first = 0; first < 256; ++first) {
    ExpectAsTheTableSays({first});
    for (unsigned second = 0; second < 256; ++second) {
      ExpectAsTheTableSays({first, second});
      for (const unsigned third : edges) {
        ExpectAsTheTableSays({first, second, third});
      }
    }
    for (const unsigned second : edges) {
      for (const unsigned third : edges) {
        for (const unsigned fourth : edges) {
          ExpectAsTheTableSays({first, second, third, fourth});
        }
      }
    }
  }
}

TEST(VariableNameUtf8, OverlongFormsAndSurrogatesAreRefused) {
  for (const std::string text : {
           "\xC0\x80",          // NUL
           "\xC1\xBF",          // U+007F in 2 bytes
           "\xE0\x9F\xBF",      // U+07FF in 3
           "\xF0\x8F\xBF\xBF",  // U+FFFF in 4
           "\xED\xA0\x80",      // U+D800
           "\xED\xBF\xBF",      // U+DFFF
           "\xF4\x90\x80\x80",  // U+110000
           "\xF8\x88\x80\x80\x80", "\xFE", "\x80",
           "\xE2\x82",     // cut
           "\xE2\x82xyz",  // continued by something else
       }) {
    EXPECT_FALSE(NameFromUtf8(text)) << testing::PrintToString(text);
    EXPECT_FALSE(NameFromUtf8("db" + text)) << testing::PrintToString(text);
  }
}

TEST(VariableNameUtf8, TheRulesOfNamesHoldForTextToo) {
  EXPECT_FALSE(NameFromUtf8(""));
  EXPECT_FALSE(NameFromUtf8(std::string_view("a\0b", 3)));
  EXPECT_TRUE(NameFromUtf8(std::string(2048, 'a')));
  EXPECT_FALSE(NameFromUtf8(std::string(2049, 'a')));
}

TEST(VariableNameUtf8, WhatIsNoCharacterIsReplaced) {
  const std::string replaced = "\xEF\xBF\xBD";
  EXPECT_EQ(NameToUtf8(Units({0xD800})), replaced);
  EXPECT_EQ(NameToUtf8(Units({0xDBFF})), replaced);
  EXPECT_EQ(NameToUtf8(Units({0xDC00})), replaced);
  EXPECT_EQ(NameToUtf8(Units({0xDFFF})), replaced);
  EXPECT_EQ(NameToUtf8(Units({0xD83D, 'a'})), replaced + "a");
  EXPECT_EQ(NameToUtf8(Units({0xD83D, 0xD83D, 0xDE00})), replaced + "\xF0\x9F\x98\x80");
  EXPECT_EQ(NameToUtf8(Units({0xDE00, 0xD83D})), replaced + replaced);
}

// L-05: such names come out of stored records only.
TEST(VariableNameUtf8, L05_TheOddByteAtTheEndIsReplaced) {
  const std::string replaced = "\xEF\xBF\xBD";
  EXPECT_EQ(NameToUtf8(""), "");
  EXPECT_EQ(NameToUtf8("a"), replaced);
  EXPECT_EQ(NameToUtf8(std::string_view("a\0b", 3)), "a" + replaced);
  EXPECT_EQ(NameToUtf8(std::string_view("\x3D\xD8\x00", 3)), replaced + replaced);
  EXPECT_EQ(NameToUtf8(std::string_view("a\0\0\0b\0", 6)), std::string_view("a\0b", 3));
}

TEST(EscapedName, OrdinaryNamesAreAsTheyAre) {
  for (const char* name : {"dbx", "Boot0000", "SecureBoot", "a/b:c*d'e\"f~!", "-", "x"}) {
    EXPECT_EQ(EscapeName(NameFromAscii(name).bytes()), name);
    EXPECT_EQ(UnescapeName(name), NameFromAscii(name).bytes());
  }
}

TEST(EscapedName, IsOneWordThatLooksLikeNoOther) {
  const std::vector<std::pair<std::vector<std::uint16_t>, std::string>> rows = {
      {{'d', 'b', ' ', 'x'}, R"(db\u0020x)"},
      {{'d', 'b', '\n'}, R"(db\u000A)"},
      {{0x1B, '[', 'm'}, R"(\u001B[m)"},
      {{'\\', 'u', '0', '0', '2', '0'}, R"(\u005Cu0020)"},
      {{0x7F, 0x80, 0xA0, 0xAD}, R"(\u007F\u0080\u00A0\u00AD)"},
      {{0x202E, 'x', 'b', 'd'}, R"(\u202Exbd)"},  // turns the direction
      {{'d', 0x200B, 'b'}, R"(d\u200Bb)"},        // has no width
      {{0x0441}, R"(\u0441)"},                    // a Cyrillic letter that looks like c
      {{0xD800}, R"(\uD800)"},                    // half a pair
      {{0xDB40, 0xDC20}, R"(\uDB40\uDC20)"},      // a blank among the tags
      {{0xFFFF, 0x3000}, R"(\uFFFF\u3000)"},
  };
  for (const auto& [units, text] : rows) {
    EXPECT_EQ(EscapeName(Units(units)), text);
    EXPECT_EQ(UnescapeName(text), Units(units)) << text;
  }
  EXPECT_EQ(EscapeName(Units({'d'}) + "b"), R"(d\x62)");
  EXPECT_EQ(UnescapeName(R"(d\x62)"), Units({'d'}) + "b");
}

/// What must hold for each name.
void ExpectOneWordThatComesBack(const std::string& name) {
  const std::string text = EscapeName(name);
  for (const char c : text) {
    ASSERT_TRUE(c > ' ' && c <= '~') << testing::PrintToString(text);
  }
  ASSERT_EQ(UnescapeName(text), name) << testing::PrintToString(text);
}

TEST(EscapedName, OfEveryUnitAndOfAnyBytesIsOneWordThatComesBack) {
  for (std::uint32_t unit = 0; unit <= 0xFFFF; ++unit) {
    ExpectOneWordThatComesBack(Units({static_cast<std::uint16_t>(unit)}));
  }
  std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): the same names each time
  std::uniform_int_distribution<int> bytes(0, 255);
  std::uniform_int_distribution<int> sizes(0, 40);
  for (int round = 0; round < 20000; ++round) {
    std::string name(static_cast<std::size_t>(sizes(random)), '\0');
    for (char& c : name) {
      // Every second unit could be meant as an escape.
      c = round % 2 == 0 ? static_cast<char>(bytes(random))
                         : "\\\\ux05C2\0\0\0\0"[bytes(random) % 12];
    }
    ExpectOneWordThatComesBack(name);
  }
}

TEST(EscapedName, ABlankMayBeTypedAndABackslashBeginsAnEscape) {
  EXPECT_EQ(UnescapeName("a b\xC3\xA4"), Units({'a', ' ', 'b', 0xE4}));
  EXPECT_EQ(UnescapeName(R"(\u00e4)"), Units({0xE4}));
  EXPECT_EQ(UnescapeName(R"(\u00E41)"), Units({0xE4, '1'}));
  for (const char* text :
       {"\\", "\\u", "\\u00", "\\u005", "\\u00G0", "\\u-001", "\\u+001", "\\u 001", "\\a", "\\\\",
        "\\U0041", "\\x4", "\\x41b", "\xFF", "a\xC3"}) {
    EXPECT_EQ(UnescapeName(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace varstored::efi
