#include "varstored/store/variable.h"

#include <cstdint>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "store/entries.h"
#include "varstored/base/bytes.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/time.h"

namespace varstored::store {
namespace {

using base::Bytes;

/// A record that keeps every rule.
LegacyRecord GoodRecord() {
  LegacyRecord record = {.name = std::string("d\0b\0x\0", 6),
                         .vendor = kVendor,
                         .attributes = 0x27,
                         .data = {1, 2, 3},
                         .timestamp = {.year = 2024, .month = 5},
                         .signer = {}};
  record.signer.fill(0x5A);
  return record;
}

TEST(Entry, ARecordThatKeepsTheRulesIsAVariable) {
  const LegacyRecord record = GoodRecord();
  const Entry entry = MakeEntry(record);
  ASSERT_FALSE(entry.is_legacy());
  ASSERT_NE(entry.variable(), nullptr);
  EXPECT_EQ(*entry.variable(), (Variable{.name = efi::NameFromAscii("dbx"),
                                         .vendor = kVendor,
                                         .attributes = efi::kAttributes<0x27>,
                                         .data = {1, 2, 3},
                                         .timestamp = record.timestamp,
                                         .signer = record.signer}));
}

TEST(Entry, BothKindsAnswerTheSameQuestions) {
  LegacyRecord record = GoodRecord();
  for (const std::uint32_t attributes : {0x27U, 0x127U}) {
    record.attributes = attributes;
    const Entry entry = MakeEntry(record);
    EXPECT_EQ(entry.is_legacy(), attributes == 0x127);
    EXPECT_EQ(entry.name(), record.name);
    EXPECT_EQ(entry.vendor(), record.vendor);
    EXPECT_EQ(entry.raw_attributes(), attributes);
    EXPECT_TRUE(entry.Has(efi::kTimeBasedAuthenticatedWriteAccess));
    EXPECT_FALSE(entry.Has(efi::kAppendWrite));
    EXPECT_EQ(entry.data(), record.data);
    EXPECT_EQ(entry.timestamp(), record.timestamp);
    EXPECT_EQ(entry.signer(), record.signer);
    EXPECT_EQ(entry.used_bytes(), 6U + 3U + 128U);
  }
}

TEST(Entry, L05_NamesThatNoCallTakesAreLegacy) {
  for (const std::string_view name :
       {std::string_view("a"), std::string_view("a\0b", 3), std::string_view("a\0b\0c", 5),
        std::string_view("\0\0", 2), std::string_view("a\0\0\0", 4),
        std::string_view("\0\0a\0", 4)}) {
    LegacyRecord record = GoodRecord();
    record.name = name;
    const Entry entry = MakeEntry(record);
    EXPECT_TRUE(entry.is_legacy());
    EXPECT_EQ(entry.name(), name) << "kept as it is";
  }
}

TEST(Entry, OnlyAttributesThatACallStoresMakeAVariable) {
  for (std::uint32_t attributes = 0; attributes < 0x200; ++attributes) {
    LegacyRecord record = GoodRecord();
    record.attributes = attributes;
    // Access by the boot services; NON_VOLATILE, RUNTIME_ACCESS and the authentication are free.
    const bool can_be_stored = (attributes | 0x25) == 0x27;
    const Entry entry = MakeEntry(record);
    EXPECT_EQ(entry.is_legacy(), !can_be_stored) << attributes;
    EXPECT_EQ(entry.raw_attributes(), attributes);
  }
  for (unsigned bit = 6; bit < 32; ++bit) {
    LegacyRecord record = GoodRecord();
    record.attributes |= 1U << bit;
    EXPECT_TRUE(MakeEntry(record).is_legacy()) << bit;
  }
}

TEST(Entry, DataOverTheLimitIsLegacy) {
  LegacyRecord record = GoodRecord();
  record.data.assign(57344, 1);
  EXPECT_FALSE(MakeEntry(record).is_legacy());
  record.data.push_back(1);
  EXPECT_TRUE(MakeEntry(record).is_legacy());
  EXPECT_EQ(MakeEntry(record).data().size(), 57345U);
}

TEST(Entry, EqualMeansEqualInEveryField) {
  const LegacyRecord record = GoodRecord();
  const Entry entry = MakeEntry(record);
  EXPECT_EQ(entry, MakeEntry(record));
  const auto differs = [&](auto change) {
    LegacyRecord changed = record;
    change(changed);
    return MakeEntry(changed) != entry;
  };
  EXPECT_TRUE(differs([](LegacyRecord& r) { r.name[0] = 'D'; }));
  EXPECT_TRUE(differs([](LegacyRecord& r) { r.vendor = kOtherVendor; }));
  EXPECT_TRUE(differs([](LegacyRecord& r) { r.attributes = 0x07; }));
  EXPECT_TRUE(differs([](LegacyRecord& r) { r.attributes = 0x127; }));
  EXPECT_TRUE(differs([](LegacyRecord& r) { r.data.back() = 4; }));
  EXPECT_TRUE(differs([](LegacyRecord& r) { r.timestamp.second = 1; }));
  EXPECT_TRUE(differs([](LegacyRecord& r) { r.signer.back() = 0; }));
}

}  // namespace
}  // namespace varstored::store
