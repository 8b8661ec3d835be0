#include "varstored/pcr/pcr7.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "varstored/base/hex.h"
#include "varstored/efi/well_known.h"

namespace varstored::pcr {
namespace {

constexpr efi::Guid kOwner = *efi::ParseGuid("77fa9abd-0359-4d32-bd60-28f4e78f784b");

constexpr const char* kSha1Value = "b2a83b0ebf2f8374299a5b2bdfc31ea955ad7236";
constexpr const char* kSha256Value =
    "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969";
constexpr const char* kSha384Value =
    "518923b0f955d08da077c96aaba522b9decede61c599cea6c41889cfbea4ae4d50529d96fe4d1afdafb65e7f95bf23"
    "c4";

store::Entry Make(const efi::WellKnownVariable& variable, base::Bytes data) {
  return store::MakeEntry({.name = std::string(variable.name),
                           .vendor = variable.vendor,
                           .attributes = 0x27,
                           .data = std::move(data)});
}

std::vector<std::string> NamesOf(const std::vector<Event>& events) {
  std::vector<std::string> names;
  for (const Event& event : events) {
    std::string name;
    for (std::size_t i = 0; i < event.name.size(); i += 2) {
      name += event.name[i];
    }
    names.push_back(name);
  }
  return names;
}

/// db with one SHA-256.
base::Bytes ListOfOneHash() {
  const efi::Guid type = *efi::ParseGuid("c1c41626-504c-4092-aca9-41f936934328");
  base::Bytes list = base::ToBytes(base::ByteSpan(type.bytes));
  for (const std::uint8_t byte : base::Bytes{76, 0, 0, 0, 0, 0, 0, 0, 48, 0, 0, 0}) {
    list.push_back(byte);
  }
  list.insert(list.end(), kOwner.bytes.begin(), kOwner.bytes.end());
  list.insert(list.end(), 32, 0xab);
  return list;
}

TEST(PcrEvents, AreInTheOrderOfTheProfileWithTheSeparatorLast) {
  EXPECT_EQ(NamesOf(PcrEvents(std::vector<store::Entry>(), true)),
            (std::vector<std::string>{"SecureBoot", "PK", "KEK", "db", "dbx", ""}));
  const auto events = PcrEvents(std::vector<store::Entry>(), true);
  EXPECT_EQ(events.back().type, EventType::kSeparator);
  EXPECT_EQ(events.back().data, base::Bytes(4));
}

TEST(PcrEvents, DbtIsMeasuredWhereItIsThereAndDbrNever) {
  const std::vector<store::Entry> entries = {Make(efi::kDbt, {1}), Make(efi::kDbr, {2})};
  EXPECT_EQ(NamesOf(PcrEvents(entries, true)),
            (std::vector<std::string>{"SecureBoot", "PK", "KEK", "db", "dbx", "dbt", ""}));
}

TEST(PcrEvents, AVariableIsGuidTwoLengthsNameWithoutNulAndData) {
  const auto events = PcrEvents(std::vector{Make(efi::kKek, {0xaa, 0xbb})}, true);
  EXPECT_EQ(base::ToHex(events[2].data),
            "61dfe48bca93d211aa0d00e098032b8c"
            "0300000000000000"
            "0200000000000000"
            "4b0045004b00"
            "aabb");
}

TEST(PcrEvents, AnAbsentVariableIsMeasuredWithoutData) {
  EXPECT_EQ(base::ToHex(PcrEvents(std::vector<store::Entry>(), true)[4].data),
            "cbb219d73a3d9645a3bcdad00e67656f"
            "0300000000000000"
            "0000000000000000"
            "640062007800");
}

TEST(PcrEvents, SecureBootIsOnWithAPlatformKeyWhereTheHostWantsIt) {
  const std::vector<store::Entry> with = {Make(efi::kPk, {1}), Make(efi::kSecureBoot, {0})};
  const std::vector<store::Entry> without = {Make(efi::kSecureBoot, {1})};
  EXPECT_EQ(PcrEvents(with, true).front().data.back(), 1);
  EXPECT_EQ(PcrEvents(with, false).front().data.back(), 0);
  EXPECT_EQ(PcrEvents(without, true).front().data.back(), 0);
}

TEST(PcrEvents, OfTheSameNameTheLastCountsAndOfAnotherGuidNone) {
  const std::vector<store::Entry> entries = {Make(efi::kDb, {1}), Make(efi::kDb, {2}),
                                             Make({efi::kDb.name, efi::kGlobalVariableGuid}, {3})};
  EXPECT_EQ(PcrEvents(entries, true)[3].data.back(), 2);
}

TEST(PcrEvents, OfAStoreAreTheSameAsOfItsEntries) {
  const std::vector<store::Entry> entries = {Make(efi::kPk, {1}), Make(efi::kDbx, {2, 3})};
  store::Store store;
  store::StagedStore staged(store);
  for (const store::Entry& entry : entries) {
    staged.Put(entry);
  }
  store.Apply(std::move(staged));
  EXPECT_EQ(PcrEvents(store, true), PcrEvents(entries, true));
}

TEST(AuthorityEvents, EachDifferentOneIsMeasuredOnce) {
  const Authority one = {std::string(efi::kDb.name), efi::kDb.vendor, {1, 2}};
  const Authority other = {std::string(efi::kDb.name), efi::kDb.vendor, {1, 2, 3}};
  const auto events = AuthorityEvents(std::vector{one, other, one});
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].type, EventType::kVariableAuthority);
  EXPECT_EQ(base::ToHex(events[0].data),
            "cbb219d73a3d9645a3bcdad00e67656f"
            "0200000000000000"
            "0200000000000000"
            "64006200"
            "0102");
}

TEST(AuthorityInDb, IsTheEntryWithItsOwner) {
  const std::vector<store::Entry> entries = {Make(efi::kDb, ListOfOneHash())};
  std::string digits;
  for (int i = 0; i < 32; ++i) {
    digits += i == 0 ? "AB" : ":ab";
  }
  const auto found = AuthorityInDb(entries, digits);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(base::ToHex(found->signature_data),
            base::ToHex(kOwner.bytes) + base::ToHex(base::Bytes(32, 0xab)));
  EXPECT_FALSE(AuthorityInDb(entries, "00"));
  EXPECT_EQ(AuthorityInDb(std::vector{Make(efi::kDb, {1})}, digits).error().message,
            "the lists of db are malformed");
}

TEST(ValueAfter, ExtendsZerosByTheDigestOfEachEvent) {
  // printf '\0\0\0\0' | sha256sum, behind 32 zeros, hashed again; likewise for the others.
  const std::vector<Event> separator = {PcrEvents(std::vector<store::Entry>(), true).back()};
  struct Row {
    crypto::DigestKind bank;
    const char* digest;
    const char* value;
  };
  for (const Row& row :
       {Row{crypto::DigestKind::kSha1, "9069ca78e7450a285173431b3e52c5c25299e473", kSha1Value},
        Row{crypto::DigestKind::kSha256,
            "df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119", kSha256Value},
        Row{crypto::DigestKind::kSha384,
            "394341b7182cd227c5c6b07ef8000cdfd86136c4292b8e576573ad7ed9ae41019f5818b4b971c9effc60e1"
            "ad"
            "9f1289f0",
            kSha384Value}}) {
    EXPECT_EQ(base::ToHex(*DigestOf(separator.front(), row.bank)), row.digest);
    EXPECT_EQ(base::ToHex(*ValueAfter(separator, row.bank)), row.value);
  }
  EXPECT_EQ(*ValueAfter({}, crypto::DigestKind::kSha1), base::Bytes(20));
}

TEST(WordsOnChange, AreOfTheEvents) {
  const auto before = PcrEvents(std::vector{Make(efi::kDb, {1})}, true);
  EXPECT_EQ(WordsOnChange(before,
                          PcrEvents(std::vector{Make(efi::kDb, {1}), Make(efi::kDbr, {2})}, true)),
            "PCR 7 stays");
  EXPECT_EQ(WordsOnChange(before, PcrEvents(std::vector{Make(efi::kDb, {2})}, true)),
            "PCR 7 changes: BitLocker and TPM-sealed keys will ask for recovery");
}

TEST(BankOf, KnowsTheNamesOfTheBanks) {
  for (const crypto::DigestKind bank : kBanks) {
    EXPECT_EQ(BankOf(BankName(bank)), bank);
  }
  EXPECT_FALSE(BankOf("sha512"));
}

}  // namespace
}  // namespace varstored::pcr
