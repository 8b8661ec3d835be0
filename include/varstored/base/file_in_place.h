#pragma once

#include <string>
#include <utility>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/base/unique_fd.h"

namespace varstored::base {

/// A file that is written where it is, at a moment when it can no longer be opened: the right to
/// open it may have been given up, and that to make another.
class FileInPlace {
 public:
  /// Opens the regular file, which is made with mode 0600 when it is missing. What is in it stays.
  /// A symbolic link as the last name is an error: it may be another user's.
  [[nodiscard]] static Result<FileInPlace> Open(const std::string& path);

  /// Makes `bytes` the whole content, and syncs it. When it fails, what is in it may be cut off. An
  /// error, too, when nobody can find the file any more since it was removed.
  [[nodiscard]] Result<void> Write(ByteSpan bytes) const;

 private:
  FileInPlace(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;
};

}  // namespace varstored::base
