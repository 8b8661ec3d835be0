#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "varstored/tool/place.h"

namespace varstored::tool {
namespace {

constexpr uid_t kNobody = 65534;

class NoLog final : public base::Log {
 public:
  void Put(base::LogLevel /*level*/, std::string_view /*name*/,
           std::string_view /*text*/) override {}
};

/// Rights do not come back, so they are given up in a process of their own, which says whether
/// `check` is content with what is left.
void InChild(const std::function<bool()>& check) {
  EXPECT_EXIT(::_exit(check() ? 0 : 1), ::testing::ExitedWithCode(0), "");
}

class RightsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root";
    }
  }

  NoLog log_;
};

TEST_F(RightsTest, WhatIsNamedIsGivenUp) {
  const test::TemporaryFolder folder;
  InChild([&] {
    const Rights rights = {.depriv = false, .root = folder.path(), .uid = 123, .gid = 456};
    return DropRights(rights, log_).ok() && ::getuid() == 123 && ::geteuid() == 123 &&
           ::getegid() == 456 && ::getgroups(0, nullptr) == 0 && ::access("/proc", F_OK) != 0;
  });
}

TEST_F(RightsTest, AUserWithoutAGroupDoesNotKeepRoots) {
  InChild([&] {
    return DropRights({.depriv = false, .root = {}, .uid = 123, .gid = {}}, log_).ok() &&
           ::getuid() == 123 && ::getgid() == kNobody && ::getegid() == kNobody &&
           ::getgroups(0, nullptr) == 0 && ::setgid(0) != 0;
  });
  InChild([&] {
    return DropRights({.depriv = false, .root = {}, .uid = 0, .gid = {}}, log_).ok() &&
           ::getegid() == 0;
  });
}

TEST_F(RightsTest, NothingIsGivenUpThatIsNotNamed) {
  InChild([&] {
    return DropRights({}, log_).ok() && ::geteuid() == 0 &&
           ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0;
  });
}

}  // namespace
}  // namespace varstored::tool
