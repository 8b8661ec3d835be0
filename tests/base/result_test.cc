#include "varstored/base/result.h"

#include <csignal>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace varstored::base {
namespace {

Result<int> Half(int number) {
  if (number % 2 != 0) {
    return Fail(std::to_string(number) + " is odd");
  }
  return number / 2;
}

Result<std::string> HalfInWords(int number) {
  auto half = Half(number);
  if (!half) {
    return half.failure();
  }
  return std::to_string(*half);
}

Result<void> CheckEven(int number) {
  if (number % 2 != 0) {
    return Fail(std::to_string(number) + " is odd");
  }
  return {};
}

TEST(Result, HoldsAValue) {
  auto result = Half(4);
  EXPECT_TRUE(result.ok());
  EXPECT_TRUE(result);
  EXPECT_EQ(result.value(), 2);
  *result = 7;
  EXPECT_EQ(std::as_const(result).value(), 7);
}

TEST(Result, HoldsTheReasonOfAFailure) {
  const auto result = Half(5);
  EXPECT_FALSE(result.ok());
  EXPECT_FALSE(result);
  EXPECT_EQ(result.error().message, "5 is odd");
}

TEST(Result, AFailureIsHandedOnAsAResultOfAnotherType) {
  EXPECT_EQ(*HalfInWords(8), "4");
  EXPECT_EQ(HalfInWords(9).error().message, "9 is odd");
}

TEST(Result, WithoutAValueTheReasonIsKeptToo) {
  EXPECT_TRUE(CheckEven(2));
  const auto failed = CheckEven(3);
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message, "3 is odd");
  EXPECT_EQ(Result<int>(failed.failure()).error().message, "3 is odd");
}

TEST(Result, ErrorsOfAnotherTypeTravelAsWell) {
  enum class Why { kBad, kWorse };
  const Result<int, Why> failed(Failure<Why>{Why::kWorse});
  EXPECT_FALSE(failed);
  EXPECT_EQ(failed.error(), Why::kWorse);
}

TEST(Result, AValueCanBeMovedOut) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(3));
  EXPECT_EQ(**result, 3);
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 3);
}

TEST(ResultDeathTest, ReadingTheSideThatIsNotThereEndsTheProcess) {
  const auto aborts = ::testing::KilledBySignal(SIGABRT);
  EXPECT_EXIT((void)Half(5).value(), aborts, "");
  EXPECT_EXIT((void)*Half(5), aborts, "");
  EXPECT_EXIT((void)Half(4).error(), aborts, "");
  EXPECT_EXIT((void)CheckEven(4).error(), aborts, "");
}

}  // namespace
}  // namespace varstored::base
