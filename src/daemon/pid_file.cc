#include "pid_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>

#include "varstored/base/file.h"
#include "varstored/base/held_file.h"

namespace varstored::daemon {
namespace {

/// The whole file, for a lock that only its owner can have.
struct flock WholeFile() {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

base::Failure<base::Error> FailWithErrno(const std::string& path, const char* what) {
  return base::Fail(path + ": " + what + ": " + base::ErrnoText());
}

bool IsNamed(const base::HeldFolder& folder, const std::string& name, const struct stat& file) {
  struct stat named = {};
  return ::fstatat(folder.fd(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         named.st_dev == file.st_dev && named.st_ino == file.st_ino;
}

/// The file of that name, made where there is none and locked. Nothing when it went away meanwhile,
/// or was made to go away, because a lock of somebody else's was on it.
base::Result<std::optional<base::UniqueFd>> TryToLock(const base::HeldFolder& folder,
                                                      const std::string& name,
                                                      const std::string& path) {
  constexpr int kOpen = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  constexpr mode_t kMode = 0600;
  base::UniqueFd fd(::openat(folder.fd(), name.c_str(), kOpen));
  if (!fd.valid() && errno == ENOENT) {
    fd.Reset(::openat(folder.fd(), name.c_str(), kOpen | O_CREAT | O_EXCL, kMode));
    if (!fd.valid() && errno == EEXIST) {
      return std::optional<base::UniqueFd>();
    }
  }
  struct stat status = {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
    return FailWithErrno(path, "cannot open the pid file");
  }
  if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid() || status.st_nlink > 1) {
    return base::Fail(path +
                      ": is no file of the daemon's own, or has a second name; remove it, so that "
                      "the pid file can be made");
  }
  struct flock lock = WholeFile();
  if (::fcntl(fd.get(), F_SETLK, &lock) != 0) {
    if (errno != EACCES && errno != EAGAIN) {
      return FailWithErrno(path, "cannot lock the pid file");
    }
    // Whoever can read a file can have a shared lock on it. A daemon's is none.
    if (::fcntl(fd.get(), F_GETLK, &lock) == 0 && lock.l_type == F_RDLCK &&
        IsNamed(folder, name, status)) {
      ::unlinkat(folder.fd(), name.c_str(), 0);
    } else if (lock.l_type != F_UNLCK) {
      return base::Fail(path + ": another process has locked the pid file");
    }
    return std::optional<base::UniqueFd>();
  }
  if (!IsNamed(folder, name, status)) {
    return std::optional<base::UniqueFd>();
  }
  // An older daemon's had 0644.
  return ::fchmod(fd.get(), kMode) == 0
             ? base::Result<std::optional<base::UniqueFd>>(std::move(fd))
             : FailWithErrno(path, "cannot close the pid file to others");
}

}  // namespace

base::Result<PidFile> PidFile::Create(const std::string& path) {
  constexpr int kTries = 8;
  const std::filesystem::path parts(path);
  const std::string name = parts.filename();
  if (name.empty()) {
    return base::Fail(path + ": is no name of a pid file");
  }
  const auto folder =
      base::HeldFolder::Open(parts.has_parent_path() ? parts.parent_path().string() : ".");
  if (!folder) {
    return base::Fail(path + ": cannot open the pid file: " + folder.error().message);
  }
  if (auto may = folder->CheckMayMake(); !may) {
    return may.failure();
  }
  base::UniqueFd fd;
  for (int i = 0; i < kTries && !fd.valid(); ++i) {
    auto locked = TryToLock(*folder, name, path);
    if (!locked) {
      return locked.failure();
    }
    fd = std::move(*locked).value_or(base::UniqueFd());
  }
  if (!fd.valid()) {
    return base::Fail(path + ": somebody else makes or removes the pid file again and again");
  }
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd.get(), 0) != 0 ||
      ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return FailWithErrno(path, "cannot write the pid file");
  }
  return PidFile(std::move(fd));
}

}  // namespace varstored::daemon
