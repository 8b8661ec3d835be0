#include "varstored/base/file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "varstored/base/bytes.h"
#include "varstored/base/file_in_place.h"
#include "varstored/base/unique_fd.h"

namespace varstored::base {
namespace {

constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

void Make(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string Message(const Result<std::optional<Bytes>>& read) {
  return read ? "read" : read.error().message;
}
std::string Message(const Result<Bytes>& read) { return read ? "read" : read.error().message; }
std::string Message(const Result<void>& write) { return write ? "written" : write.error().message; }

class File : public ::testing::Test {
 protected:
  [[nodiscard]] std::ptrdiff_t FilesThere() const {
    return std::distance(std::filesystem::directory_iterator(folder_.path()), {});
  }

  test::TemporaryFolder folder_;
  std::string path_ = folder_.File("file");
};

TEST_F(File, TheWholeContentIsRead) {
  // Around the sizes in which a file is read.
  for (const std::size_t size : {0U, 1U, 16383U, 16384U, 16385U, 100000U}) {
    std::string content(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
      content[i] = static_cast<char>(i * 7);
    }
    Make(path_, content);
    const auto bytes = ReadFile(path_, size);
    ASSERT_TRUE(bytes) << bytes.error().message;
    EXPECT_EQ(ToString(*bytes), content);
    const auto there = ReadFileIfThere(path_, kNoLimit);
    ASSERT_TRUE(there && there->has_value());
    EXPECT_EQ(**there, *bytes);
  }
}

TEST_F(File, AMissingFileIsNothingOrAnError) {
  const auto there = ReadFileIfThere(path_, 10);
  ASSERT_TRUE(there);
  EXPECT_FALSE(there->has_value());
  EXPECT_EQ(Message(ReadFile(path_, 10)), path_ + ": no such file");
}

TEST_F(File, AnEmptyFileIsThere) {
  Make(path_, "");
  const auto there = ReadFileIfThere(path_, 0);
  ASSERT_TRUE(there && there->has_value());
  EXPECT_TRUE((*there)->empty());
}

TEST_F(File, OneByteMoreThanAllowedIsTooLarge) {
  Make(path_, "12345");
  EXPECT_EQ(Message(ReadFile(path_, 5)), "read");
  EXPECT_EQ(Message(ReadFile(path_, 4)), path_ + ": larger than 4 bytes");
  EXPECT_EQ(Message(ReadFileIfThere(path_, 0)), path_ + ": larger than 0 bytes");
}

TEST_F(File, TheLimitCountsWhatIsReadNotWhatTheStatusSays) {
  // The kernel says 0 bytes of this one, as it would of a file that grows a moment later.
  const std::string path = "/proc/self/maps";
  struct stat status = {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  ASSERT_EQ(status.st_size, 0);
  EXPECT_EQ(Message(ReadFile(path, 100)), path + ": larger than 100 bytes");
  const auto bytes = ReadFile(path, kNoLimit);
  ASSERT_TRUE(bytes);
  EXPECT_GT(bytes->size(), 100U);
}

TEST_F(File, AFolderADeviceAndAPipeAreNoFiles) {
  EXPECT_EQ(Message(ReadFile(folder_.path(), 10)), folder_.path() + ": not a regular file");
  EXPECT_EQ(Message(ReadFile("/dev/zero", 10)), "/dev/zero: not a regular file");
  // Nobody writes to it: a reader that waits would wait for ever.
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(Message(ReadFileIfThere(path_, 10)), path_ + ": not a regular file");
}

TEST_F(File, AFileThatCannotBeOpenedOrReadIsAnErrorNotAMissingOne) {
  ASSERT_EQ(::symlink(path_.c_str(), path_.c_str()), 0);
  EXPECT_EQ(Message(ReadFileIfThere(path_, 10)),
            path_ + ": cannot open: Too many levels of symbolic links");
  Make(folder_.File("plain"), "x");
  const std::string below = folder_.File("plain/below");
  EXPECT_EQ(Message(ReadFileIfThere(below, 10)), below + ": cannot open: Not a directory");
  // The page at address 0 is never there.
  EXPECT_EQ(Message(ReadFileIfThere("/proc/self/mem", 10)),
            "/proc/self/mem: cannot read: Input/output error");
}

TEST_F(File, AFileWithoutPermissionIsAnError) {
  Make(path_, "secret");
  ASSERT_EQ(::chmod(path_.c_str(), 0), 0);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
  const uid_t user = ::geteuid();
  if (user == 0) {
    // Root may read everything.
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const std::string message = Message(ReadFileIfThere(path_, 10));
  ASSERT_EQ(::seteuid(user), 0);
  EXPECT_EQ(message, path_ + ": cannot open: Permission denied");
}

TEST_F(File, WritingMakesAFileThatOnlyItsOwnerReads) {
  EXPECT_EQ(Message(WriteFileInPlace(path_, ToBytes("new"))), "written");
  EXPECT_EQ(Content(path_), "new");
  struct stat status = {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST_F(File, WritingInPlaceKeepsTheFileItself) {
  Make(path_, "older and longer content");
  ASSERT_EQ(::chmod(path_.c_str(), 0640), 0);
  struct stat before = {};
  ASSERT_EQ(::stat(path_.c_str(), &before), 0);
  // Whoever had the file open sees what is written.
  const UniqueFd held(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(held.valid());

  EXPECT_EQ(Message(WriteFileInPlace(path_, ToBytes("short"))), "written");

  struct stat after = {};
  ASSERT_EQ(::stat(path_.c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_EQ(Content(path_), "short");
  std::string seen(32, '\0');
  EXPECT_EQ(::read(held.get(), seen.data(), seen.size()), 5);
}

TEST_F(File, LargeAndEmptyContentIsWritten) {
  const Bytes large(3000000, 0xA5);
  EXPECT_EQ(Message(WriteFileInPlace(path_, large)), "written");
  const auto back = ReadFile(path_, large.size());
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, large);
  EXPECT_EQ(Message(WriteFileInPlace(path_, {})), "written");
  EXPECT_EQ(Content(path_), "");
}

TEST_F(File, AFullDeviceIsAnError) {
  EXPECT_EQ(Message(WriteFileInPlace("/dev/full", ToBytes("x"))),
            "/dev/full: cannot write: No space left on device");
}

TEST_F(File, WhatCannotBeSyncedIsAnError) {
  EXPECT_EQ(Message(WriteFileInPlace("/dev/null", ToBytes("x"))),
            "/dev/null: cannot sync: Invalid argument");
}

TEST_F(File, AFileThatCannotBeOpenedForWritingIsAnError) {
  EXPECT_EQ(Message(WriteFileInPlace(folder_.path(), ToBytes("x"))),
            folder_.path() + ": cannot open for writing: Is a directory");
  const std::string nowhere = folder_.File("no/where");
  EXPECT_EQ(Message(WriteFileInPlace(nowhere, ToBytes("x"))),
            nowhere + ": cannot open for writing: No such file or directory");
}

TEST_F(File, WritingDoesNotWaitForTheReaderOfAPipe) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(Message(WriteFileInPlace(path_, ToBytes("x"))),
            path_ + ": cannot open for writing: No such device or address");
}

TEST_F(File, AFileInPlaceIsMadeAndKeepsWhatIsInItUntilItIsWritten) {
  {
    const auto file = FileInPlace::Open(path_);
    ASSERT_TRUE(file);
    struct stat status = {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
    EXPECT_TRUE(file->Write(ToBytes("older and longer content")));
  }
  const auto file = FileInPlace::Open(path_);
  ASSERT_TRUE(file);
  EXPECT_EQ(Content(path_), "older and longer content");
  EXPECT_TRUE(file->Write(ToBytes("short")));
  EXPECT_EQ(Content(path_), "short");
}

TEST_F(File, ALinkInTheFilesPlaceLeadsNothingThatIsWrittenElsewhere) {
  const std::string link = folder_.File("link");
  for (const bool there : {false, true}) {
    if (there) {
      Make(path_, "another's");
    }
    static_cast<void>(::unlink(link.c_str()));
    ASSERT_EQ(::symlink(path_.c_str(), link.c_str()), 0);
    EXPECT_FALSE(WriteFileInPlace(link, ToBytes("x")));
    EXPECT_FALSE(FileInPlace::Open(link));
    EXPECT_EQ(::access(path_.c_str(), F_OK) == 0, there);
  }
  EXPECT_EQ(Content(path_), "another's");
}

TEST_F(File, AFileInPlaceIsARegularOneThatIsStillThere) {
  EXPECT_EQ(FileInPlace::Open("/dev/null").error().message, "/dev/null: not a regular file");
  EXPECT_FALSE(FileInPlace::Open(folder_.path()));
  const auto file = FileInPlace::Open(path_);
  ASSERT_TRUE(file);
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  EXPECT_EQ(file->Write(ToBytes("x")).error().message,
            path_ + ": it was removed, and another one cannot be made");
}

TEST_F(File, AFileIsReplacedByAnother) {
  Make(path_, "a long old content");
  const UniqueFd held(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(held.valid());

  EXPECT_EQ(Message(ReplaceFile(path_, ToBytes("new"))), "written");

  EXPECT_EQ(Content(path_), "new");
  std::string seen(32, '\0');
  EXPECT_EQ(::read(held.get(), seen.data(), seen.size()), 18);
  EXPECT_EQ(FilesThere(), 1);
}

TEST_F(File, AFileIsMadeWhenThereIsNoneToReplace) {
  EXPECT_EQ(Message(ReplaceFile(path_, ToBytes("new"))), "written");
  EXPECT_EQ(Content(path_), "new");
}

TEST_F(File, TheFileBehindASymbolicLinkIsReplaced) {
  Make(path_, "old");
  const std::string link = folder_.File("link");
  ASSERT_EQ(::symlink(path_.c_str(), link.c_str()), 0);
  EXPECT_EQ(Message(ReplaceFile(link, ToBytes("new"))), "written");
  EXPECT_EQ(Content(path_), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(link));
}

TEST_F(File, TheNewFileHasTheOwnerAndTheModeOfTheOld) {
  Make(path_, "old");
  ASSERT_EQ(::chmod(path_.c_str(), 0640), 0);
  // Without the right to give a file away, the test still has its mode.
  const uid_t owner = ::chown(path_.c_str(), 1234, 2345) == 0 ? 1234 : ::getuid();
  EXPECT_EQ(Message(ReplaceFile(path_, ToBytes("new"))), "written");
  struct stat status = {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0640U);
  EXPECT_EQ(status.st_uid, owner);
  EXPECT_EQ(Content(path_), "new");
}

TEST_F(File, WhatIsNoFileIsNotReplaced) {
  EXPECT_EQ(Message(ReplaceFile("/dev/null", ToBytes("x"))), "/dev/null: not a regular file");
  EXPECT_EQ(Message(ReplaceFile(folder_.path(), ToBytes("x"))),
            folder_.path() + ": not a regular file");
}

TEST_F(File, WhatDoesNotFitOnTheDiskReplacesNothing) {
  Make(path_, "old");
  rlimit limit = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit smaller = {.rlim_cur = 10, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &smaller), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const std::string message = Message(ReplaceFile(path_, Bytes(11, 'x')));
  EXPECT_EQ(std::signal(SIGXFSZ, handler), SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  EXPECT_NE(message.find("cannot write: File too large"), std::string::npos) << message;
  EXPECT_EQ(Content(path_), "old");
  EXPECT_EQ(FilesThere(), 1);
}

TEST_F(File, NoDescriptorIsLeftOpen) {
  const auto lowest_free = [] { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)).get(); };
  const int before = lowest_free();
  Make(path_, "12345");
  EXPECT_EQ(Message(ReadFile(path_, 5)), "read");
  EXPECT_EQ(Message(ReadFile(path_, 1)), path_ + ": larger than 1 bytes");
  EXPECT_EQ(Message(WriteFileInPlace(path_, {})), "written");
  EXPECT_EQ(Message(ReplaceFile(path_, {})), "written");
  EXPECT_EQ(lowest_free(), before);
}

}  // namespace
}  // namespace varstored::base
