#include "varstored/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "varstored/base/unique_fd.h"

namespace varstored::base {
namespace {

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

/// A file that is to be replaced, behind all symbolic links, or the place of one that is not there.
struct Target {
  std::string path;
  std::optional<struct stat> status;
};

Result<Target> FindTarget(const std::string& path) {
  std::error_code error;
  const std::string real = std::filesystem::canonical(path, error).string();
  struct stat status = {};
  // Owner and mode are those of what is replaced: of a link that has come there since, its own.
  if (error || ::lstat(real.c_str(), &status) != 0) {
    errno = error ? error.value() : errno;
    return errno == ENOENT ? Result<Target>(Target{path, std::nullopt})
                           : FailWithErrno(path, "cannot stat");
  }
  if (!S_ISREG(status.st_mode)) {
    return Fail(path + ": not a regular file");
  }
  return Target{real, status};
}

/// Gives a new file the owner and the mode of the one that it replaces.
Result<void> TakeOver(int fd, const std::string& path, const struct stat& old) {
  constexpr mode_t kModeBits = 07777;
  struct stat status = {};
  if (::fstat(fd, &status) != 0) {
    return FailWithErrno(path, "cannot stat");
  }
  const bool is_owned = status.st_uid == old.st_uid && status.st_gid == old.st_gid;
  if (!is_owned && ::fchown(fd, old.st_uid, old.st_gid) != 0) {
    return FailWithErrno(path, "cannot keep its owner");
  }
  // Behind fchown, which takes bits away.
  if (::fchmod(fd, old.st_mode & kModeBits) != 0) {
    return FailWithErrno(path, "cannot keep its mode");
  }
  return {};
}

Result<void> WriteNewFile(const std::string& path, const std::optional<struct stat>& old,
                          ByteSpan bytes) {
  // What only its owner can read is at no time read by others.
  const mode_t mode = old ? 0600 : 0644;
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd.valid()) {
    return FailWithErrno(path, "cannot open for writing");
  }
  if (old) {
    if (auto taken = TakeOver(fd.get(), path, *old); !taken) {
      return taken;
    }
  }
  return WriteAndSync(fd.get(), path, bytes);
}

}  // namespace

std::string ErrnoText() { return std::generic_category().message(errno); }

Result<void> SyncFolderOf(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) {
    return FailWithErrno(folder, "cannot sync");
  }
  return {};
}

Result<std::optional<Bytes>> ReadFileIfThere(const std::string& path, std::size_t max_bytes,
                                             Links links) {
  // Without O_NONBLOCK a pipe in the file's place would block the start for ever.
  const int last = links == Links::kRefuse ? O_NOFOLLOW : 0;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | last));
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

Result<Bytes> ReadFile(const std::string& path, std::size_t max_bytes, Links links) {
  auto bytes = ReadFileIfThere(path, max_bytes, links);
  if (!bytes) {
    return bytes.failure();
  }
  if (!bytes->has_value()) {
    return Fail(path + ": no such file");
  }
  return *std::move(*bytes);
}

Result<void> WriteFileInPlace(const std::string& path, ByteSpan bytes) {
  // O_NONBLOCK as above: the end of the process must not wait for a reader of a pipe.
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0600));
  if (!fd.valid()) {
    return FailWithErrno(path, "cannot open for writing");
  }
  return WriteAndSync(fd.get(), path, bytes);
}

Result<void> ReplaceFile(const std::string& path, ByteSpan bytes) {
  const auto target = FindTarget(path);
  if (!target) {
    return target.failure();
  }
  const std::string beside = target->path + "." + std::to_string(::getpid()) + ".new";
  auto written = WriteNewFile(beside, target->status, bytes);
  if (written && ::rename(beside.c_str(), target->path.c_str()) != 0) {
    written = FailWithErrno(target->path, "cannot replace");
  }
  if (!written) {
    ::unlink(beside.c_str());
    return written;
  }
  return SyncFolderOf(target->path);
}

Result<bool> MakeFile(const std::string& path, ByteSpan bytes) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return errno == EEXIST ? Result<bool>(false) : FailWithErrno(path, "cannot open for writing");
  }
  auto written = WriteAndSync(fd.get(), path, bytes);
  if (written) {
    written = SyncFolderOf(path);
  }
  return written ? Result<bool>(true) : written.failure();
}

}  // namespace varstored::base
