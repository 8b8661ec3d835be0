#include "varstored/base/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

namespace varstored::base {
namespace {

static_assert(!std::is_copy_constructible_v<UniqueFd> && !std::is_copy_assignable_v<UniqueFd>);

int OpenSomething() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFd, HoldsNothingAtFirst) {
  const UniqueFd fd;
  EXPECT_FALSE(fd.valid());
  EXPECT_EQ(fd.get(), -1);
}

TEST(UniqueFd, ClosesWhatItHolds) {
  const int raw = OpenSomething();
  {
    const UniqueFd fd(raw);
    EXPECT_TRUE(fd.valid());
    EXPECT_EQ(fd.get(), raw);
    EXPECT_TRUE(IsOpen(raw));
  }
  EXPECT_FALSE(IsOpen(raw));
}

TEST(UniqueFd, DescriptorZeroIsOneToo) {
  const int kept = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  {
    const UniqueFd fd(STDIN_FILENO);
    EXPECT_TRUE(fd.valid());
  }
  EXPECT_FALSE(IsOpen(STDIN_FILENO));
  if (kept >= 0) {
    EXPECT_EQ(::dup2(kept, STDIN_FILENO), STDIN_FILENO);
    ::close(kept);
  }
}

TEST(UniqueFd, MovingHandsItOn) {
  const int raw = OpenSomething();
  UniqueFd first(raw);
  UniqueFd second(std::move(first));
  EXPECT_FALSE(first.valid());  // NOLINT(*-use-after-move,*.Move): the question
  EXPECT_EQ(second.get(), raw);

  const int replaced = OpenSomething();
  UniqueFd third(replaced);
  third = std::move(second);
  EXPECT_FALSE(second.valid());  // NOLINT(*-use-after-move,*.Move)
  EXPECT_EQ(third.get(), raw);
  EXPECT_FALSE(IsOpen(replaced));
  EXPECT_TRUE(IsOpen(raw));
}

TEST(UniqueFd, MovingToItselfKeepsIt) {
  UniqueFd fd(OpenSomething());
  UniqueFd& same = fd;
  fd = std::move(same);
  EXPECT_TRUE(fd.valid());
  EXPECT_TRUE(IsOpen(fd.get()));
}

TEST(UniqueFd, ResetClosesTheOldOne) {
  const int first = OpenSomething();
  const int second = OpenSomething();
  UniqueFd fd(first);
  fd.Reset(second);
  EXPECT_EQ(fd.get(), second);
  EXPECT_FALSE(IsOpen(first));
  EXPECT_TRUE(IsOpen(second));
  fd.Reset();
  EXPECT_FALSE(fd.valid());
  EXPECT_FALSE(IsOpen(second));
}

TEST(UniqueFd, ReleaseLeavesItOpen) {
  const int raw = OpenSomething();
  {
    UniqueFd fd(raw);
    EXPECT_EQ(fd.Release(), raw);
    EXPECT_FALSE(fd.valid());
  }
  EXPECT_TRUE(IsOpen(raw));
  ::close(raw);
}

}  // namespace
}  // namespace varstored::base
