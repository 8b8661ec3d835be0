#pragma once

#include <string>
#include <utility>

#include "varstored/base/file_in_place.h"
#include "varstored/base/result.h"

namespace varstored::daemon {

/// The word of a daemon that may be killed to the one that comes after it: the operating system of
/// this very guest has not been started yet (docs/xen-door.md, "Takeover"). The file is
/// in /run, which is the memory of the host: to empty it takes no room, and it does not outlive the
/// guest when the host goes down.
class BootTimeFile {
 public:
  /// Looks for the mark of the daemon whose word is `former_start` in the file at `path`, which is
  /// made when it is missing, and removes it. Mark writes `start`: a word of this daemon's own, so
  /// that a mark which could not be removed is nobody's. The folder has to be of the caller alone;
  /// the file stays open.
  [[nodiscard]] static base::Result<BootTimeFile> Open(const std::string& path, std::string start,
                                                       const std::string& former_start);

  /// Whether Open has found the mark. That of another daemon is none.
  [[nodiscard]] bool was_marked() const { return was_marked_; }

  [[nodiscard]] base::Result<void> Mark() const;
  /// When it returns without an error, nobody finds the mark any more.
  [[nodiscard]] base::Result<void> Remove() const;

 private:
  BootTimeFile(base::FileInPlace file, std::string start, bool was_marked)
      : file_(std::move(file)), start_(std::move(start)), was_marked_(was_marked) {}

  base::FileInPlace file_;
  std::string start_;
  bool was_marked_;
};

}  // namespace varstored::daemon
