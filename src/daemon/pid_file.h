#pragma once

#include <string>

#include "varstored/base/result.h"
#include "varstored/base/unique_fd.h"

namespace varstored::daemon {

/// A file that holds "<pid>\n" and is locked (fcntl) as long as the object lives: the toolstack
/// takes the process for alive while it cannot get the lock itself. The file stays when the process
/// ends, because its folder is out of reach by then.
class PidFile {
 public:
  /// Fails when another process has the lock, and leaves the file as it is.
  [[nodiscard]] static base::Result<PidFile> Create(const std::string& path);

 private:
  explicit PidFile(base::UniqueFd fd) : fd_(std::move(fd)) {}

  base::UniqueFd fd_;
};

}  // namespace varstored::daemon
