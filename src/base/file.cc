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

#include "varstored/base/file_in_place.h"
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

std::string FolderOf(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

/// The folder that `path` stands in.
Result<UniqueFd> OpenFolderOf(const std::string& path) {
  UniqueFd folder(::open(FolderOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return folder.valid() ? Result<UniqueFd>(std::move(folder))
                        : FailWithErrno(FolderOf(path), "cannot open");
}

Result<void> SyncFolder(const UniqueFd& folder, const std::string& path) {
  return ::fsync(folder.get()) == 0 ? Result<void>() : FailWithErrno(FolderOf(path), "cannot sync");
}

/// A file that is to be replaced, behind all symbolic links, or the place of one that is not there.
/// Its folder is open, so that what takes its place does so where it was looked at.
struct Target {
  UniqueFd folder;
  std::string name;
  std::optional<struct stat> status;
};

Result<Target> FindTarget(const std::string& path) {
  std::error_code error;
  std::filesystem::path real = std::filesystem::canonical(path, error);
  if (error == std::errc::no_such_file_or_directory) {
    real = path;
  } else if (error) {
    return Fail(path + ": cannot stat: " + error.message());
  }
  auto folder = OpenFolderOf(real.string());
  if (!folder) {
    return folder.failure();
  }
  Target target{*std::move(folder), real.filename().string(), std::nullopt};
  struct stat status = {};
  // Owner and mode are those of what is replaced: of a link that has come there since, its own.
  if (::fstatat(target.folder.get(), target.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISREG(status.st_mode)) {
      return Fail(path + ": not a regular file");
    }
    target.status = status;
  } else if (errno != ENOENT) {
    return FailWithErrno(path, "cannot stat");
  }
  return target;
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

Result<void> WriteNewFile(const Target& target, const std::string& name, const std::string& path,
                          ByteSpan bytes) {
  // What only its owner can read is at no time read by others.
  const mode_t mode = target.status ? 0600 : 0644;
  const UniqueFd fd(
      ::openat(target.folder.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd.valid()) {
    return FailWithErrno(path, "cannot open for writing");
  }
  if (target.status) {
    if (auto taken = TakeOver(fd.get(), path, *target.status); !taken) {
      return taken;
    }
  }
  return WriteAndSync(fd.get(), path, bytes);
}

}  // namespace

std::string ErrnoText() { return std::generic_category().message(errno); }

Result<void> SyncFolderOf(const std::string& path) {
  const auto folder = OpenFolderOf(path);
  return folder ? SyncFolder(*folder, path) : folder.failure();
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

Result<FileInPlace> FileInPlace::Open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600));
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
  const auto target = FindTarget(path);
  if (!target) {
    return target.failure();
  }
  const int folder = target->folder.get();
  const std::string suffix = "." + std::to_string(::getpid()) + ".new";
  const std::string beside = target->name + suffix;
  auto written = WriteNewFile(*target, beside, path + suffix, bytes);
  if (written && ::renameat(folder, beside.c_str(), folder, target->name.c_str()) != 0) {
    written = FailWithErrno(path, "cannot replace");
  }
  if (!written) {
    ::unlinkat(folder, beside.c_str(), 0);
    return written;
  }
  return SyncFolder(target->folder, path);
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
