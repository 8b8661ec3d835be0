#include "varstored/convert/hyperv_json.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "convert/flash_builder.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"

namespace varstored::convert {
namespace {

using test::Utf16;

// Certificates are any bytes here: nobody looks into them. YWJj is "abc".
constexpr std::string_view kHash = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const std::string kKeys = R"("PK": {"type": "x509", "value": ["YWJj"]},
  "KEK": [{"type": "x509", "value": ["YWJj", "YWJjZA=="]}],
  "db": [{"type": "sha256", "value": [")" +
                          std::string(kHash) + R"(", ")" + std::string(kHash) +
                          R"("]}, {"type": "x509", "value": ["YWJj"]}],
  "dbx": [])";

std::string TemplateOf(const std::string& signatures, const std::string& more = "",
                       const std::string& mode = "Replace") {
  return R"({"type": "Microsoft.Compute/disks", "properties": {"uefiSettings": {"signatureMode": ")" +
         mode + R"(", "signatures": {)" + signatures + "}" + more + "}}}";
}

base::Result<Content> Read(std::string_view text) { return ReadHyperVJson(base::ToBytes(text)); }

std::string Message(std::string_view text) {
  const auto content = Read(text);
  return content ? "read" : content.error().message;
}

TEST(HyperVJson, GivesTheListsThatTheHostMakes) {
  const std::string text = TemplateOf(kKeys);
  ASSERT_TRUE(IsHyperVJson(text));
  const auto content = Read(text);
  ASSERT_TRUE(content.ok()) << content.error().message;
  EXPECT_TRUE(content->lost.empty());
  ASSERT_EQ(content->entries.size(), 3U) << "an empty dbx is none";
  EXPECT_TRUE(efi::kPk.Is(content->entries[0].name(), content->entries[0].vendor()));
  EXPECT_TRUE(efi::kKek.Is(content->entries[1].name(), content->entries[1].vendor()));
  EXPECT_TRUE(efi::kDb.Is(content->entries[2].name(), content->entries[2].vendor()));
  for (const store::Entry& entry : content->entries) {
    EXPECT_EQ(entry.raw_attributes(), 0x27U);
    EXPECT_EQ(entry.timestamp(), efi::Time{});
  }
  const auto kek = efi::ParseSignatureLists(content->entries[1].data());
  ASSERT_TRUE(kek && kek->size() == 2U) << "a list for each certificate";
  EXPECT_EQ(base::ToString((*kek)[1].entries[0].data), "abcd");
  EXPECT_EQ(efi::ToText((*kek)[1].entries[0].owner), "77fa9abd-0359-4d32-bd60-28f4e78f784b");
  const auto db = efi::ParseSignatureLists(content->entries[2].data());
  ASSERT_TRUE(db && db->size() == 2U);
  EXPECT_EQ((*db)[0].kind, efi::SignatureKind::kSha256);
  ASSERT_EQ((*db)[0].entries.size(), 2U) << "one list of all hashes";
  EXPECT_EQ((*db)[0].entries[1].data[31], 31);
}

TEST(HyperVJson, TheListsOfShimAreOrdinaryVariables) {
  const auto content = Read(TemplateOf(kKeys + R"(, "MokListX": [{"type": "sha256", "value": [")" +
                                       std::string(kHash) + R"("]}])"));
  ASSERT_TRUE(content.ok()) << content.error().message;
  ASSERT_EQ(content->entries.size(), 4U);
  EXPECT_EQ(content->entries[3].name(), Utf16("MokListX"));
  EXPECT_EQ(efi::ToText(content->entries[3].vendor()), "605dab50-e046-4300-abb6-3dd810dd8b23");
  EXPECT_EQ(content->entries[3].raw_attributes(), 7U);
}

TEST(HyperVJson, OtherVariablesHaveTheirFieldsInBase64) {
  const auto content = Read(TemplateOf(
      kKeys,
      R"(, "Mine": {"guid": "Z0UjAauJ780BI0VniavN7w==", "attributes": "Bw==", "value": "YWJj"})"));
  ASSERT_TRUE(content.ok()) << content.error().message;
  ASSERT_EQ(content->entries.size(), 4U);
  const store::Entry& mine = content->entries[3];
  EXPECT_EQ(mine.name(), Utf16("Mine"));
  EXPECT_EQ(efi::ToText(mine.vendor()), "01234567-89ab-cdef-0123-456789abcdef");
  EXPECT_EQ(mine.raw_attributes(), 7U);
  EXPECT_EQ(base::ToString(mine.data()), "abc");
}

TEST(HyperVJson, CutAtEveryByteItIsRefused) {
  const std::string whole = TemplateOf(kKeys);
  ASSERT_TRUE(Read(whole).ok());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(Read(std::string_view(whole).substr(0, length)).ok()) << length;
  }
}

TEST(HyperVJson, UnknownKeysAreALoss) {
  const std::string text = TemplateOf(kKeys + R"(, "dbt": [1])");
  const auto content = Read(R"({"location": {"a": 1}, )" + text.substr(1));
  ASSERT_TRUE(content.ok()) << content.error().message;
  EXPECT_EQ(content->lost, (std::vector<std::string>{"the unknown key 'location'",
                                                     "the unknown key 'signatures.dbt'"}));
}

TEST(HyperVJson, WhatIsWrongIsNamed) {
  const std::string pk = R"("PK": {"type": "x509", "value": ["YWJj"]}, )";
  const std::string rest = R"("KEK": [], "db": [], "dbx": [])";
  const std::string mine = R"(, "Mine": {"guid": "Z0UjAauJ780BI0VniavN7w==", "attributes": )";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[]", "its type is not Microsoft.Compute/disks"},
      {R"({"type": "other"})", "its type is not"},
      {R"({"type": "Microsoft.Compute/disks"})", "no properties.uefiSettings"},
      {R"({"type": "Microsoft.Compute/disks", "properties": {"uefiSettings": []}})",
       "no properties.uefiSettings"},
      {TemplateOf(pk + rest, "", "Append"), "signatureMode Append"},
      {TemplateOf(pk + rest, "", "Other"), "no signatureMode"},
      {TemplateOf(rest), "signatures.PK: it is missing"},
      {TemplateOf(pk + R"("KEK": [], "dbx": [])"), "signatures.db: it is missing"},
      {TemplateOf(pk + pk + rest), "'PK' is there twice"},
      {TemplateOf(R"("PK": {"type": "Default"}, )" + rest), "\"Default\" stands for"},
      {TemplateOf(R"("PK": [], )" + rest), "signatures.PK: it has no type"},
      {TemplateOf(R"("PK": {"type": "x509"}, )" + rest), "signatures.PK: it has no type"},
      {TemplateOf(R"("PK": {"type": "sha1", "value": []}, )" + rest), "it has no type"},
      {TemplateOf(R"("PK": {"type": "x509", "value": [7]}, )" + rest), "value 0: it is no text"},
      {TemplateOf(R"("PK": {"type": "x509", "value": ["?"]}, )" + rest), "value 0: not base64"},
      {TemplateOf(R"("PK": {"type": "x509", "value": [""]}, )" + rest), "a value has 0 bytes"},
      {TemplateOf(R"("PK": {"type": "sha256", "value": ["YWJj"]}, )" + rest),
       "a value has 3 bytes"},
      {TemplateOf(pk + R"("KEK": {}, "db": [], "dbx": [])"), "signatures.KEK: it is no list"},
      {TemplateOf(kKeys, R"(, "Mine": 7)"), "one of guid, attributes, value is missing"},
      {TemplateOf(kKeys, mine + R"("Bw=="})"), "one of guid, attributes, value is missing"},
      {TemplateOf(kKeys, mine + R"("BwAAAAA=", "value": "YWJj"})"),
       "its attributes are not 1 to 4"},
      {TemplateOf(kKeys, mine + R"(7, "value": "YWJj"})"),
       "uefiSettings.Mine.attributes: it is no"},
      {std::string(4 * 1024 * 1024 + 1, ' '), "the limit is 4194304"},
  };
  for (const auto& [text, reason] : cases) {
    EXPECT_NE(Message(text).find(reason), std::string::npos) << Message(text) << "\n" << reason;
  }
}

TEST(HyperVJson, NoDepthEndsIt) {
  const std::string deep(2000000, '[');
  EXPECT_NE(Message(deep), "read");
  EXPECT_NE(Message(R"({"type": )" + deep + std::string(2000000, ']') + "}"), "read");
}

TEST(HyperVJson, AStoreOfQemusIsNone) {
  EXPECT_FALSE(IsHyperVJson(R"({"version": 2, "variables": []})"));
}

}  // namespace
}  // namespace varstored::convert
