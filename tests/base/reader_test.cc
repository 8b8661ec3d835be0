#include "varstored/base/reader.h"

#include <array>
#include <cstdint>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "varstored/base/bytes.h"

namespace varstored::base {
namespace {

constexpr std::uint64_t kAllOnes = std::numeric_limits<std::uint64_t>::max();

/// The bytes 1, 2, 3... The vector ends where they end, so that a sanitizer sees one byte too many.
Bytes Counting(std::size_t size) {
  Bytes bytes(size);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
  return bytes;
}

TEST(Reader, IntegersAreLittleEndianAndNeedNoAlignment) {
  const Bytes bytes = Counting(15);
  Reader reader(bytes);
  std::uint8_t u8 = 0;
  std::uint16_t u16 = 0;
  std::uint32_t u32 = 0;
  std::uint64_t u64 = 0;

  EXPECT_TRUE(reader.ReadU8(u8));
  EXPECT_EQ(u8, 0x01);
  EXPECT_TRUE(reader.ReadU16(u16));
  EXPECT_EQ(u16, 0x0302);
  EXPECT_EQ(reader.offset(), 3U);
  EXPECT_TRUE(reader.ReadU32(u32));
  EXPECT_EQ(u32, 0x07060504U);
  EXPECT_EQ(reader.remaining(), 8U);
  EXPECT_TRUE(reader.ReadU64(u64));
  EXPECT_EQ(u64, 0x0F0E0D0C0B0A0908U);
  EXPECT_TRUE(reader.empty());
}

TEST(Reader, HighBitsAreKept) {
  const Bytes bytes(15, 0xFF);
  Reader reader(bytes);
  std::uint8_t u8 = 0;
  std::uint16_t u16 = 0;
  std::uint32_t u32 = 0;
  std::uint64_t u64 = 0;
  EXPECT_TRUE(reader.ReadU8(u8) && reader.ReadU16(u16) && reader.ReadU32(u32) &&
              reader.ReadU64(u64));
  EXPECT_EQ(u8, 0xFFU);
  EXPECT_EQ(u16, 0xFFFFU);
  EXPECT_EQ(u32, 0xFFFFFFFFU);
  EXPECT_EQ(u64, kAllOnes);
}

/// Reads with `read` from every number of bytes that is too small for it, after 2 bytes that are
/// gone already.
template <class T, class Read>
void ExpectNothingHappensWhenShort(const T& untouched, Read read) {
  for (std::size_t size = 0; size < sizeof(T); ++size) {
    const Bytes bytes = Counting(2 + size);
    Reader reader(bytes);
    ByteSpan gone;
    ASSERT_TRUE(reader.ReadBytes(2, gone));
    T target = untouched;
    EXPECT_FALSE(read(reader, target)) << size;
    EXPECT_EQ(target, untouched) << size;
    EXPECT_EQ(reader.offset(), 2U) << size;
    EXPECT_EQ(reader.remaining(), size);
    std::uint8_t next = 0;
    EXPECT_EQ(reader.ReadU8(next), size > 0);
    EXPECT_EQ(next, size > 0 ? 3 : 0);
  }
}

TEST(Reader, AFailingReadLeavesCursorAndTarget) {
  ExpectNothingHappensWhenShort(std::uint8_t{0xA5}, [](Reader& r, auto& v) { return r.ReadU8(v); });
  ExpectNothingHappensWhenShort(std::uint16_t{0xA5A5},
                                [](Reader& r, auto& v) { return r.ReadU16(v); });
  ExpectNothingHappensWhenShort(std::uint32_t{0xA5A5A5A5},
                                [](Reader& r, auto& v) { return r.ReadU32(v); });
  ExpectNothingHappensWhenShort(std::uint64_t{0xA5A5A5A5A5A5A5A5},
                                [](Reader& r, auto& v) { return r.ReadU64(v); });
  std::array<std::uint8_t, 16> array{};
  array.fill(0xA5);
  ExpectNothingHappensWhenShort(array, [](Reader& r, auto& v) { return r.ReadArray(v); });
}

// L-03: no sum of cursor and length may wrap.
TEST(Reader, NoLengthHoweverLargeRunsPastTheEnd) {
  const Bytes bytes = Counting(10);
  for (const std::uint64_t size :
       {std::uint64_t{7}, std::uint64_t{8}, std::uint64_t{1} << 8U, std::uint64_t{1} << 16U,
        std::uint64_t{1} << 31U, (std::uint64_t{1} << 32U) - 1, std::uint64_t{1} << 32U,
        (std::uint64_t{1} << 32U) + 6, (std::uint64_t{1} << 63U) - 1, std::uint64_t{1} << 63U,
        (std::uint64_t{1} << 63U) + 6, kAllOnes - 4, kAllOnes - 3, kAllOnes - 1, kAllOnes}) {
    Reader reader(bytes);
    ByteSpan view;
    ASSERT_TRUE(reader.ReadBytes(4, view));
    const ByteSpan before = view;
    EXPECT_FALSE(reader.ReadBytes(size, view)) << size;
    EXPECT_EQ(view.data(), before.data()) << size;
    EXPECT_EQ(view.size(), 4U) << size;
    EXPECT_EQ(reader.offset(), 4U) << size;
    EXPECT_EQ(reader.remaining(), 6U) << size;
  }
}

TEST(Reader, BytesAreAViewOfTheOriginal) {
  const Bytes bytes = Counting(10);
  Reader reader(bytes);
  ByteSpan view;
  EXPECT_TRUE(reader.ReadBytes(4, view));
  EXPECT_EQ(view.data(), bytes.data());
  EXPECT_EQ(view.size(), 4U);
  EXPECT_TRUE(reader.ReadBytes(0, view));
  EXPECT_TRUE(view.empty());
  EXPECT_EQ(reader.offset(), 4U);
  EXPECT_TRUE(reader.ReadBytes(6, view));
  EXPECT_EQ(view.data(), bytes.data() + 4);
  EXPECT_EQ(view.size(), 6U);
  EXPECT_TRUE(reader.empty());
}

TEST(Reader, ReadRestTakesAllThatIsLeftOnce) {
  const Bytes bytes = Counting(5);
  Reader reader(bytes);
  std::uint16_t gone = 0;
  ASSERT_TRUE(reader.ReadU16(gone));
  const ByteSpan rest = reader.ReadRest();
  EXPECT_EQ(rest.data(), bytes.data() + 2);
  EXPECT_EQ(rest.size(), 3U);
  EXPECT_TRUE(reader.empty());
  EXPECT_EQ(reader.offset(), 5U);
  EXPECT_TRUE(reader.ReadRest().empty());
}

TEST(Reader, NoBytesAtAll) {
  Reader reader{ByteSpan()};
  EXPECT_TRUE(reader.empty());
  EXPECT_EQ(reader.offset(), 0U);
  std::uint8_t value = 0;
  EXPECT_FALSE(reader.ReadU8(value));
  ByteSpan view;
  EXPECT_FALSE(reader.ReadBytes(1, view));
  EXPECT_TRUE(reader.ReadBytes(0, view));
  EXPECT_TRUE(reader.ReadRest().empty());
}

}  // namespace
}  // namespace varstored::base
