#include "vm_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace varstored::xl {
namespace {

constexpr const char* kUuid = "0c5ac1d5-9a43-4b0e-9d6f-2f8ad3a6e1b7";

class VmFolderTest : public testing::Test {
 protected:
  [[nodiscard]] std::string Path(std::string_view name) const {
    return folders_.File(std::string(kUuid) + "/" + std::string(name));
  }
  void Make(std::string_view name) const { std::ofstream(Path(name)) << "content"; }

  [[nodiscard]] VmFolder Open() const {
    auto folder = VmFolder::Open(folders_.path(), kUuid);
    EXPECT_TRUE(folder) << folder.error().message;
    return std::move(*folder);
  }

  test::TemporaryFolder folders_;
};

TEST_F(VmFolderTest, IsMadeForItsUserAlone) {
  const auto folder = VmFolder::Open(folders_.File("a/b"), kUuid);
  ASSERT_TRUE(folder) << folder.error().message;
  struct stat status = {};
  ASSERT_EQ(::stat(folders_.File(std::string("a/b/") + kUuid).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
  ASSERT_EQ(::stat(folders_.File("a/b").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 022, 0U);
}

TEST_F(VmFolderTest, TheNameIsKeptWhereNoDaemonCanWrite) {
  const std::string path = folders_.File(std::string(kUuid) + ".name");
  const auto kept = [&](const std::string& name) {
    EXPECT_TRUE(Open().KeepName(name)) << name;
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_EQ(kept("web"), "web");
  EXPECT_EQ(kept("../x/\n"), "../x/\n");
  EXPECT_EQ(kept("web--incoming"), "web");
  EXPECT_EQ(kept(std::string(VmFolder::kMaxNameBytes, 'n')),
            std::string(VmFolder::kMaxNameBytes, 'n'));
  EXPECT_EQ(kept(std::string(VmFolder::kMaxNameBytes + 1, 'n')), "") << "no name, and not the last";
  EXPECT_EQ(kept(""), "");
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  EXPECT_FALSE(Open().KeepName("web"));
}

TEST_F(VmFolderTest, WhereOthersMayWriteNoVariablesAreKept) {
  const std::string path = folders_.File(kUuid);
  ASSERT_TRUE(VmFolder::Open(folders_.path(), kUuid));
  const auto is_refused = [this](const std::string& says) {
    const auto folder = VmFolder::Open(folders_.path(), kUuid);
    ASSERT_FALSE(folder);
    EXPECT_TRUE(folder.error().message.find(says) != std::string::npos) << folder.error().message;
  };
  for (const mode_t mode : {0720U, 0702U, 01777U}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    is_refused(path + ": it belongs to user ");
    ASSERT_EQ(::chmod(path.c_str(), 0700), 0);
    ASSERT_EQ(::chmod(folders_.path().c_str(), mode), 0);
    is_refused(folders_.path() + ": others may write in this folder");
    ASSERT_EQ(::chmod(folders_.path().c_str(), 0755), 0);
  }
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can give a folder away";
  }
  constexpr uid_t kFirstUser = 65536;
  for (const uid_t user : {uid_t{1000}, kFirstUser - 1, 2 * kFirstUser}) {
    ASSERT_EQ(::chown(path.c_str(), user, 0), 0);
    is_refused(path + ": it belongs to user " + std::to_string(user) + " with mode 0700");
  }
  // As the VM's last daemon has left it.
  for (const uid_t user : {kFirstUser, kFirstUser + 7, 2 * kFirstUser - 1, uid_t{0}}) {
    ASSERT_EQ(::chown(path.c_str(), user, user), 0);
    EXPECT_TRUE(VmFolder::Open(folders_.path(), kUuid)) << user;
  }
  ASSERT_EQ(::chown(folders_.path().c_str(), 1000, 0), 0);
  is_refused(folders_.path() + ": others may write in this folder");
}

TEST_F(VmFolderTest, ALinkInItsPlaceIsNotFollowed) {
  std::filesystem::create_directory_symlink("/tmp", folders_.File(kUuid));
  EXPECT_FALSE(VmFolder::Open(folders_.path(), kUuid));
}

TEST_F(VmFolderTest, ARestoreNeedsTheStore) {
  const auto folder = Open();
  EXPECT_FALSE(folder.HowToResume());
  Make(kStateName);
  const auto how = folder.HowToResume();
  ASSERT_FALSE(how);
  EXPECT_TRUE(how.error().message.starts_with(Path(kStoreName) + " is missing"));
}

TEST_F(VmFolderTest, ARestoreTakesTheStateWhenItIsThereAndOnce) {
  const auto folder = Open();
  Make(kStoreName);
  Make(kStateName);
  auto how = folder.HowToResume();
  ASSERT_TRUE(how) << how.error().message;
  EXPECT_EQ(*how, Start::kResume);

  const auto forgotten = folder.ForgetState();
  ASSERT_TRUE(forgotten) << forgotten.error().message;
  EXPECT_EQ(std::filesystem::file_size(Path(kStateName)), 0U);
  how = folder.HowToResume();
  ASSERT_TRUE(how) << how.error().message;
  EXPECT_EQ(*how, Start::kResumeWithoutState);
  EXPECT_TRUE(folder.ForgetState());
}

// The daemon holds it from its start on, and cannot make another.
TEST_F(VmFolderTest, AStateThatIsForgottenIsTheSameFile) {
  const auto folder = Open();
  Make(kStateName);
  struct stat before = {};
  ASSERT_EQ(::stat(Path(kStateName).c_str(), &before), 0);
  ASSERT_TRUE(folder.ForgetState());
  struct stat after = {};
  ASSERT_EQ(::stat(Path(kStateName).c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
}

TEST_F(VmFolderTest, NothingElseIsEmptiedInTheStatesPlace) {
  const auto folder = Open();
  const std::string others = folders_.File("others");
  std::ofstream(others) << "content";
  for (const bool is_symbolic : {true, false}) {
    std::filesystem::remove(Path(kStateName));
    if (is_symbolic) {
      std::filesystem::create_symlink(others, Path(kStateName));
    } else {
      std::filesystem::create_hard_link(others, Path(kStateName));
    }
    EXPECT_FALSE(folder.ForgetState());
    EXPECT_EQ(std::filesystem::file_size(others), 7U);
  }
}

TEST_F(VmFolderTest, IsGivenToTheDomainsUser) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can give a file away";
  }
  const auto folder = Open();
  Make(kStoreName);
  const auto given = folder.GiveTo(12);
  ASSERT_TRUE(given) << given.error().message;
  struct stat status = {};
  for (const std::string& path : {Path(""), Path(kStoreName)}) {
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 65548U) << path;
    EXPECT_EQ(status.st_gid, 65548U) << path;
  }
}

TEST_F(VmFolderTest, ALinkAndAFileWithASecondNameAreNotGiven) {
  const auto folder = Open();
  const std::string others = folders_.File("others");
  std::ofstream(others) << "content";
  const auto is_refused = [&](std::string_view name) {
    const auto given = folder.GiveTo(12);
    ASSERT_FALSE(given);
    EXPECT_TRUE(given.error().message.starts_with(Path(name) + ": is no regular file, or has a "))
        << given.error().message;
    struct stat status = {};
    ASSERT_EQ(::stat(others.c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, ::geteuid());
  };
  std::filesystem::create_symlink(others, Path(kStateName));
  is_refused(kStateName);
  std::filesystem::remove(Path(kStateName));
  std::filesystem::create_hard_link(others, Path(kStateName));
  is_refused(kStateName);
  std::filesystem::remove(Path(kStateName));
  std::filesystem::create_directory(Path(kStateName));
  is_refused(kStateName);
}

}  // namespace
}  // namespace varstored::xl
