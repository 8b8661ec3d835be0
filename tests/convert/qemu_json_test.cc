#include "varstored/convert/qemu_json.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "convert/flash_builder.h"

namespace varstored::convert {
namespace {

using test::Utf16;

/// As QEMU 10.0 writes it: indentation, order of the keys, time and digest where it has them.
constexpr std::string_view kAsQemuWrites = R"({
    "version": 2,
    "variables": [
        {
            "guid": "8be4df61-93ca-11d2-aa0d-00e098032b8c",
            "name": "BootOrder",
            "attr": 7,
            "data": "0000"
        },
        {
            "guid": "8be4df61-93ca-11d2-aa0d-00e098032b8c",
            "name": "PK",
            "attr": 39,
            "data": "a1",
            "time": "e907030a023527000000000000000000"
        },
        {
            "guid": "01234567-89ab-cdef-0123-456789abcdef",
            "name": "Say \"\\\"",
            "attr": 39,
            "data": "00ff",
            "time": "00000000000000000000000000000000",
            "digest": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        }
    ]
}
)";

base::Result<Content> Read(std::string_view text) { return ReadQemuJson(base::ToBytes(text)); }

std::string ErrorOf(std::string_view text) {
  const auto content = Read(text);
  return content ? "" : content.error().message;
}

/// A store of one variable with these members.
std::string StoreOf(const std::string& members) {
  return R"({"version": 2, "variables": [{)" + members + "}]}";
}

const std::string kMembers =
    R"("guid": "01234567-89ab-cdef-0123-456789abcdef", "name": "A", "attr": 7, "data": "01")";

TEST(QemuJson, GivesEachField) {
  const auto content = Read(kAsQemuWrites);
  ASSERT_TRUE(content.ok()) << content.error().message;
  EXPECT_TRUE(content->lost.empty());
  ASSERT_EQ(content->entries.size(), 3U);
  const auto& order = content->entries[0];
  EXPECT_EQ(order.name(), Utf16("BootOrder"));
  EXPECT_EQ(efi::ToText(order.vendor()), "8be4df61-93ca-11d2-aa0d-00e098032b8c");
  EXPECT_EQ(order.raw_attributes(), 7U);
  EXPECT_EQ(order.data(), (base::Bytes{0, 0}));
  const efi::Time time = {2025, 3, 10, 2, 53, 39};
  EXPECT_EQ(content->entries[1].timestamp(), time);
  EXPECT_EQ(content->entries[1].signer(), store::SignerDigest{});
  EXPECT_EQ(content->entries[2].name(), Utf16("Say \"\\\""));
  EXPECT_EQ(content->entries[2].signer()[31], 31);
}

TEST(QemuJson, IsWrittenAsQemuWritesIt) {
  const auto content = Read(kAsQemuWrites);
  ASSERT_TRUE(content.ok());
  const Written written = WriteQemuJson(*content);
  EXPECT_EQ(base::ToString(written.bytes), kAsQemuWrites);
  EXPECT_TRUE(written.lost.empty());
}

TEST(QemuJson, OrderOfKeysAndSpaceDoNotMatter) {
  const auto content = Read(R"({"variables":[{"data":"AB","attr":7,"name":"\u0041\u00e9",)"
                            R"("guid":"8BE4DF61-93CA-11D2-AA0D-00E098032B8C"}],"version":2})");
  ASSERT_TRUE(content.ok()) << content.error().message;
  ASSERT_EQ(content->entries.size(), 1U);
  EXPECT_EQ(content->entries[0].name(), std::string_view("A\0\xE9\0", 4));
  EXPECT_EQ(content->entries[0].data(), base::Bytes{0xAB});
}

TEST(QemuJson, AStoreWithoutVariablesIsOne) {
  const auto content = Read(R"({"version": 2, "variables": []})");
  ASSERT_TRUE(content.ok()) << content.error().message;
  EXPECT_TRUE(content->entries.empty());
}

TEST(QemuJson, CutAtEveryByteItIsRefused) {
  const std::string_view whole = kAsQemuWrites.substr(0, kAsQemuWrites.size() - 1);
  ASSERT_TRUE(Read(whole).ok());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(Read(whole.substr(0, length)).ok()) << length;
  }
}

TEST(QemuJson, WhatIsWrongIsNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "no JSON"},
      {"[]", "no object"},
      {"2", "no object"},
      {"{}", "there is no version"},
      {R"({"version": 2})", "there are no variables"},
      {R"({"variables": []})", "there is no version"},
      {R"({"version": 1, "variables": []})", "version 1 is not known"},
      {R"({"version": 3, "variables": []})", "version 3 is not known"},
      {R"({"version": "2", "variables": []})", "'version' has a wrong type"},
      {R"({"version": 2.0, "variables": []})", "'version' has a wrong type"},
      {R"({"version": -2, "variables": []})", "'version' has a wrong type"},
      {R"({"version": 2, "version": 2, "variables": []})", "'version' is there twice"},
      {R"({"version": 2, "variables": [], "variables": []})", "'variables' is there twice"},
      {R"({"version": 2, "variables": {}})", "'variables' has a wrong type"},
      {R"({"version": 2, "variables": [[]]})", "variable 0 is no object"},
      {R"({"version": 2, "variables": [null]})", "variable 0 is no object"},
      {R"({"version": 2, "variables": []} {})", "no JSON from byte"},
      {StoreOf(""), "is missing"},
      {StoreOf(kMembers + R"(, "name": "B")"), "variable 0: 'name' is there twice"},
      {StoreOf(R"("guid": 7)"), "'guid' has a wrong type"},
      {StoreOf(R"("attr": "7")"), "'attr' has a wrong type"},
      {StoreOf(R"("attr": -1)"), "'attr' has a wrong type"},
      {StoreOf(R"("attr": true)"), "'attr' has a wrong type"},
      {StoreOf(R"("data": ["00"])"), "'data' has a wrong type"},
      {StoreOf(R"("time": {})"), "'time' has a wrong type"},
      {StoreOf(R"("guid": "x", "name": "A", "attr": 7, "data": "00")"), "its guid is none"},
  };
  for (const auto& [text, reason] : cases) {
    EXPECT_NE(ErrorOf(text).find(reason), std::string::npos) << text << ": " << ErrorOf(text);
  }
}

TEST(QemuJson, EachValueIsChecked) {
  const auto with = [](const std::string& name, const std::string& attr, const std::string& data,
                       const std::string& more = "") {
    return StoreOf(R"("guid": "01234567-89ab-cdef-0123-456789abcdef", "name": )" + name +
                   R"(, "attr": )" + attr + R"(, "data": ")" + data + "\"" + more);
  };
  EXPECT_EQ(ErrorOf(with("\"A\"", "4294967295", "00")), "");
  EXPECT_NE(ErrorOf(with("\"A\"", "4294967296", "00")), "");
  EXPECT_NE(ErrorOf(with("\"A\"", "7", "0")), "");
  EXPECT_NE(ErrorOf(with("\"A\"", "7", "0g")), "");
  EXPECT_NE(ErrorOf(with("\"\"", "7", "00")), "");
  EXPECT_NE(ErrorOf(with("\"A\\u0000\"", "7", "00")), "");
  EXPECT_NE(ErrorOf(with("\"\\ud800\"", "7", "00")), "");
  EXPECT_NE(ErrorOf(with("\"\xFF\"", "7", "00")), "");
  EXPECT_NE(ErrorOf(with("\"" + std::string(2049, 'A') + "\"", "7", "00")), "");
  EXPECT_EQ(ErrorOf(with("\"" + std::string(2048, 'A') + "\"", "7", "00")), "");
  for (const std::size_t length : {0U, 30U, 31U, 33U, 34U}) {
    EXPECT_NE(
        ErrorOf(with("\"A\"", "39", "00", R"(, "time": ")" + std::string(length, '0') + "\"")), "");
  }
  for (const std::size_t length : {0U, 62U, 63U, 65U, 66U}) {
    EXPECT_NE(
        ErrorOf(with("\"A\"", "39", "00", R"(, "digest": ")" + std::string(length, '0') + "\"")),
        "");
  }
}

TEST(QemuJson, UnknownKeysAreALoss) {
  const auto content = Read(R"({"version": 2, "more": {"version": 9, "a": [{}, [1, "x"]]},
      "variables": [{)" + kMembers +
                            R"(, "comment": ["data", {"data": "02"}], "flag": null}]})");
  ASSERT_TRUE(content.ok()) << content.error().message;
  ASSERT_EQ(content->entries.size(), 1U);
  EXPECT_EQ(content->entries[0].data(), base::Bytes{1});
  EXPECT_EQ(content->lost,
            (Losses{"the unknown key 'more'", "variable 0: the unknown key 'comment'",
                    "variable 0: the unknown key 'flag'"}));
}

TEST(QemuJson, DepthCostsNothing) {
  for (const char* open : {"[", "{\"a\":"}) {
    std::string deep = R"({"version": 2, "x": )";
    while (deep.size() < kMaxJsonBytes - 10) {
      deep += open;
    }
    EXPECT_NE(ErrorOf(deep).find("no JSON"), std::string::npos);
  }
}

TEST(QemuJson, MoreThanAnyVmHasIsRefused) {
  std::string keys;
  std::string variables;
  for (std::size_t i = 0; i <= kMaxRecords; ++i) {
    keys += "\"x" + std::to_string(i) + "\": 1, ";
    variables += (i == 0 ? "{" : ", {") + kMembers + "}";
  }
  for (const std::string& text :
       {R"({)" + keys + R"("version": 2, "variables": []})",
        R"({"version": 2, "variables": [)" + variables + ", {" + kMembers + "}]}"}) {
    EXPECT_NE(ErrorOf(text).find("no VM has so many"), std::string::npos) << ErrorOf(text);
  }
}

TEST(QemuJson, TooLargeAFileIsNotLookedAt) {
  EXPECT_NE(ErrorOf(std::string(kMaxJsonBytes + 1, ' ')).find("the limit is"), std::string::npos);
}

TEST(QemuJson, AnEmptyAndASecondVariableAreLosses) {
  const auto content = Read(R"({"version": 2, "variables": [{)" + kMembers + "}, {" + kMembers +
                            R"(}, {"guid": "01234567-89ab-cdef-0123-456789abcdef", "name": "E",)"
                            R"( "attr": 7, "data": ""}]})");
  ASSERT_TRUE(content.ok()) << content.error().message;
  EXPECT_EQ(content->entries.size(), 1U);
  EXPECT_EQ(content->lost.size(), 2U);
}

}  // namespace
}  // namespace varstored::convert
