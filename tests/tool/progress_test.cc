#include "varstored/tool/progress.h"

#include <string>

#include <gtest/gtest.h>

#include "varstored/health/text.h"

namespace varstored::tool {
namespace {

using std::chrono::milliseconds;

TEST(ProgressTest, ALineHasARateTheTimeLeftAndTheName) {
  EXPECT_EQ(ProgressBar({77, 309, milliseconds(24838), "web"}, 79),
            "[####................] 77 of 309, 3.1/s, 1 min 15 s left: web");
  EXPECT_EQ(ProgressWords({77, 309, milliseconds(24838), "web"}),
            "77 of 309, 3.1/s, 1 min 15 s left: web");
}

TEST(ProgressTest, ASlowRateIsOneAMinuteAndALongTimeHasHours) {
  EXPECT_EQ(ProgressWords({1, 241, milliseconds(15000), ""}), "1 of 241, 4/min, 1 h 0 min left");
  EXPECT_EQ(ProgressWords({1, 2, milliseconds(90000), ""}), "1 of 2, 40/h, 1 min 30 s left");
}

TEST(ProgressTest, NothingIsSaidOfARateThatIsNotKnownYet) {
  EXPECT_EQ(ProgressWords({0, 9, milliseconds(90000), "a"}), "0 of 9: a");
  EXPECT_EQ(ProgressWords({3, 9, milliseconds(999), ""}), "3 of 9");
  EXPECT_EQ(ProgressBar({0, 0, milliseconds(0), ""}, 79), "[####################] 0 of 0");
}

TEST(ProgressTest, ANameIsFitForATerminalAndCutToItsWidth) {
  const std::string name = "\x1b[31mred\r\n\xe2\x80\xae" + std::string(500, 'x');
  for (const std::size_t columns : {19U, 40U, 79U, 119U}) {
    const std::string line = ProgressBar({1, 2, milliseconds(2000), name}, columns);
    EXPECT_EQ(health::ColumnsOf(line), columns);
    EXPECT_EQ(line.find_first_of("\x1b\r\n"), std::string::npos);
    EXPECT_TRUE(line.ends_with("...")) << line;
  }
  EXPECT_EQ(ProgressWords({1, 2, milliseconds(0), "\x1b"}), "1 of 2: \\u{001B}");
}

TEST(ProgressTest, MoreThanAllIsAll) {
  EXPECT_EQ(ProgressBar({5, 4, milliseconds(1000), ""}, 79),
            "[####################] 5 of 4, 5.0/s, 0 s left");
}

}  // namespace
}  // namespace varstored::tool
