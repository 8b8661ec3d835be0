#include "varstored/base/writer.h"

#include <cstdint>

#include <gtest/gtest.h>

#include "varstored/base/bytes.h"
#include "varstored/base/reader.h"

namespace varstored::base {
namespace {

TEST(Writer, IntegersAreLittleEndianAndPacked) {
  Writer writer;
  writer.WriteU8(0x81);
  writer.WriteU16(0x8382);
  writer.WriteU32(0x87868584);
  writer.WriteU64(0x8F8E8D8C8B8A8988);
  EXPECT_EQ(writer.size(), 15U);
  EXPECT_EQ(writer.Take(), (Bytes{0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8B,
                                  0x8C, 0x8D, 0x8E, 0x8F}));
}

TEST(Writer, BytesAreWrittenAsTheyAre) {
  Writer writer;
  writer.WriteBytes(Bytes{0x00, 0xFF});
  writer.WriteBytes(Bytes{});
  writer.WriteBytes(ToBytes("VARS"));
  EXPECT_EQ(writer.Take(), (Bytes{0x00, 0xFF, 'V', 'A', 'R', 'S'}));
}

TEST(Writer, TheSizeGivenIsNoLimit) {
  Writer writer(3);
  EXPECT_EQ(writer.size(), 0U);
  writer.WriteU64(1);
  EXPECT_EQ(writer.size(), 8U);
}

TEST(Writer, IsEmptyAfterTake) {
  Writer writer;
  writer.WriteU8(1);
  EXPECT_EQ(writer.Take(), Bytes{1});
  EXPECT_EQ(writer.size(), 0U);
  EXPECT_TRUE(writer.Take().empty());
  writer.WriteU8(2);
  EXPECT_EQ(writer.Take(), Bytes{2});
}

TEST(Writer, WhatIsWrittenIsReadAgain) {
  for (const std::uint64_t value :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0x7F}, std::uint64_t{0x80},
        std::uint64_t{0x0123456789ABCDEF}, std::uint64_t{1} << 63U, ~std::uint64_t{0}}) {
    Writer writer;
    writer.WriteU64(value);
    writer.WriteU32(static_cast<std::uint32_t>(value));
    writer.WriteU16(static_cast<std::uint16_t>(value));
    writer.WriteU8(static_cast<std::uint8_t>(value));
    const Bytes bytes = writer.Take();
    Reader reader(bytes);
    std::uint64_t u64 = ~value;
    std::uint32_t u32 = 0;
    std::uint16_t u16 = 0;
    std::uint8_t u8 = 0;
    EXPECT_TRUE(reader.ReadU64(u64) && reader.ReadU32(u32) && reader.ReadU16(u16) &&
                reader.ReadU8(u8) && reader.empty());
    EXPECT_EQ(u64, value);
    EXPECT_EQ(u32, value & 0xFFFFFFFFU);
    EXPECT_EQ(u16, value & 0xFFFFU);
    EXPECT_EQ(u8, value & 0xFFU);
  }
}

}  // namespace
}  // namespace varstored::base
