#include "varstored/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "varstored/base/unique_fd.h"

namespace varstored::base {
namespace {

Failure<Error> FailWithErrno(const std::string& path, const char* what) {
  return Fail(path + ": " + what + ": " + ErrnoText());
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
  // One byte more than allowed: a file that grows while it is read is noticed as well.
  Bytes bytes(max_bytes + 1);
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t count = ::read(fd.get(), bytes.data() + size, bytes.size() - size);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return FailWithErrno(path, "cannot read");
    }
    if (count == 0) {
      break;
    }
    size += static_cast<std::size_t>(count);
  }
  if (size > max_bytes) {
    return Fail(path + ": larger than " + std::to_string(max_bytes) + " bytes");
  }
  bytes.resize(size);
  bytes.shrink_to_fit();
  return std::optional<Bytes>(std::move(bytes));
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
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return FailWithErrno(path, "cannot open for writing");
  }
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::write(fd.get(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return FailWithErrno(path, "cannot write");
    }
    done += static_cast<std::size_t>(count);
  }
  if (::fsync(fd.get()) != 0) {
    return FailWithErrno(path, "cannot sync");
  }
  return {};
}

}  // namespace varstored::base
