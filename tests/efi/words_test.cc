#include "varstored/efi/words.h"

#include <gtest/gtest.h>

#include "varstored/efi/well_known.h"

namespace varstored::efi {
namespace {

TEST(AttributesText, NamesEachBitByTwoLetters) {
  EXPECT_EQ(AttributesText(0x01), "NV");
  EXPECT_EQ(AttributesText(0x02), "BS");
  EXPECT_EQ(AttributesText(0x04), "RT");
  EXPECT_EQ(AttributesText(0x08), "HR");
  EXPECT_EQ(AttributesText(0x10), "AW");
  EXPECT_EQ(AttributesText(0x20), "AT");
  EXPECT_EQ(AttributesText(0x40), "AP");
  EXPECT_EQ(AttributesText(0x80), "EA");
  EXPECT_EQ(AttributesText(0x27), "NV+BS+RT+AT");
}

TEST(AttributesText, ShowsWhatNobodyHasNamed) {
  EXPECT_EQ(AttributesText(0), "0");
  EXPECT_EQ(AttributesText(0x80000101), "NV+0x80000100");
  EXPECT_EQ(AttributesText(0x100), "0x100");
}

TEST(TimeText, IsTheSecondFieldByField) {
  EXPECT_EQ(TimeText({.year = 2026, .month = 6, .day = 24, .hour = 8, .minute = 15, .second = 7}),
            "2026-06-24T08:15:07Z");
  EXPECT_EQ(TimeText({}), "0000-00-00T00:00:00Z");
  EXPECT_EQ(TimeText({.year = 65535, .month = 255, .day = 1, .hour = 0, .minute = 0, .second = 99}),
            "65535-255-01T00:00:99Z");
}

TEST(NameOfGuid, IsThatOfTheSpecifications) {
  EXPECT_EQ(NameOfGuid(kGlobalVariableGuid), "EFI_GLOBAL_VARIABLE");
  EXPECT_EQ(NameOfGuid(kImageSecurityDatabaseGuid), "EFI_IMAGE_SECURITY_DATABASE_GUID");
  EXPECT_EQ(NameOfGuid(*ParseGuid("605dab50-e046-4300-abb6-3dd810dd8b23")), "SHIM_LOCK_GUID");
  EXPECT_EQ(NameOfGuid(Guid{}), "");
}

}  // namespace
}  // namespace varstored::efi
