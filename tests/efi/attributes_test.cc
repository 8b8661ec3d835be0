#include "varstored/efi/attributes.h"

#include <cstdint>

#include <gtest/gtest.h>

namespace varstored::efi {
namespace {

static_assert(kAttributes<0x27>.raw() == 0x27);
static_assert(Attributes().raw() == 0);

TEST(Attributes, BitsThatTheSpecificationDoesNotNameAreRefused) {
  for (unsigned bit = 0; bit < 32; ++bit) {
    const std::uint32_t raw = 1U << bit;
    EXPECT_EQ(Attributes::FromRaw(raw).has_value(), bit < 8) << bit;
    EXPECT_EQ(Attributes::FromRaw(raw | 0x07).has_value(), bit < 8) << bit;
  }
  EXPECT_TRUE(Attributes::FromRaw(0));
  EXPECT_TRUE(Attributes::FromRaw(0xFF));
  EXPECT_FALSE(Attributes::FromRaw(0x100));
  EXPECT_FALSE(Attributes::FromRaw(0xFFFFFFFF));
}

TEST(Attributes, AllBitsAreKept) {
  for (std::uint32_t raw = 0; raw < 256; ++raw) {
    const auto attributes = Attributes::FromRaw(raw);
    ASSERT_TRUE(attributes);
    EXPECT_EQ(attributes->raw(), raw);
    EXPECT_EQ(attributes->Has(kNonVolatile), (raw & 0x01) != 0);
    EXPECT_EQ(attributes->Has(kBootServiceAccess), (raw & 0x02) != 0);
    EXPECT_EQ(attributes->Has(kRuntimeAccess), (raw & 0x04) != 0);
    EXPECT_EQ(attributes->Has(kHardwareErrorRecord), (raw & 0x08) != 0);
    EXPECT_EQ(attributes->Has(kAuthenticatedWriteAccess), (raw & 0x10) != 0);
    EXPECT_EQ(attributes->Has(kTimeBasedAuthenticatedWriteAccess), (raw & 0x20) != 0);
    EXPECT_EQ(attributes->Has(kAppendWrite), (raw & 0x40) != 0);
    EXPECT_EQ(attributes->Has(kEnhancedAuthenticatedAccess), (raw & 0x80) != 0);
    EXPECT_EQ(attributes->HasAccess(), (raw & 0x06) != 0);
    EXPECT_EQ(attributes->WithoutAppend().raw(), raw & 0xBF);
  }
}

}  // namespace
}  // namespace varstored::efi
