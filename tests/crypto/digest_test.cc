#include "varstored/crypto/digest.h"

#include <algorithm>
#include <cstddef>

#include <gtest/gtest.h>

#include "varstored/base/bytes.h"

namespace varstored::crypto {
namespace {

// FIPS 180-4's example "abc".
constexpr Sha256Digest kAbc = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                               0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                               0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};

constexpr Sha256Digest kNothing = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
                                   0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
                                   0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};

TEST(Sha256, IsTheStandardsDigest) {
  EXPECT_EQ(Sha256({base::ToBytes("abc")}).value(), kAbc);
  EXPECT_EQ(Sha256({}).value(), kNothing);
}

TEST(Sha256, PartsAreConcatenated) {
  EXPECT_EQ(Sha256({base::ToBytes("a"), {}, base::ToBytes("bc")}).value(), kAbc);
}

TEST(Sha256, OrderOfThePartsMatters) {
  EXPECT_NE(Sha256({base::ToBytes("bc"), base::ToBytes("a")}).value(), kAbc);
}

/// The digests of "abc" begin so (FIPS 180-4's examples).
TEST(Digest, IsTheStandardsOfEachKind) {
  const base::Bytes abc = base::ToBytes("abc");
  struct Row {
    DigestKind kind;
    std::size_t size;
    base::Bytes front;
  };
  for (const Row& row : {Row{DigestKind::kSha1, 20, {0xa9, 0x99, 0x3e, 0x36}},
                         Row{DigestKind::kSha224, 28, {0x23, 0x09, 0x7d, 0x22}},
                         Row{DigestKind::kSha256, 32, {0xba, 0x78, 0x16, 0xbf}},
                         Row{DigestKind::kSha384, 48, {0xcb, 0x00, 0x75, 0x3f}},
                         Row{DigestKind::kSha512, 64, {0xdd, 0xaf, 0x35, 0xa1}}}) {
    base::Bytes digest = *Digest(row.kind, abc);
    EXPECT_EQ(digest.size(), row.size);
    digest.resize(row.front.size());
    EXPECT_EQ(digest, row.front);
  }
}

TEST(ConstantTimeEqual, ComparesSizesAndBytes) {
  const base::Bytes bytes = {1, 2, 3};
  EXPECT_TRUE(ConstantTimeEqual(bytes, base::Bytes{1, 2, 3}));
  EXPECT_TRUE(ConstantTimeEqual({}, {}));
  EXPECT_FALSE(ConstantTimeEqual(bytes, base::Bytes{1, 2, 4}));
  EXPECT_FALSE(ConstantTimeEqual(bytes, base::Bytes{0, 2, 3}));
  EXPECT_FALSE(ConstantTimeEqual(bytes, base::Bytes{1, 2}));
  EXPECT_FALSE(ConstantTimeEqual(bytes, {}));
}

TEST(Cleanse, OverwritesEveryByte) {
  base::Bytes key = {1, 2, 3, 4, 5, 6, 7, 8};
  Cleanse(key);
  EXPECT_TRUE(std::ranges::all_of(key, [](std::uint8_t byte) { return byte == 0; }));
  Cleanse({});
}

}  // namespace
}  // namespace varstored::crypto
