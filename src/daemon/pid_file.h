#pragma once

#include <string>

#include "varstored/base/result.h"
#include "varstored/base/unique_fd.h"

namespace varstored::daemon {

/// A file that holds "<pid>\n" and is locked (fcntl, exclusively) as long as the object lives: the
/// toolstack takes the process for alive while it cannot get the lock itself. Its mode is 0600, so
/// that nobody else can have a lock on it; a file with a shared lock, which somebody has had since
/// an older daemon's time, is replaced. The file stays when the process ends, because its folder is
/// out of reach by then.
class PidFile {
 public:
  /// Fails when another process has the lock, and leaves the file as it is. Fails for root in a
  /// folder that others may write (base::HeldFolder).
  [[nodiscard]] static base::Result<PidFile> Create(const std::string& path);

 private:
  explicit PidFile(base::UniqueFd fd) : fd_(std::move(fd)) {}

  base::UniqueFd fd_;
};

}  // namespace varstored::daemon
