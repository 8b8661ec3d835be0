#include "varstored/convert/aws_uefi_data.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "convert/aws_builder.h"
#include "convert/flash_builder.h"
#include "varstored/base/hex.h"
#include "varstored/crypto/digest.h"

namespace varstored::convert {
namespace {

using test::UefiDataOf;
using test::Utf16;

/// Made by python3's zlib (zdict) of the description in aws_uefi_data.h: Boot0000, "Mine" with an
/// accent, a time and a digest of 0 to 31, Lang.
constexpr std::string_view kMadeByPython =
    "QU1aTlVFRkko70+YAAAAAHj5a7fZ92OGj9JBAGjQzQAIYOKJScnolrNDW2Mg4JuZl3p4JWxajTHdVZlxdef7s4zKrumdq8"
    "++B7WgX7CDp1XgflKAT8ZBp1s4ubh5ePn4BQSFhEVExcQlJKWkZWTl5FmgynwS89JhbNByV2zOAQCvyCPC";

const efi::Guid kVendor = *efi::ParseGuid("01234567-89ab-cdef-0123-456789abcdef");

base::Result<Content> Read(std::string_view text) { return ReadAwsUefiData(base::ToBytes(text)); }

std::string Message(std::string_view text) {
  const auto content = Read(text);
  return content ? "read" : content.error().message;
}

/// Serialised variables: their number, and then fields of any length.
class Variables {
 public:
  explicit Variables(std::uint64_t count) { writer_.WriteU64(count); }
  Variables& Sized(std::string_view bytes) {
    writer_.WriteU64(bytes.size());
    writer_.WriteBytes(base::ToBytes(bytes));
    return *this;
  }
  Variables& Tail(std::uint32_t attributes) {
    writer_.WriteBytes(kVendor.bytes);
    writer_.WriteU32(attributes);
    return *this;
  }
  Variables& Raw(std::string_view bytes) {
    writer_.WriteBytes(base::ToBytes(bytes));
    return *this;
  }
  base::Bytes Take() { return writer_.Take(); }

 private:
  base::Writer writer_;
};

TEST(AwsUefiData, TheDictionaryIsTheOneThatAwsPublishes) {
  const auto digest = crypto::Sha256({AwsDictionary()});
  ASSERT_TRUE(digest.ok());
  EXPECT_EQ(base::ToHex(*digest),
            "b6c4f52acbb0ab9aa415290e6c223af871eaa3d430c96b8116899d994681535b");
}

TEST(AwsUefiData, GivesEachField) {
  const auto content = Read(kMadeByPython);
  ASSERT_TRUE(content.ok()) << content.error().message;
  EXPECT_TRUE(content->lost.empty());
  ASSERT_EQ(content->entries.size(), 3U);
  EXPECT_EQ(content->entries[0].name(), Utf16("Boot0000"));
  EXPECT_EQ(efi::ToText(content->entries[0].vendor()), "8be4df61-93ca-11d2-aa0d-00e098032b8c");
  EXPECT_EQ(content->entries[0].raw_attributes(), 7U);
  EXPECT_EQ(base::ToString(content->entries[0].data()), "abc");
  const store::Entry& mine = content->entries[1];
  EXPECT_EQ(mine.name(), efi::NameFromUtf8("Mine\u00e9")->bytes());
  EXPECT_EQ(mine.vendor(), kVendor);
  EXPECT_EQ(mine.raw_attributes(), 0x27U);
  const efi::Time time = {2024, 2, 3, 4, 5, 6};
  EXPECT_EQ(mine.timestamp(), time);
  EXPECT_EQ(mine.signer()[31], 31);
  EXPECT_EQ(base::ToString(content->entries[2].data()), std::string("eng\0", 4));
}

TEST(AwsUefiData, IsReadOutOfWhatAwsPrints) {
  const std::string json = "{\n    \"InstanceId\": \"i-0123456789abcdef0\",\n    \"UefiData\": \"" +
                           std::string(kMadeByPython) + "\"\n}\n";
  ASSERT_TRUE(IsAwsUefiData(json));
  const auto content = Read(json);
  ASSERT_TRUE(content.ok()) << content.error().message;
  EXPECT_EQ(content->entries, Read(kMadeByPython)->entries);
}

TEST(AwsUefiData, OtherJsonIsNotTakenForIt) {
  EXPECT_FALSE(IsAwsUefiData(R"({"version": 2, "variables": [{"name": "UefiData"}]})"));
  EXPECT_FALSE(IsAwsUefiData("VkFSUw=="));
  EXPECT_FALSE(IsAwsUefiData(""));
}

TEST(AwsUefiData, WhatIsWrittenIsReadAsTheSame) {
  const auto content = Read(kMadeByPython);
  const auto written = WriteAwsUefiData(*content);
  ASSERT_TRUE(written.ok());
  EXPECT_TRUE(written->lost.empty());
  EXPECT_TRUE(IsAwsUefiData(base::ToString(written->bytes)));
  const auto again = ReadAwsUefiData(written->bytes);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->entries, content->entries);
}

TEST(AwsUefiData, ANameThatUtf8CannotCarryIsALoss) {
  Content content;
  content.entries.push_back(store::MakeEntry({std::string("\x00\xD8", 2), kVendor, 7, {1}}));
  const auto written = WriteAwsUefiData(content);
  ASSERT_TRUE(written.ok());
  ASSERT_EQ(written->lost.size(), 1U);
  EXPECT_NE(written->lost[0].find("cannot be written in UTF-8"), std::string::npos);
  EXPECT_TRUE(ReadAwsUefiData(written->bytes)->entries.empty());
}

TEST(AwsUefiData, CutAtEveryByteItIsRefused) {
  const base::Bytes blob = *base::DecodeBase64(kMadeByPython);
  for (std::size_t size = 0; size < blob.size(); ++size) {
    EXPECT_FALSE(Read(base::EncodeBase64(base::ByteSpan(blob).first(size))).ok()) << size;
  }
}

TEST(AwsUefiData, VariablesCutAtEveryByteAreRefused) {
  const base::Bytes whole = Variables(2)
                                .Sized("A")
                                .Sized("1")
                                .Tail(7)
                                .Sized("B")
                                .Sized("2")
                                .Tail(0x27)
                                .Raw(std::string(16, '\0'))
                                .Sized(std::string(32, '\0'))
                                .Take();
  ASSERT_EQ(Message(UefiDataOf(whole)), "read");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(Message(UefiDataOf(base::ByteSpan(whole).first(size))), "read") << size;
  }
}

TEST(AwsUefiData, WhatIsWrongIsNamed) {
  const base::Bytes none = Variables(0).Take();
  base::Bytes changed = *base::DecodeBase64(kMadeByPython);
  changed.back() ^= 1U;
  base::Bytes longer = test::Compressed(none, AwsDictionary());
  longer.push_back(0);
  base::Bytes broken = test::Compressed(none, AwsDictionary());
  broken[8] = 0xFF;
  const std::string time(16, '\0');
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "does not begin with AMZNUEFI"},
      {"QU1aTlVFRkk", "in the middle of a group"},
      {base::EncodeBase64(changed), "its sum is wrong"},
      {test::UefiData(test::Compressed(none, AwsDictionary()), 1), "version 1 is not known"},
      {test::UefiData(test::Compressed(none, base::ToBytes("another"))), "another dictionary"},
      {test::UefiData(longer), "broken, or it is not whole"},
      {test::UefiData(broken), "broken, or it is not whole"},
      {test::UefiData({}), "broken, or it is not whole"},
      {UefiDataOf(Variables(0).Raw("xy").Take()), "2 bytes behind the last variable"},
      {UefiDataOf(Variables(~std::uint64_t{0}).Take()), "no VM has so many"},
      {UefiDataOf(Variables(1).Raw(std::string(8, '\xFF')).Take()),
       "variable 0: it ends too early"},
      {UefiDataOf(Variables(1).Sized("A").Sized("1").Tail(0x27).Raw(time).Sized("short").Take()),
       "variable 0: its digest has 5 bytes"},
      {UefiDataOf(Variables(1).Sized("\xFF").Sized("1").Tail(7).Take()),
       "variable 0: its name cannot be one"},
      {R"({"InstanceId": "i-0"})", "there is no UefiData in it"},
      {R"({"UefiData": 7})", "there is no UefiData in it"},
      {R"({"UefiData": ")", "it is no JSON"},
      {std::string(kMaxAwsBytes + 1, ' '), "the limit is 4194304"},
  };
  for (const auto& [text, reason] : cases) {
    EXPECT_NE(Message(text).find(reason), std::string::npos) << Message(text) << "\n" << reason;
  }
}

TEST(AwsUefiData, NoMoreIsUnpackedThanTheLimit) {
  base::Bytes large = Variables(1).Sized("A").Take();
  large.resize(kMaxAwsBytes + 1);
  EXPECT_NE(Message(UefiDataOf(large)).find("more than 4194304 bytes are compressed"),
            std::string::npos);
}

TEST(AwsUefiData, JsonOfAnyDepthEndsIt) {
  const std::string deep(2000000, '[');
  EXPECT_NE(Message(R"({"UefiData": )" + deep), "read");
  EXPECT_NE(Message(R"({"UefiData": )" + deep + std::string(2000000, ']') + "}"), "read");
}

}  // namespace
}  // namespace varstored::convert
