#include "varstored/base/held_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "varstored/base/bytes.h"
#include "varstored/base/unique_fd.h"

namespace varstored::base {
namespace {

constexpr std::size_t kLimit = 1000;
constexpr uid_t kSomebody = 4711;

void Put(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

struct stat StatusOf(const std::string& path) {
  struct stat status = {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status;
}

class HeldFileTest : public ::testing::Test {
 protected:
  [[nodiscard]] static HeldFile Open(const std::string& path) {
    auto file = HeldFile::Open(path);
    EXPECT_TRUE(file.ok()) << file.error().message;
    return *std::move(file);
  }
  [[nodiscard]] static std::string Failure(const Result<HeldFile>& file) {
    return file ? "opened" : file.error().message;
  }
  [[nodiscard]] static std::string Failure(const Result<void>& done) {
    return done ? "done" : done.error().message;
  }
  [[nodiscard]] std::ptrdiff_t FilesThere() const {
    return std::distance(std::filesystem::directory_iterator(folder_.path()), {});
  }

  test::TemporaryFolder folder_;
  std::string path_ = folder_.File("file");
};

/// What only root can try, since it takes two users.
class HeldFileOfTwoUsersTest : public HeldFileTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "only root can be two users";
    }
  }
  /// Whether `act` is true for a process of somebody who is not root.
  template <class Act>
  [[nodiscard]] static bool IsTrueForSomebody(const Act& act) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(::setegid(kSomebody) == 0 && ::seteuid(kSomebody) == 0 && act() ? 0 : 1);
    }
    int status = 0;
    return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
};

TEST_F(HeldFileTest, IsReadAsOftenAsOneLikes) {
  Put(path_, "12345");
  const HeldFile file = Open(path_);
  EXPECT_TRUE(file.exists());
  for (int i = 0; i < 2; ++i) {
    const auto content = file.Read(5);
    ASSERT_TRUE(content.ok()) << content.error().message;
    EXPECT_EQ(ToString(*content), "12345");
  }
  EXPECT_EQ(file.Read(4).error().message, path_ + ": larger than 4 bytes");
}

TEST_F(HeldFileTest, ThatThereIsNoneIsNoErrorUntilItIsRead) {
  HeldFile file = Open(path_);
  EXPECT_FALSE(file.exists());
  EXPECT_EQ(file.fd(), -1);
  EXPECT_EQ(file.Read(kLimit).error().message, path_ + ": no such file");
  EXPECT_EQ(Failure(file.Replace(ToBytes("x"))), path_ + ": no such file");
}

TEST_F(HeldFileTest, WhatIsNoRegularFileIsNone) {
  ASSERT_EQ(::mkfifo(folder_.File("pipe").c_str(), 0600), 0);
  for (const std::string& path :
       {std::string("/dev/null"), folder_.path(), folder_.path() + "/", folder_.path() + "/.",
        folder_.path() + "/..", std::string("/"), folder_.File("pipe")}) {
    EXPECT_EQ(Failure(HeldFile::Open(path)), path + ": not a regular file");
  }
  EXPECT_EQ(Failure(HeldFile::Open("")), "a path is empty");
  Put(path_, "");
  EXPECT_EQ(Failure(HeldFile::Open(path_ + "/x")), path_ + "/x: cannot open: Not a directory");
  const std::string nowhere = folder_.File("no/file");
  EXPECT_EQ(Failure(HeldFile::Open(nowhere)),
            nowhere + ": cannot open its folder: No such file or directory");
}

TEST_F(HeldFileTest, OfALongerOneTheFrontCanBeRead) {
  Put(path_, std::string(kLimit, 'x') + "y");
  const HeldFile file = Open(path_);
  const auto front = file.ReadFront(kLimit);
  ASSERT_TRUE(front.ok()) << front.error().message;
  EXPECT_EQ(ToString(*front), std::string(kLimit, 'x'));
  EXPECT_EQ(file.ReadFront(kLimit + 1)->size(), kLimit + 1);
  EXPECT_EQ(file.ReadFront(kLimit + 2)->size(), kLimit + 1);
  EXPECT_FALSE(file.Read(kLimit).ok());
}

TEST_F(HeldFileTest, ABlockDeviceIsReadAndNeverWritten) {
  // A node needs its right, and opening it a device behind it, which a container has not always.
  if (::mknod(path_.c_str(), S_IFBLK | 0600, ::makedev(7, 0)) != 0) {
    GTEST_SKIP() << "no right to make a block device";
  }
  EXPECT_NE(Failure(HeldFile::Open(path_)), "opened");
  auto disk = HeldFile::OpenToRead(path_);
  if (!disk) {
    GTEST_SKIP() << disk.error().message;
  }
  EXPECT_TRUE(disk->ReadFront(kLimit).ok());
  EXPECT_EQ(Failure(disk->Replace({})), path_ + ": a block device, and nothing is written to one");
  EXPECT_TRUE(S_ISBLK(StatusOf(path_).st_mode));
}

TEST_F(HeldFileTest, EveryWayOfWritingAPathLeadsToTheFile) {
  Put(path_, "it");
  ASSERT_TRUE(std::filesystem::create_directory(folder_.File("a")));
  const std::string name = std::filesystem::path(folder_.path()).filename();
  for (const std::string& path :
       {folder_.path() + "//file", folder_.path() + "/./file", folder_.path() + "/a/../file",
        folder_.path() + "/../" + name + "/file"}) {
    EXPECT_EQ(ToString(*Open(path).Read(kLimit)), "it") << path;
  }
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  EXPECT_EQ(ToString(*Open("file").Read(kLimit)), "it");
  EXPECT_EQ(ToString(*Open("a/../file").Read(kLimit)), "it");
  std::filesystem::current_path(before);
}

TEST_F(HeldFileTest, LinksInAFolderOfOurOwnAreFollowed) {
  ASSERT_TRUE(std::filesystem::create_directory(folder_.File("real")));
  Put(folder_.File("real/file"), "it");
  std::filesystem::create_symlink("real", folder_.File("relative"));
  std::filesystem::create_symlink(folder_.File("real"), folder_.File("absolute"));
  std::filesystem::create_symlink("relative/../absolute/file", folder_.File("both"));
  for (const char* name : {"relative/file", "absolute/file", "both"}) {
    HeldFile file = Open(folder_.File(name));
    EXPECT_EQ(ToString(*file.Read(kLimit)), "it") << name;
    EXPECT_EQ(Failure(file.Replace(ToBytes("it"))), "done") << name;
  }
  EXPECT_TRUE(std::filesystem::is_symlink(folder_.File("both")));
  std::filesystem::create_symlink("circle", folder_.File("circle"));
  EXPECT_EQ(Failure(HeldFile::Open(folder_.File("circle"))),
            folder_.File("circle") + ": cannot open: Too many levels of symbolic links");
}

TEST_F(HeldFileTest, ALinkInAFolderThatOthersMayWriteIsNotFollowed) {
  ASSERT_TRUE(std::filesystem::create_directory(folder_.File("open")));
  Put(path_, "it");
  std::filesystem::create_symlink("../file", folder_.File("open/link"));
  std::filesystem::create_symlink("..", folder_.File("open/up"));
  for (const mode_t mode : {0770U, 0707U, 01777U, 0777U}) {
    ASSERT_EQ(::chmod(folder_.File("open").c_str(), mode), 0);
    for (const char* name : {"link", "up"}) {
      const std::string path = folder_.File("open/") + name + (*name == 'u' ? "/file" : "");
      EXPECT_EQ(Failure(HeldFile::Open(path)),
                path + ": '" + name +
                    "' in it is a symbolic link in a folder that others may write, and is not "
                    "followed. Give the path that it leads to");
    }
  }
  ASSERT_EQ(::chmod(folder_.File("open").c_str(), 0755), 0);
  EXPECT_TRUE(Open(folder_.File("open/link")).exists());
  EXPECT_TRUE(Open(folder_.File("open/up/file")).exists());
}

TEST_F(HeldFileTest, WhatBecomesOfThePathMeanwhileLeadsNothingElsewhere) {
  ASSERT_TRUE(std::filesystem::create_directory(folder_.File("a")));
  ASSERT_TRUE(std::filesystem::create_directory(folder_.File("others")));
  Put(folder_.File("a/file"), "old");
  Put(folder_.File("others/file"), "others'");
  HeldFile file = Open(folder_.File("a/file"));
  std::filesystem::rename(folder_.File("a"), folder_.File("b"));
  std::filesystem::create_symlink("others", folder_.File("a"));
  EXPECT_EQ(ToString(*file.Read(kLimit)), "old");
  EXPECT_EQ(Failure(file.Replace(ToBytes("new"))), "done");
  EXPECT_EQ(Content(folder_.File("b/file")), "new");
  EXPECT_EQ(Content(folder_.File("others/file")), "others'");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.File("others")), {}), 1);
}

TEST_F(HeldFileTest, AnotherFileInItsPlaceIsNotReplaced) {
  Put(path_, "old");
  HeldFile file = Open(path_);
  Put(folder_.File("other"), "other");
  std::filesystem::rename(folder_.File("other"), path_);
  const std::string refused = path_ +
                              ": somebody else has put something in its place just now; nothing "
                              "was written. Run this again";
  EXPECT_EQ(Failure(file.Replace(ToBytes("new"))), refused);
  EXPECT_EQ(Content(path_), "other");

  Put(folder_.File("secret"), "secret");
  std::filesystem::remove(path_);
  std::filesystem::create_symlink("secret", path_);
  EXPECT_EQ(Failure(file.Replace(ToBytes("new"))), refused);
  EXPECT_EQ(Content(folder_.File("secret")), "secret");
  EXPECT_EQ(FilesThere(), 2);
}

TEST_F(HeldFileTest, ItHoldsWhatItHasWritten) {
  HeldFile file = Open(path_);
  EXPECT_EQ(Failure(file.Make(ToBytes("first"), 0640)), "done");
  EXPECT_EQ(ToString(*file.Read(kLimit)), "first");
  EXPECT_EQ(StatusOf(path_).st_mode & 07777U, 0640U);
  EXPECT_EQ(Failure(file.Replace(ToBytes("second"))), "done");
  EXPECT_EQ(Failure(file.Replace(ToBytes("third"))), "done");
  EXPECT_EQ(ToString(*file.Read(kLimit)), "third");
  EXPECT_EQ(Content(path_), "third");
  EXPECT_EQ(FilesThere(), 1);
}

TEST_F(HeldFileTest, WhatIsMadeTakesNobodysPlace) {
  HeldFile file = Open(path_);
  Put(folder_.File("secret"), "secret");
  std::filesystem::create_symlink("secret", path_);
  EXPECT_EQ(Failure(file.Make(ToBytes("new"), 0600)), path_ + ": cannot put it there: File exists");
  EXPECT_EQ(Content(folder_.File("secret")), "secret");
  std::filesystem::remove(path_);
  EXPECT_EQ(Failure(file.Make(ToBytes("new"), 0600)), "done");
  EXPECT_EQ(Failure(file.Make(ToBytes("new"), 0600)), path_ + ": cannot make it: File exists");
  EXPECT_EQ(FilesThere(), 2);
}

TEST_F(HeldFileTest, TheLongestNameHasAPlaceBesideItToo) {
  HeldFile file = Open(folder_.File(std::string(255, 'n')));
  EXPECT_EQ(Failure(file.Make(ToBytes("1"), 0600)), "done");
  EXPECT_EQ(Failure(file.Replace(ToBytes("2"))), "done");
  EXPECT_EQ(FilesThere(), 1);
}

TEST_F(HeldFileTest, ASetIdBitIsNotTakenOver) {
  Put(path_, "old");
  ASSERT_EQ(::chmod(path_.c_str(), 06755), 0);
  EXPECT_EQ(Failure(Open(path_).Replace(ToBytes("new"))), "done");
  EXPECT_EQ(StatusOf(path_).st_mode & 07777U, 0755U);
}

TEST_F(HeldFileTest, AFileInAHeldFolderIsNoPath) {
  const auto folder = HeldFolder::Open(folder_.path());
  ASSERT_TRUE(folder.ok());
  Put(path_, "it");
  const auto file = HeldFile::OpenIn(*folder, "file");
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(ToString(*file->Read(kLimit)), "it");
  std::filesystem::create_symlink("file", folder_.File("link"));
  for (const char* name : {"", ".", "..", "a/b", "../file", "link"}) {
    EXPECT_FALSE(HeldFile::OpenIn(*folder, name).ok()) << name;
  }
}

// Such as a process of the same id had begun to write when the power went.
TEST_F(HeldFileTest, WhatIsLeftBehindIsInNobodysWay) {
  Put(path_, "old");
  for (const std::string& name : {path_, folder_.File("made")}) {
    std::filesystem::create_directory(name + "." + std::to_string(::getpid()) + ".new");
  }
  EXPECT_EQ(Failure(Open(path_).Replace(ToBytes("new"))), "done");
  EXPECT_EQ(Content(path_), "new");
  EXPECT_EQ(Failure(Open(folder_.File("made")).Make(ToBytes("new"), 0600)), "done");
  EXPECT_EQ(FilesThere(), 4);
  EXPECT_NE(NameBeside("name"), NameBeside("name"));
}

TEST_F(HeldFileTest, AFolderIsMadeWithAllThatItStandsIn) {
  const mode_t before = ::umask(0);
  const auto folder = HeldFolder::OpenOrMake(folder_.File("a/b/c/"), 0700);
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  ::umask(before);
  EXPECT_EQ(StatusOf(folder_.File("a/b/c")).st_mode & 07777U, 0700U);
  EXPECT_EQ(StatusOf(folder_.File("a/b")).st_mode & 07777U, 0755U);
  EXPECT_TRUE(HeldFolder::OpenOrMake(folder_.File("a/b"), 0700).ok());
  EXPECT_TRUE(folder->MakeFolder("d", 0700).ok());
  EXPECT_FALSE(folder->MakeFolder("d", 0700).ok());
  Put(path_, "");
  EXPECT_FALSE(HeldFolder::OpenOrMake(path_, 0700).ok());
  EXPECT_FALSE(HeldFolder::OpenOrMake(path_ + "/x", 0700).ok());
}

TEST_F(HeldFileTest, AFolderInOneThatIsHeldIsOpenedThroughNoLink) {
  std::filesystem::create_directories(folder_.File("a/b"));
  std::filesystem::create_directory_symlink("b", folder_.File("a/link"));
  const auto folder = HeldFolder::Open(folder_.File("a"));
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  EXPECT_TRUE(folder->OpenFolder("b").ok());
  EXPECT_FALSE(folder->OpenFolder("link").ok());
  EXPECT_FALSE(folder->OpenFolder("none").ok());
}

TEST_F(HeldFileOfTwoUsersTest, RootWritesNothingWhereOthersMayWrite) {
  Put(path_, "old");
  ASSERT_EQ(::chown(path_.c_str(), kSomebody, kSomebody), 0);
  const auto is_refused = [this] {
    const std::string refused =
        folder_.path() +
        ": others may write in this folder, so nothing was written there. Use one in which only "
        "root and the caller may write";
    EXPECT_EQ(Failure(Open(path_).Replace(ToBytes("new"))), refused);
    EXPECT_EQ(Failure(Open(folder_.File("new")).Make(ToBytes("new"), 0600)), refused);
    EXPECT_EQ(Failure(HeldFolder::Open(folder_.path())->CheckMayMake()), refused);
    EXPECT_EQ(Content(path_), "old");
    EXPECT_EQ(FilesThere(), 1);
  };
  for (const mode_t mode : {0770U, 0707U, 01777U}) {
    ASSERT_EQ(::chmod(folder_.path().c_str(), mode), 0);
    is_refused();
  }
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0700), 0);
  ASSERT_EQ(::chown(folder_.path().c_str(), kSomebody, kSomebody), 0);
  is_refused();
  ASSERT_EQ(::chown(folder_.path().c_str(), 0, 0), 0);
  EXPECT_EQ(Failure(Open(path_).Replace(ToBytes("new"))), "done");
  EXPECT_EQ(StatusOf(path_).st_uid, kSomebody);
}

TEST_F(HeldFileOfTwoUsersTest, AnotherUserReplacesTheirOwnFileWhereOthersMayWrite) {
  Put(path_, "old");
  Put(folder_.File("roots"), "old");
  ASSERT_EQ(::chown(path_.c_str(), kSomebody, kSomebody), 0);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 01777), 0);
  EXPECT_TRUE(IsTrueForSomebody([this] { return Open(path_).Replace(ToBytes("new")).ok(); }));
  EXPECT_TRUE(IsTrueForSomebody(
      [this] { return Open(folder_.File("own")).Make(ToBytes("new"), 0600).ok(); }));
  EXPECT_TRUE(IsTrueForSomebody(
      [this] { return !Open(folder_.File("roots")).Replace(ToBytes("new")).ok(); }));
  EXPECT_EQ(Content(path_), "new");
  EXPECT_EQ(Content(folder_.File("roots")), "old");
}

}  // namespace
}  // namespace varstored::base
