#include "pid_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "varstored/base/unique_fd.h"

namespace varstored::xl {
namespace {

constexpr const char* kGone = "0c5ac1d5-9a43-4b0e-9d6f-2f8ad3a6e1b7.pid";
constexpr const char* kLocked = "1c5ac1d5-9a43-4b0e-9d6f-2f8ad3a6e1b7.pid";
constexpr const char* kThere = "2c5ac1d5-9a43-4b0e-9d6f-2f8ad3a6e1b7.pid";
constexpr const char* kOther = "somebody.pid";

/// Another process with a lock of this type on the file.
class Locker {
 public:
  Locker(const std::string& path, short type) {
    std::array<int, 2> ready = {-1, -1};
    EXPECT_EQ(::pipe2(ready.data(), O_CLOEXEC), 0);
    const base::UniqueFd from(ready[0]);
    base::UniqueFd to(ready[1]);
    pid_ = ::fork();
    if (pid_ == 0) {
      const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
      struct flock lock = {};
      lock.l_type = type;
      lock.l_whence = SEEK_SET;
      if (::fcntl(file, F_SETLK, &lock) == 0 && ::write(to.get(), "", 1) == 1) {
        ::pause();
      }
      ::_exit(1);
    }
    to.Reset();
    char byte = 1;
    EXPECT_EQ(::read(from.get(), &byte, 1), 1);
  }
  Locker(const Locker&) = delete;
  Locker& operator=(const Locker&) = delete;
  ~Locker() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

class PidFilesTest : public testing::Test {
 protected:
  PidFilesTest() {
    for (const char* name : {kGone, kLocked, kThere, kOther}) {
      std::ofstream(folder_.File(name)) << "1\n";
    }
  }
  [[nodiscard]] bool Has(const char* name) const {
    return std::filesystem::exists(folder_.File(name));
  }

  test::TemporaryFolder folder_;
  base::HeldFolder held_ = *base::HeldFolder::Open(folder_.path());
};

TEST_F(PidFilesTest, WhereOthersMayWriteNobodyIsADaemon) {
  const std::string path = folder_.File("run");
  ASSERT_TRUE(OpenPidFiles(path));
  EXPECT_TRUE(OpenPidFiles(path));
  for (const mode_t mode : {0775U, 0757U, 01777U}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const auto folder = OpenPidFiles(path);
    ASSERT_FALSE(folder);
    EXPECT_TRUE(folder.error().message.starts_with(path + ": others may write in this folder"));
  }
}

TEST_F(PidFilesTest, OnlyALockForWritingIsADaemons) {
  EXPECT_EQ(LockedBy(held_, kLocked), std::nullopt);
  EXPECT_EQ(LockedBy(held_, "none.pid"), std::nullopt);
  {
    const Locker reader(folder_.File(kLocked), F_RDLCK);
    EXPECT_EQ(LockedBy(held_, kLocked), std::nullopt);
  }
  const Locker daemon(folder_.File(kLocked), F_WRLCK);
  EXPECT_EQ(LockedBy(held_, kLocked), daemon.pid());
}

TEST_F(PidFilesTest, ThoseOfEndedDaemonsOfVmsThatAreGoneAreRemoved) {
  const Locker daemon(folder_.File(kLocked), F_WRLCK);
  RemoveEnded(held_, [](const std::string& uuid) { return uuid + ".pid" == kThere; });
  EXPECT_FALSE(Has(kGone));
  EXPECT_TRUE(Has(kLocked));
  EXPECT_TRUE(Has(kThere));
  EXPECT_TRUE(Has(kOther));
}

}  // namespace
}  // namespace varstored::xl
