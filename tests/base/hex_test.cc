#include "varstored/base/hex.h"

#include <gtest/gtest.h>

namespace varstored::base {
namespace {

TEST(Hex, HasTwoLowerCaseDigitsForEachByte) {
  EXPECT_EQ(ToHex(Bytes{0x00, 0x0A, 0xA0, 0xFF}), "000aa0ff");
  EXPECT_EQ(ToHex(Bytes{}), "");
}

}  // namespace
}  // namespace varstored::base
