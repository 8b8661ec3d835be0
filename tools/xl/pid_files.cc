#include "pid_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "arguments.h"
#include "varstored/base/unique_fd.h"

namespace varstored::xl {
namespace {

constexpr std::string_view kEnd = ".pid";

}  // namespace

base::Result<base::HeldFolder> OpenPidFiles(const std::string& path) {
  auto folder = base::HeldFolder::OpenOrMake(path, 0755);
  if (folder && !folder->IsOursAlone()) {
    return base::Fail(path +
                      ": others may write in this folder, which has the daemons' pid files. Give "
                      "it to root, and close it to others (chown root, chmod 0755)");
  }
  return folder;
}

std::optional<pid_t> LockedBy(const base::HeldFolder& folder, const std::string& name) {
  const base::UniqueFd file(
      ::openat(folder.fd(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  // Asked for as a reader would: only a lock for writing is in its way.
  struct flock lock = {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  if (!file.valid() || ::fcntl(file.get(), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) {
    return std::nullopt;
  }
  return lock.l_pid;
}

void RemoveEnded(const base::HeldFolder& folder,
                 const std::function<bool(const std::string& uuid)>& there) {
  constexpr std::size_t kMostFiles = 65536;
  const auto names = folder.Names(kMostFiles);
  if (!names) {
    return;
  }
  for (const std::string& name : *names) {
    const std::string uuid = name.substr(0, name.size() - std::min(name.size(), kEnd.size()));
    if (name.ends_with(kEnd) && IsUuid(uuid) && !LockedBy(folder, name) && !there(uuid)) {
      ::unlinkat(folder.fd(), name.c_str(), 0);
    }
  }
}

}  // namespace varstored::xl
