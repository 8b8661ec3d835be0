#include "vm_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "varstored/base/bytes.h"
#include "varstored/base/file.h"
#include "varstored/base/held_file.h"

namespace varstored::xl {
namespace {

/// As chmod takes it.
std::string ModeText(mode_t mode) {
  constexpr std::array<unsigned, 4> kShifts = {9, 6, 3, 0};
  std::string text;
  for (const unsigned shift : kShifts) {
    text += static_cast<char>('0' + (mode >> shift & 7U));
  }
  return text;
}

}  // namespace

base::Result<VmFolder> VmFolder::Open(const std::string& folder, const std::string& uuid) {
  const auto parent = base::HeldFolder::OpenOrMake(folder, 0755);
  if (!parent) {
    return parent.failure();
  }
  if (!parent->IsOursAlone()) {
    return base::Fail(folder +
                      ": others may write in this folder, so that VMs' variables are not safe in "
                      "it. Give it to root, and close it to others (chown root, chmod 0755)");
  }
  std::string path = folder + "/" + uuid;
  if (::mkdirat(parent->fd(), uuid.c_str(), 0700) != 0 && errno != EEXIST) {
    return base::Fail(path + ": cannot make the folder: " + base::ErrnoText());
  }
  base::UniqueFd fd(
      ::openat(parent->fd(), uuid.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    return base::Fail(path + ": cannot open the folder: " + base::ErrnoText());
  }
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0) {
    return base::Fail(path + ": cannot stat: " + base::ErrnoText());
  }
  const bool is_ours =
      status.st_uid == 0 || status.st_uid == ::geteuid() || IsUserOfVm(status.st_uid);
  if (!is_ours || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return base::Fail(path + ": it belongs to user " + std::to_string(status.st_uid) +
                      " with mode " + ModeText(status.st_mode) +
                      ", so that somebody else than root and the VM may have written in it. Look "
                      "at what is in it, then give it to root (chown -R root, chmod 0700)");
  }
  return VmFolder(std::move(fd), std::move(path));
}

base::Result<void> VmFolder::GiveTo(std::uint16_t domain) const {
  const std::uint32_t user = UserFor(domain);
  const auto failed = [&](const std::string& path) {
    return base::Fail(path + ": cannot give it to user " + std::to_string(user) + ": " +
                      base::ErrnoText());
  };
  // The folder was the last daemon's, which may have been taken over: what it has put there in the
  // place of a file, be it another file's second name, stays whose it is.
  const std::string store(kStoreName);
  for (const std::string& name : {store, store + "-wal", std::string(kStateName)}) {
    const std::string path = path_ + "/" + name;
    const base::UniqueFd file(::openat(fd_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!file.valid() && errno == ENOENT) {
      continue;
    }
    struct stat status = {};
    if (!file.valid() || ::fstat(file.get(), &status) != 0) {
      return failed(path);
    }
    if (!S_ISREG(status.st_mode) || status.st_nlink != 1) {
      return base::Fail(path +
                        ": is no regular file, or has a second name elsewhere, so it is not given "
                        "to the VM's user. Look at how it came there, then remove it");
    }
    if (::fchownat(file.get(), "", user, user, AT_EMPTY_PATH) != 0) {
      return failed(path);
    }
  }
  return ::fchown(fd_.get(), user, user) == 0 ? base::Result<void>() : failed(path_);
}

base::Result<void> VmFolder::KeepName(std::string name) const {
  constexpr std::string_view kIncoming = "--incoming";
  if (name.ends_with(kIncoming)) {
    name.resize(name.size() - kIncoming.size());
  }
  if (name.empty() || name.size() > kMaxNameBytes) {
    name.clear();
  }
  auto file = base::HeldFile::Open(path_ + ".name");
  if (!file) {
    return base::Fail(file.error().message);
  }
  constexpr mode_t kMode = 0644;
  return file->exists() ? file->Replace(base::ToBytes(name))
                        : file->Make(base::ToBytes(name), kMode);
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
