#include "pid_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "varstored/base/file.h"

namespace varstored::daemon {

base::Result<PidFile> PidFile::Create(const std::string& path) {
  base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd.valid()) {
    return base::Fail(path + ": cannot open the pid file: " + base::ErrnoText());
  }
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_SETLK, &lock) != 0) {
    const bool is_taken = errno == EACCES || errno == EAGAIN;
    return base::Fail(path + ": " +
                      (is_taken ? "another process has locked the pid file"
                                : "cannot lock the pid file: " + base::ErrnoText()));
  }
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd.get(), 0) != 0 ||
      ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return base::Fail(path + ": cannot write the pid file: " + base::ErrnoText());
  }
  return PidFile(std::move(fd));
}

}  // namespace varstored::daemon
