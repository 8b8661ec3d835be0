#include "varstored/efi/guid.h"

#include <array>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>

namespace varstored::efi {
namespace {

const std::string kText = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

TEST(Guid, TheFirstThreeFieldsAreLittleEndian) {
  const Guid expected = {{0x61, 0xDF, 0xE4, 0x8B, 0xCA, 0x93, 0xD2, 0x11, 0xAA, 0x0D, 0x00, 0xE0,
                          0x98, 0x03, 0x2B, 0x8C}};
  EXPECT_EQ(ParseGuid(kText), expected);
  EXPECT_EQ(ToText(expected), kText);
}

TEST(Guid, EveryByteHasItsPlaceInTheText) {
  for (std::size_t i = 0; i < 16; ++i) {
    Guid guid;
    guid.bytes[i] = 0xF5;
    const auto again = ParseGuid(ToText(guid));
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, guid);
    EXPECT_NE(ToText(guid).find("f5"), std::string::npos);
  }
}

TEST(Guid, BothCasesAreRead) {
  EXPECT_EQ(ParseGuid("8BE4DF61-93CA-11D2-AA0D-00E098032B8C"), ParseGuid(kText));
  EXPECT_EQ(ParseGuid("8Be4dF61-93cA-11D2-aa0D-00e098032B8c"), ParseGuid(kText));
}

TEST(Guid, EveryOtherLengthIsRefused) {
  for (std::size_t size = 0; size < kText.size(); ++size) {
    EXPECT_FALSE(ParseGuid(kText.substr(0, size))) << size;
  }
  EXPECT_FALSE(ParseGuid(kText + "0"));
  EXPECT_FALSE(ParseGuid(kText + "\n"));
  EXPECT_FALSE(ParseGuid("{" + kText + "}"));
  EXPECT_FALSE(ParseGuid("8be4df6193ca11d2aa0d00e098032b8c"));
}

TEST(Guid, EveryPlaceTakesNothingButItsKindOfCharacter) {
  for (std::size_t i = 0; i < kText.size(); ++i) {
    const bool dash = kText[i] == '-';
    for (unsigned c = 0; c < 256; ++c) {
      std::string text = kText;
      text[i] = static_cast<char>(c);
      const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      EXPECT_EQ(ParseGuid(text).has_value(), dash ? c == '-' : digit) << text;
    }
  }
}

}  // namespace
}  // namespace varstored::efi
