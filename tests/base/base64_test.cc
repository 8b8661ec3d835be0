#include "varstored/base/base64.h"

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "varstored/base/bytes.h"

namespace varstored::base {
namespace {

// RFC 4648, section 10.
const std::vector<std::pair<std::string, std::string>> kRfcVectors = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

std::string Message(std::string_view text) {
  const auto decoded = DecodeBase64(text);
  return decoded ? "accepted" : decoded.error().message;
}

TEST(Base64, TheVectorsOfTheRfc) {
  for (const auto& [plain, text] : kRfcVectors) {
    EXPECT_EQ(EncodeBase64(ToBytes(plain)), text);
    const auto decoded = DecodeBase64(text);
    ASSERT_TRUE(decoded) << text;
    EXPECT_EQ(ToString(*decoded), plain);
  }
}

TEST(Base64, EveryDigitOfTheAlphabetBothWays) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    const Bytes bytes = {0, 0, static_cast<std::uint8_t>(i)};
    const std::string text = std::string("AAA") + alphabet[i];
    EXPECT_EQ(EncodeBase64(bytes), text);
    const auto decoded = DecodeBase64(text);
    ASSERT_TRUE(decoded) << text;
    EXPECT_EQ(*decoded, bytes);
  }
}

TEST(Base64, EveryLengthComesBack) {
  std::mt19937 random(1);
  std::uniform_int_distribution<unsigned> byte(0, 255);
  Bytes bytes;
  for (std::size_t size = 0; size <= 300; ++size) {
    const std::string text = EncodeBase64(bytes);
    EXPECT_EQ(text.size(), (size + 2) / 3 * 4);
    const auto decoded = DecodeBase64(text);
    ASSERT_TRUE(decoded) << size << ": " << decoded.error().message;
    EXPECT_EQ(*decoded, bytes);
    bytes.push_back(static_cast<std::uint8_t>(byte(random)));
  }
}

TEST(Base64, WhiteSpaceIsSkippedAnywhere) {
  const std::string text = "Zm9vYg==";
  for (std::size_t at = 0; at <= text.size(); ++at) {
    for (const std::string space : {" ", "\t", "\r", "\n", "\r\n  \t"}) {
      std::string spaced = text;
      spaced.insert(at, space);
      const auto decoded = DecodeBase64(spaced);
      ASSERT_TRUE(decoded) << at;
      EXPECT_EQ(ToString(*decoded), "foob");
    }
  }
  EXPECT_EQ(Message(" \n"), "accepted");
}

TEST(Base64, EveryCharacterOutsideOfTheAlphabetIsNamedByItsOffset) {
  const std::string_view fine =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/ \t\r\n";
  for (unsigned c = 0; c < 256; ++c) {
    const char character = static_cast<char>(c);
    if (character == '=' || fine.find(character) != std::string_view::npos) {
      continue;
    }
    std::string text = "Zm9vZm9v";
    text[5] = character;
    EXPECT_EQ(Message(text), "not base64: unexpected character at offset 5") << c;
  }
}

TEST(Base64, PaddingInTheWrongPlaceIsRefused) {
  for (const auto& [text, offset] : std::vector<std::pair<std::string, std::string>>{
           {"=", "0"},
           {"====", "0"},
           {"A===", "1"},
           {"Zg===", "4"},
           {"Zm8==", "4"},
           {"Zm9v=", "4"},
           {"Zg=g", "3"},
           {"Zg==Zg==", "4"},
           {"Zm8=Zm8=", "4"},
           {"Zg= =g", "5"},
       }) {
    EXPECT_EQ(Message(text), "not base64: unexpected character at offset " + offset) << text;
  }
}

TEST(Base64, MissingPaddingIsRefused) {
  for (const std::string text :
       {"Z", "Zg", "Zg=", "Zm8", "Zm9vY", "Zm9vYg", "Zm9vYg=", "Zm9vYg=\n"}) {
    EXPECT_EQ(Message(text), "not base64: it ends in the middle of a group") << text;
  }
}

TEST(Base64, StrayBitsBehindTheLastByteAreRefused) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string refused = "not base64: bits are set behind the last byte";
  for (std::size_t digit = 0; digit < alphabet.size(); ++digit) {
    const std::string d(1, alphabet[digit]);
    EXPECT_EQ(Message("A" + d + "=="), digit % 16 == 0 ? "accepted" : refused);
    EXPECT_EQ(Message("AA" + d + "="), digit % 4 == 0 ? "accepted" : refused);
  }
}

}  // namespace
}  // namespace varstored::base
