#include "vm_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "varstored/base/file.h"

namespace varstored::xl {

base::Result<VmFolder> VmFolder::Open(const std::string& folder, const std::string& uuid) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return base::Fail(folder + ": cannot make the folder: " + error.message());
  }
  std::string path = folder + "/" + uuid;
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return base::Fail(path + ": cannot make the folder: " + base::ErrnoText());
  }
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    return base::Fail(path + ": cannot open the folder: " + base::ErrnoText());
  }
  return VmFolder(std::move(fd), std::move(path));
}

base::Result<void> VmFolder::GiveTo(std::uint16_t domain) const {
  const std::uint32_t user = UserFor(domain);
  if (::fchown(fd_.get(), user, user) != 0) {
    return base::Fail(path_ + ": cannot give it to user " + std::to_string(user) + ": " +
                      base::ErrnoText());
  }
  // The folder was the last daemon's, which may have been taken over: links are not followed.
  const std::string store(kStoreName);
  for (const std::string& name : {store, store + "-wal", std::string(kStateName)}) {
    if (::fchownat(fd_.get(), name.c_str(), user, user, AT_SYMLINK_NOFOLLOW) != 0 &&
        errno != ENOENT) {
      return base::Fail(path_ + "/" + name + ": cannot give it to user " + std::to_string(user) +
                        ": " + base::ErrnoText());
    }
  }
  return {};
}

bool VmFolder::Has(std::string_view name) const {
  return ::faccessat(fd_.get(), std::string(name).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

base::Result<Start> VmFolder::HowToResume() const {
  if (!Has(kStoreName)) {
    return base::Fail(path_ + "/" + std::string(kStoreName) +
                      " is missing: this host does not have the VM's variables; copy the folder "
                      "from the host where it was saved");
  }
  struct stat status = {};
  const bool is_saved =
      ::fstatat(fd_.get(), std::string(kStateName).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      status.st_size > 0;
  return is_saved ? Start::kResume : Start::kResumeWithoutState;
}

base::Result<void> VmFolder::ForgetState() const {
  const std::string path = path_ + "/" + std::string(kStateName);
  const base::UniqueFd state(::openat(fd_.get(), std::string(kStateName).c_str(),
                                      O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!state.valid()) {
    return errno == ENOENT ? base::Result<void>()
                           : base::Fail(path + ": cannot open for writing: " + base::ErrnoText());
  }
  // The folder is the daemon's, which may have been taken over: nothing else is emptied under this
  // name.
  struct stat status = {};
  if (::fstat(state.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1) {
    return base::Fail(path + ": not a file of one name");
  }
  if (::ftruncate(state.get(), 0) != 0 || ::fsync(state.get()) != 0) {
    return base::Fail(path + ": cannot empty it: " + base::ErrnoText());
  }
  return {};
}

}  // namespace varstored::xl
