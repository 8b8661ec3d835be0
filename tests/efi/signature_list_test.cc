#include "varstored/efi/signature_list.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "support/real_data.h"
#include "varstored/base/bytes.h"
#include "varstored/base/writer.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/guid.h"

namespace varstored::efi {
namespace {

using base::Bytes;
using base::ByteSpan;

constexpr std::uint32_t kMax32 = std::numeric_limits<std::uint32_t>::max();

struct TypeRow {
  SignatureKind kind;
  std::string_view guid;
  std::uint32_t entry_bytes;  // SignatureSize; of X.509, one that is possible
  bool is_hash;
};

// UEFI 2.10, 32.4.1.
const std::vector<TypeRow> kTypes = {
    {SignatureKind::kSha1, "826ca512-cf10-4ac9-b187-be01496631bd", 16 + 20, true},
    {SignatureKind::kSha224, "0b6e5233-a65c-44c9-9407-d9ab83bfc8bd", 16 + 28, true},
    {SignatureKind::kSha256, "c1c41626-504c-4092-aca9-41f936934328", 16 + 32, true},
    {SignatureKind::kSha384, "ff3e5307-9fd0-48c9-85f1-8ad56c701e01", 16 + 48, true},
    {SignatureKind::kSha512, "093e0fae-a6c4-4f50-9f1b-d41e2b89c19a", 16 + 64, true},
    {SignatureKind::kRsa2048, "3c5766e8-269c-4e34-aa14-ed776e85b3b6", 16 + 256, false},
    {SignatureKind::kRsa2048Sha1, "67f8444f-8743-48f1-a328-1eaab8736080", 16 + 256, false},
    {SignatureKind::kRsa2048Sha256, "e2b36190-879b-4a3d-ad8d-f2e7bba32784", 16 + 256, false},
    {SignatureKind::kX509, "a5c059a1-94e4-4aa7-87b5-ab155c2bf072", 16 + 700, false},
    {SignatureKind::kX509Sha256, "3bd2a492-96c0-4079-b420-fcf98ef103ed", 16 + 48, true},
    {SignatureKind::kX509Sha384, "7076876e-80c2-4ee6-aad2-28b349a6865b", 16 + 64, true},
    {SignatureKind::kX509Sha512, "446dbf63-2502-4cda-bcfa-2465d2b0fe9d", 16 + 80, true},
    {SignatureKind::kSm3, "57347f87-7a9b-403a-b93c-dc4afb7a0ebc", 16 + 32, true},
    {SignatureKind::kX509Sm3, "60d807e5-10b4-49a9-9331-e40437888d37", 16 + 48, true},
    {SignatureKind::kExternalManagement, "452e8ced-dfff-4b8c-ae01-5118862e682c", 16 + 1, false},
};
constexpr std::string_view kSha256 = "c1c41626-504c-4092-aca9-41f936934328";
constexpr std::string_view kX509 = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072";

/// An EFI_SIGNATURE_LIST of any sizes, right or wrong, and `body_bytes` different bytes behind it.
Bytes RawList(std::string_view guid, std::uint32_t list_bytes, std::uint32_t header_bytes,
              std::uint32_t entry_bytes, std::size_t body_bytes) {
  base::Writer writer;
  writer.WriteBytes(ParseGuid(guid).value().bytes);
  writer.WriteU32(list_bytes);
  writer.WriteU32(header_bytes);
  writer.WriteU32(entry_bytes);
  for (std::size_t i = 0; i < body_bytes; ++i) {
    writer.WriteU8(static_cast<std::uint8_t>(i * 5 + i / 256));
  }
  return writer.Take();
}

/// A right one.
Bytes List(std::string_view guid, std::uint32_t entry_bytes, std::uint32_t count) {
  return RawList(guid, 28 + entry_bytes * count, 0, entry_bytes, std::size_t{entry_bytes} * count);
}

Bytes Join(const std::vector<Bytes>& parts) {
  Bytes all;
  for (const Bytes& part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

/// Whether `bytes` are taken. When they are, encoding gives them again, but for empty lists.
bool Accepted(const Bytes& bytes) {
  const auto lists = ParseSignatureLists(bytes);
  if (lists && std::ranges::none_of(
                   *lists, [](const SignatureList& list) { return list.entries.empty(); })) {
    EXPECT_EQ(EncodeSignatureLists(*lists), bytes);
  }
  return lists.has_value();
}

TEST(SignatureList, TheTableOfTypesIsThatOfTheSpecification) {
  for (const TypeRow& row : kTypes) {
    const SignatureType& type = TypeOf(row.kind);
    EXPECT_EQ(type.kind, row.kind) << row.guid;
    EXPECT_EQ(ToText(type.guid), row.guid);
    EXPECT_EQ(type.data_bytes, row.kind == SignatureKind::kX509 ? 0 : row.entry_bytes - 16);
    EXPECT_EQ(type.is_hash, row.is_hash) << row.guid;
  }
}

TEST(SignatureList, EntriesAreOwnersAndData) {
  const Bytes bytes = List(kSha256, 48, 3);
  const auto lists = ParseSignatureLists(bytes);
  ASSERT_TRUE(lists);
  ASSERT_EQ(lists->size(), 1U);
  EXPECT_EQ(lists->front().kind, SignatureKind::kSha256);
  EXPECT_EQ(lists->front().entry_bytes, 48U);
  ASSERT_EQ(lists->front().entries.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    const SignatureEntry& entry = lists->front().entries[i];
    const ByteSpan expected = ByteSpan(bytes).subspan(28 + 48 * i, 48);
    EXPECT_TRUE(std::ranges::equal(entry.owner.bytes, expected.first(16)));
    EXPECT_EQ(entry.data.data(), expected.data() + 16) << "a view of what was parsed";
    EXPECT_EQ(entry.data.size(), 32U);
  }
}

TEST(SignatureList, AllFifteenTypesAreTaken) {
  std::vector<Bytes> all;
  for (const TypeRow& row : kTypes) {
    for (const std::uint32_t count : {1U, 2U, 7U}) {
      all.push_back(List(row.guid, row.entry_bytes, count));
      EXPECT_TRUE(Accepted(all.back())) << row.guid;
    }
  }
  const Bytes bytes = Join(all);
  EXPECT_TRUE(Accepted(bytes));
  const auto lists = ParseSignatureLists(bytes);
  ASSERT_TRUE(lists);
  ASSERT_EQ(lists->size(), all.size());
  for (std::size_t i = 0; i < lists->size(); ++i) {
    EXPECT_EQ((*lists)[i].kind, kTypes[i / 3].kind);
  }
}

TEST(SignatureList, NoBytesAreNoList) {
  const auto lists = ParseSignatureLists({});
  ASSERT_TRUE(lists);
  EXPECT_TRUE(lists->empty());
  EXPECT_TRUE(EncodeSignatureLists({}).empty());
}

TEST(SignatureList, UnknownTypesAreRefused) {
  EXPECT_FALSE(Accepted(List("00000000-0000-0000-0000-000000000000", 48, 1)));
  // EFI_CERT_TYPE_PKCS7_GUID is a CertType, not a SignatureType.
  EXPECT_FALSE(Accepted(List("4aafd29d-68df-49ee-8aa9-347d375665a7", 48, 1)));
  for (const TypeRow& row : kTypes) {
    Bytes bytes = List(row.guid, row.entry_bytes, 1);
    for (std::size_t i = 0; i < 16; ++i) {
      bytes[i] ^= 0x80U;
      EXPECT_FALSE(Accepted(bytes)) << row.guid << ", byte " << i;
      bytes[i] ^= 0x80U;
    }
  }
}

TEST(SignatureList, L15_EntrySizes) {
  const std::vector<std::uint32_t> edges = {0,           1,           15,          16,
                                            17,          18,          1U << 16U,   (1U << 31U) - 1,
                                            1U << 31U,   kMax32 - 28, kMax32 - 27, kMax32 - 16,
                                            kMax32 - 15, kMax32};
  for (const TypeRow& row : kTypes) {
    // A body that any small size divides, so that nothing but the size itself can be wrong.
    constexpr std::uint32_t kBody = 16 * 17 * 18 * 15;
    for (const std::uint32_t entry_bytes : edges) {
      const bool fits =
          (row.kind == SignatureKind::kX509 && (entry_bytes == 17 || entry_bytes == 18)) ||
          (row.kind == SignatureKind::kExternalManagement && entry_bytes == 17);
      EXPECT_EQ(Accepted(RawList(row.guid, 28 + kBody, 0, entry_bytes, kBody)), fits)
          << row.guid << " " << entry_bytes;
    }
    for (const std::uint32_t wrong : {row.entry_bytes - 1, row.entry_bytes + 1}) {
      EXPECT_EQ(Accepted(List(row.guid, wrong, 1)), row.kind == SignatureKind::kX509)
          << row.guid << " " << wrong;
    }
  }
}

TEST(SignatureList, L15_ListSizes) {
  // No size below the header; one that is only a header is a list without an entry.
  for (std::uint32_t list_bytes = 0; list_bytes <= 29; ++list_bytes) {
    for (const std::size_t body : {std::size_t{0}, std::size_t{1}, std::size_t{48}}) {
      EXPECT_EQ(Accepted(RawList(kSha256, list_bytes, 0, 48, body)), list_bytes == 28 && body == 0)
          << list_bytes;
      EXPECT_FALSE(Accepted(RawList(kX509, list_bytes, 0, 17, body))) << list_bytes;
      EXPECT_FALSE(Accepted(RawList(kX509, list_bytes, 0, 1, body))) << list_bytes;
    }
  }
  // Not more than there is, whatever 32 bits can say; 4 GiB more would be the right one again.
  for (const std::uint32_t list_bytes :
       {28U + 48 - 1, 28U + 48 + 1, 28U + 96, 1U << 16U, (1U << 16U) + 28 + 48, (1U << 31U) - 1,
        1U << 31U, (1U << 31U) + 28 + 48, kMax32 - 27, kMax32 - 3, kMax32}) {
    EXPECT_FALSE(Accepted(RawList(kSha256, list_bytes, 0, 48, 48))) << list_bytes;
  }
  EXPECT_TRUE(Accepted(RawList(kSha256, 28 + 48, 0, 48, 48)));
}

TEST(SignatureList, L15_HeaderSizes) {
  for (const std::uint32_t header_bytes :
       {1U, 16U, 48U, 1U << 16U, 1U << 31U, kMax32 - 47, kMax32 - 27, kMax32}) {
    EXPECT_FALSE(Accepted(RawList(kSha256, 28 + 48, header_bytes, 48, 48))) << header_bytes;
    // Also where the list leaves room for it.
    EXPECT_FALSE(Accepted(RawList(kSha256, 28 + 48 + header_bytes, header_bytes, 48, 48 + 48)))
        << header_bytes;
  }
}

TEST(SignatureList, L15_SumsThatWrap) {
  // 28 + header + entries is 28 + 48 again modulo 2^32.
  EXPECT_FALSE(Accepted(RawList(kSha256, 28 + 48, kMax32 - 47, 48, 96)));
  EXPECT_FALSE(Accepted(RawList(kX509, 28 + 48, 0, kMax32 - 27, 48)));
  // 2^32 / 2 * 2 entries.
  EXPECT_FALSE(Accepted(RawList(kX509, 28, 0, 1U << 31U, 0)));
  // Two lists of which the first reaches around to the second.
  EXPECT_FALSE(
      Accepted(Join({RawList(kSha256, kMax32 - 75, 0, 48, 48), RawList(kSha256, 76, 0, 48, 48)})));
}

TEST(SignatureList, EntriesMustFillTheListExactly) {
  for (std::uint32_t rest = 1; rest < 48; ++rest) {
    EXPECT_FALSE(Accepted(RawList(kSha256, 28 + 96 + rest, 0, 48, 96 + rest))) << rest;
  }
  EXPECT_TRUE(Accepted(RawList(kSha256, 28 + 144, 0, 48, 144)));
}

TEST(SignatureList, CutAtEveryByteOnlyWholeListsAreTaken) {
  const Bytes first = List(kSha256, 48, 2);
  const Bytes second = List(kX509, 61, 1);
  const Bytes whole = Join({first, second, first});
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const bool between = size == 0 || size == first.size() ||
                         size == first.size() + second.size() || size == whole.size();
    EXPECT_EQ(Accepted({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}), between)
        << size;
  }
}

TEST(SignatureList, OneBadListSpoilsAll) {
  const Bytes good = List(kSha256, 48, 1);
  const Bytes unknown = List("00000000-0000-0000-0000-000000000000", 48, 1);
  EXPECT_FALSE(Accepted(Join({good, unknown})));
  EXPECT_FALSE(Accepted(Join({unknown, good})));
  EXPECT_FALSE(Accepted(Join({good, Bytes{0}})));
  EXPECT_TRUE(Accepted(Join({good, good, good})));
}

TEST(SignatureList, OfEveryTypeButX509AListMayBeEmpty) {
  for (const TypeRow& row : kTypes) {
    const Bytes empty = List(row.guid, row.entry_bytes, 0);
    EXPECT_EQ(Accepted(empty), row.kind != SignatureKind::kX509) << row.guid;
    EXPECT_EQ(Accepted(Join({List(kSha256, 48, 1), empty})), row.kind != SignatureKind::kX509);
    EXPECT_FALSE(Accepted(RawList(row.guid, 28, 0, row.entry_bytes == 17 ? 18 : 17, 0)))
        << "the size of an entry counts all the same";
    EXPECT_FALSE(Accepted(RawList(row.guid, 28, 0, 0, 0)));
  }
}

TEST(SignatureList, AStoredListThatCannotBeUsedKeepsNoOtherFromBeingUsed) {
  const Bytes first = List(kSha256, 48, 2);
  const Bytes last = List(kX509, 61, 1);
  const std::vector<Bytes> odd = {List("00000000-0000-0000-0000-000000000000", 48, 1),
                                  List(kSha256, 47, 1), RawList(kSha256, 28 + 48, 1, 48, 48),
                                  RawList(kX509, 28, 0, 61, 0), RawList(kX509, 28 + 50, 0, 0, 50)};
  for (const Bytes& between : odd) {
    const Bytes bytes = Join({first, between, last});
    const auto lists = UsableSignatureLists(bytes);
    ASSERT_TRUE(lists);
    ASSERT_EQ(lists->size(), 2U);
    EXPECT_EQ(EncodeSignatureLists(*lists), Join({first, last}));
    EXPECT_FALSE(Accepted(bytes)) << "nobody writes it";
  }
}

TEST(SignatureList, WhereASizeIsWrongNothingOfAStoredVariableIsUsable) {
  const Bytes good = List(kSha256, 48, 1);
  for (const std::uint32_t size : {0U, 27U, 28U + 49U, kMax32}) {
    EXPECT_FALSE(UsableSignatureLists(Join({good, RawList(kSha256, size, 0, 48, 48)}))) << size;
  }
  EXPECT_FALSE(UsableSignatureLists(Join({good, Bytes(27)})));
}

TEST(SignatureList, OneEntryOfExternalManagementIsManagedByTheHost) {
  constexpr std::string_view kManaged = "452e8ced-dfff-4b8c-ae01-5118862e682c";
  const Bytes managed = List(kManaged, 17, 1);
  EXPECT_TRUE(IsManagedByTheHost(managed));
  EXPECT_FALSE(IsManagedByTheHost({}));
  EXPECT_FALSE(IsManagedByTheHost(List(kManaged, 17, 0)));
  EXPECT_FALSE(IsManagedByTheHost(List(kManaged, 17, 2)));
  EXPECT_FALSE(IsManagedByTheHost(List(kSha256, 48, 1)));
  EXPECT_FALSE(IsManagedByTheHost(Join({managed, managed})));
  EXPECT_FALSE(IsManagedByTheHost(Join({managed, List(kX509, 61, 1)})));
}

TEST(SignatureList, AListWithoutEntriesIsLeftOutOfTheEncoding) {
  const Bytes bytes = Join({List(kSha256, 48, 1), List(kX509, 61, 2), List(kSha256, 48, 3)});
  auto lists = ParseSignatureLists(bytes);
  ASSERT_TRUE(lists);
  (*lists)[1].entries.clear();
  EXPECT_EQ(EncodeSignatureLists(*lists), Join({List(kSha256, 48, 1), List(kSha256, 48, 3)}));
}

TEST(SignatureList, WhateverIsTakenIsEncodedByteForByte) {
  std::mt19937 random(15);
  const auto pick = [&random](std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
  };
  const Bytes base = Join({List(kSha256, 48, 2), List(kX509, 40, 1), List(kTypes[0].guid, 36, 2)});
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes = base;
    for (std::size_t change = pick(3); change > 0; --change) {
      // Most changes hit a header, where they matter.
      const std::size_t header = std::vector<std::size_t>{0, 28 + 96, 28 + 96 + 28 + 40}[pick(3)];
      bytes[pick(4) == 0 ? pick(bytes.size()) : header + 16 + pick(12)] = static_cast<std::uint8_t>(
          std::vector<std::size_t>{0, 1, 28, 76, 124, 255, pick(256)}[pick(7)]);
    }
    accepted += Accepted(bytes) ? 1 : 0;
  }
  EXPECT_GT(accepted, 1000);
  EXPECT_LT(accepted, 19000);
}

class RealSignatureLists : public test::RealDataTest {
 protected:
  static std::string Hex(ByteSpan bytes) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string text;
    for (const std::uint8_t byte : bytes) {
      text.push_back(kDigits[byte >> 4U]);
      text.push_back(kDigits[byte & 15U]);
    }
    return text;
  }
};

TEST_F(RealSignatureLists, UpdatesOfVendorsAreEncodedByteForByte) {
  for (const std::string_view folder : {"db", "dbx", "kek"}) {
    for (const std::string& path : Find("secureboot_objects/" + std::string(folder), "")) {
      if (!path.ends_with(".bin")) {
        continue;
      }
      const Bytes file = Read(path);
      const auto descriptor = ParseAuthenticationDescriptor(file);
      ASSERT_TRUE(descriptor) << path;
      EXPECT_FALSE(descriptor->signed_data.empty()) << path;
      EXPECT_TRUE(Accepted(base::ToBytes(descriptor->payload))) << path;
      EXPECT_FALSE(descriptor->payload.empty()) << path;
    }
  }
}

TEST_F(RealSignatureLists, TheEntriesOfDbxAreThoseOfTheReadableList) {
  const std::string readable =
      base::ToString(Read("secureboot_objects/dbx/dbx_info_msft_latest.json"));
  const Bytes file = Read("secureboot_objects/dbx/DBXUpdate_amd64.bin");
  const auto descriptor = ParseAuthenticationDescriptor(file);
  ASSERT_TRUE(descriptor);
  const auto lists = ParseSignatureLists(descriptor->payload);
  ASSERT_TRUE(lists);
  std::size_t entries = 0;
  for (const SignatureList& list : *lists) {
    EXPECT_EQ(list.kind, SignatureKind::kSha256);
    for (const SignatureEntry& entry : list.entries) {
      EXPECT_EQ(ToText(entry.owner), "77fa9abd-0359-4d32-bd60-28f4e78f784b");
      EXPECT_NE(readable.find(Hex(entry.data)), std::string::npos) << Hex(entry.data);
      ++entries;
    }
  }
  EXPECT_GT(entries, 400U);
}

}  // namespace
}  // namespace varstored::efi
