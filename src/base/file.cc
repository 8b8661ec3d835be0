#include "varstored/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <system_error>
#include <utility>

#include "varstored/base/file_in_place.h"
#include "varstored/base/held_file.h"
#include "varstored/base/unique_fd.h"

namespace varstored::base {
namespace {

/// O_NONBLOCK: the end of the process must not wait for a reader of a pipe. What is written
/// is the file of this name itself, and none that a link leads to.
constexpr int kOpenInPlace = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;

Failure<Error> FailWithErrno(const std::string& path, const char* what) {
  return Fail(path + ": " + what + ": " + ErrnoText());
}

Result<void> WriteAndSync(int fd, const std::string& path, ByteSpan bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return FailWithErrno(path, "cannot write");
    }
    done += static_cast<std::size_t>(count);
  }
  if (::fsync(fd) != 0) {
    return FailWithErrno(path, "cannot sync");
  }
  return {};
}

}  // namespace

std::string ErrnoText() { return std::generic_category().message(errno); }

Result<std::optional<Bytes>> ReadFileIfThere(const std::string& path, std::size_t max_bytes) {
  // Without O_NONBLOCK a pipe in the file's place would block the start for ever.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) {
    if (errno == ENOENT) {
      return std::optional<Bytes>();
    }
    return FailWithErrno(path, "cannot open");
  }
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0) {
    return FailWithErrno(path, "cannot stat");
  }
  if (!S_ISREG(status.st_mode)) {
    return Fail(path + ": not a regular file");
  }
  // What is read counts, not the size in the status: a file may grow meanwhile.
  Bytes bytes;
  std::array<std::uint8_t, 16384> chunk{};
  while (true) {
    const ssize_t count = ::read(fd.get(), chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return FailWithErrno(path, "cannot read");
    }
    if (count == 0) {
      return std::optional<Bytes>(std::move(bytes));
    }
    const ByteSpan part = ByteSpan(chunk).first(static_cast<std::size_t>(count));
    if (part.size() > max_bytes - bytes.size()) {
      return Fail(path + ": larger than " + std::to_string(max_bytes) + " bytes");
    }
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
}

Result<Bytes> ReadFile(const std::string& path, std::size_t max_bytes) {
  auto bytes = ReadFileIfThere(path, max_bytes);
  if (!bytes) {
    return bytes.failure();
  }
  if (!bytes->has_value()) {
    return Fail(path + ": no such file");
  }
  return *std::move(*bytes);
}

Result<void> WriteFileInPlace(const std::string& path, ByteSpan bytes) {
  const UniqueFd fd(::open(path.c_str(), kOpenInPlace | O_TRUNC, 0600));
  if (!fd.valid()) {
    return FailWithErrno(path, "cannot open for writing");
  }
  return WriteAndSync(fd.get(), path, bytes);
}

Result<FileInPlace> FileInPlace::Open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), kOpenInPlace, 0600));
  struct stat status = {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
    return FailWithErrno(path, "cannot open for writing");
  }
  if (!S_ISREG(status.st_mode)) {
    return Fail(path + ": not a regular file");
  }
  return FileInPlace(std::move(fd), path);
}

Result<void> FileInPlace::Write(ByteSpan bytes) const {
  struct stat status = {};
  if (::fstat(fd_.get(), &status) != 0) {
    return FailWithErrno(path_, "cannot stat");
  }
  if (status.st_nlink == 0) {
    return Fail(path_ + ": it was removed, and another one cannot be made");
  }
  return ::ftruncate(fd_.get(), 0) == 0 ? WriteAndSync(fd_.get(), path_, bytes)
                                        : FailWithErrno(path_, "cannot write");
}

Result<void> ReplaceFile(const std::string& path, ByteSpan bytes) {
  auto file = HeldFile::Open(path);
  if (!file) {
    return file.failure();
  }
  return file->exists() ? file->Replace(bytes) : file->Make(bytes, 0644);
}

}  // namespace varstored::base
