#include "access.h"

#include <cstdint>
#include <limits>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "hypervisor.h"

namespace varstored::guest_xen {
namespace {

constexpr std::uint64_t kFirst = 0x100;
constexpr std::uint64_t kEnd = 0x10c;

/// As Xen describes `mov dx, 0x100; out dx, eax`.
Access Write(std::uint64_t address = kFirst, std::uint32_t size = 4, std::uint64_t data = 0x1234) {
  return {.type = IOREQ_TYPE_PIO,
          .is_read = false,
          .data_is_pointer = false,
          .address = address,
          .size = size,
          .count = 1,
          .data = data};
}

/// "" when it is an access to the ports.
std::string OddityOf(const Access& access) {
  const auto result = ToPortAccess(access);
  return result ? "" : std::string(OddityText(result.error()));
}

std::string Text(Oddity oddity) { return std::string(OddityText(oddity)); }

TEST(ToPortAccess, HandsOnEveryWidthAtEveryPortThatItFitsInto) {
  for (const std::uint32_t size : {1U, 2U, 4U}) {
    for (std::uint64_t address = kFirst; address + size <= kEnd; ++address) {
      for (const bool is_read : {false, true}) {
        Access access = Write(address, size, 0x12);
        access.is_read = is_read;

        const auto result = ToPortAccess(access);

        ASSERT_TRUE(result.ok()) << address << " " << size;
        EXPECT_EQ(result->is_read, is_read);
        EXPECT_EQ(result->port, address);
        EXPECT_EQ(result->size, size);
        EXPECT_EQ(result->value, 0x12U);
      }
    }
  }
}

TEST(ToPortAccess, CutsTheValueToTheWidth) {
  constexpr std::uint64_t kData = 0xfedcba9876543210;
  EXPECT_EQ(ToPortAccess(Write(kFirst, 1, kData))->value, 0x10U);
  EXPECT_EQ(ToPortAccess(Write(kFirst, 2, kData))->value, 0x3210U);
  EXPECT_EQ(ToPortAccess(Write(kFirst, 4, kData))->value, 0x76543210U);
}

TEST(ToPortAccess, RefusesWhatIsNoPort) {
  for (unsigned int type = 0; type <= 0xff; ++type) {
    Access access = Write();
    access.type = static_cast<std::uint8_t>(type);
    EXPECT_EQ(OddityOf(access), type == IOREQ_TYPE_PIO ? "" : Text(Oddity::kNotAPort)) << type;
  }
}

TEST(ToPortAccess, RefusesAPointer) {
  Access access = Write();
  access.data_is_pointer = true;
  EXPECT_EQ(OddityOf(access), Text(Oddity::kPointer));
  access.is_read = true;
  EXPECT_EQ(OddityOf(access), Text(Oddity::kPointer));
}

TEST(ToPortAccess, RefusesAnyCountButOne) {
  for (const std::uint32_t count : {0U, 2U, 0x80000000U, 0xffffffffU}) {
    Access access = Write();
    access.count = count;
    EXPECT_EQ(OddityOf(access), Text(Oddity::kSeveral)) << count;
  }
}

TEST(ToPortAccess, RefusesWidthsThatNoPortHas) {
  for (const std::uint32_t size : {0U, 3U, 5U, 7U, 8U, 16U, 0x100U, 0x104U, 0xfffffffcU}) {
    EXPECT_EQ(OddityOf(Write(kFirst, size)), Text(Oddity::kSize)) << size;
  }
}

TEST(ToPortAccess, RefusesAddressesOutsideOfThePorts) {
  for (const std::uint32_t size : {1U, 2U, 4U}) {
    for (const std::uint64_t address :
         {std::uint64_t{0}, kFirst - size, kFirst - 1, kEnd - size + 1, kEnd,
          kFirst + (std::uint64_t{1} << 32), std::numeric_limits<std::uint64_t>::max(),
          std::numeric_limits<std::uint64_t>::max() - size + 1}) {
      EXPECT_EQ(OddityOf(Write(address, size)), Text(Oddity::kAddress)) << address << " " << size;
    }
  }
}

TEST(OddityText, DiffersForEachOddity) {
  std::set<std::string_view> texts;
  for (std::size_t i = 0; i < kOddities; ++i) {
    texts.insert(OddityText(static_cast<Oddity>(i)));
  }
  EXPECT_EQ(texts.size(), kOddities);
}

}  // namespace
}  // namespace varstored::guest_xen
