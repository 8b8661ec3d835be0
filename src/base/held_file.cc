#include "varstored/base/held_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "varstored/base/file.h"
#include "varstored/base/hex.h"

namespace varstored::base {
namespace {

constexpr int kOpenFolder = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

Failure<Error> FailWithErrno(const std::string& path, const char* what) {
  return Fail(path + ": " + what + ": " + ErrnoText());
}

bool NobodyElseMayWrite(int folder) {
  struct stat status = {};
  return ::fstat(folder, &status) == 0 && (status.st_uid == 0 || status.st_uid == ::geteuid()) &&
         (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

Failure<Error> OthersMayWrite(const std::string& folder) {
  return Fail(folder +
              ": others may write in this folder, so nothing was written there. Use one in which "
              "only root and the caller may write");
}

struct CloseList {
  void operator()(DIR* list) const noexcept { ::closedir(list); }
};

/// What is left of a path to be walked.
class Names {
 public:
  explicit Names(std::string_view path) { PutInFront(path); }

  [[nodiscard]] bool empty() const { return names_.empty(); }
  [[nodiscard]] const std::string& front() const { return names_.front(); }
  /// The last name may be one of something else than a folder.
  [[nodiscard]] bool IsAtFile() const {
    return names_.size() == 1 && names_.front() != "." && names_.front() != "..";
  }
  void Pop() { names_.pop_front(); }
  /// Forgets that the path ended in a slash.
  void PopSlash() {
    if (names_.size() > 1 && names_.back() == ".") {
      names_.pop_back();
    }
  }

  void PutInFront(std::string_view path) {
    const bool is_folder = path.ends_with('/');
    auto at = names_.begin();
    while (!path.empty()) {
      const std::size_t end = std::min(path.find('/'), path.size());
      if (end > 0) {
        at = names_.insert(at, std::string(path.substr(0, end))) + 1;
      }
      path.remove_prefix(std::min(end + 1, path.size()));
    }
    if (is_folder) {
      names_.insert(at, ".");
    }
  }

 private:
  std::deque<std::string> names_;
};

/// A walk from folder to folder.
class Walk {
 public:
  enum class To { kFolder, kFile };

  Walk(const std::string& path, To to, std::optional<mode_t> mode)
      : path_(path), to_(to), mode_(mode), names_(path) {
    if (to == To::kFolder) {
      names_.PopSlash();
    }
  }

  /// Gives the folder, and leaves in name() what stands in it under the last name.
  Result<UniqueFd> Go() {
    if (path_.empty()) {
      return Fail("a path is empty");
    }
    if (auto begun = BeginAt(path_); !begun) {
      return begun.failure();
    }
    while (!names_.empty()) {
      auto done = to_ == To::kFile && names_.IsAtFile() ? PassFile() : Step();
      if (!done) {
        return done.failure();
      }
    }
    return std::move(folder_);
  }

  /// Empty for a path that can only be one of a folder.
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  Result<void> BeginAt(std::string_view path) {
    const bool is_absolute = path.starts_with('/');
    if (is_absolute || !folder_.valid()) {
      folder_.Reset(::open(is_absolute ? "/" : ".", kOpenFolder));
    }
    return folder_.valid() ? Result<void>() : FailWithErrno(path_, "cannot open its folder");
  }

  /// Takes the last name as the file's, unless it is a link's.
  Result<void> PassFile() {
    struct stat status = {};
    if (::fstatat(folder_.get(), names_.front().c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(status.st_mode)) {
      return Follow();
    }
    name_ = names_.front();
    names_.Pop();
    return {};
  }

  Result<void> Step() {
    UniqueFd next = OpenNext();
    const bool is_last = names_.IsAtFile();
    if (!next.valid() && errno == ENOENT && mode_) {
      if (::mkdirat(folder_.get(), names_.front().c_str(), is_last ? *mode_ : 0755) == 0) {
        next = OpenNext();
        // It is on the disk once the folder that it stands in is.
        const UniqueFd synced(::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!synced.valid() || ::fsync(synced.get()) != 0) {
          return FailWithErrno(path_, "cannot sync its folder");
        }
      } else if (errno == EEXIST) {
        next = OpenNext();
      } else {
        return FailWithErrno(path_, "cannot make the folder");
      }
    }
    if (next.valid()) {
      folder_ = std::move(next);
      names_.Pop();
      return {};
    }
    return errno == ENOTDIR || errno == ELOOP
               ? Follow()
               : FailWithErrno(path_, to_ == To::kFile ? "cannot open its folder" : "cannot open");
  }

  [[nodiscard]] UniqueFd OpenNext() const {
    return UniqueFd(::openat(folder_.get(), names_.front().c_str(), kOpenFolder));
  }

  /// Takes what the link under the next name says instead of that name.
  Result<void> Follow() {
    constexpr int kMostLinks = 40;  // as the kernel
    const UniqueFd link(
        ::openat(folder_.get(), names_.front().c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    std::array<char, PATH_MAX> text{};
    const ssize_t size = link.valid() ? ::readlinkat(link.get(), "", text.data(), text.size()) : -1;
    if (size <= 0) {
      errno = link.valid() ? ENOTDIR : errno;
      return FailWithErrno(path_, "cannot open");
    }
    if (++links_ > kMostLinks || static_cast<std::size_t>(size) == text.size()) {
      errno = ELOOP;
      return FailWithErrno(path_, "cannot open");
    }
    if (!NobodyElseMayWrite(folder_.get())) {
      return Fail(path_ + ": '" + names_.front() +
                  "' in it is a symbolic link in a folder that others may write, and is not "
                  "followed. Give the path that it leads to");
    }
    const std::string_view target(text.data(), static_cast<std::size_t>(size));
    names_.Pop();
    names_.PutInFront(target);
    return BeginAt(target);
  }

  const std::string& path_;
  To to_;
  std::optional<mode_t> mode_;
  Names names_;
  UniqueFd folder_;
  std::string name_;
  int links_ = 0;
};

std::string FolderPathOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> WriteAll(int fd, const std::string& path, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return FailWithErrno(path, "cannot write");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return ::fsync(fd) == 0 ? Result<void>() : FailWithErrno(path, "cannot sync");
}

/// Gives a new file the owner and the mode of the one that it replaces.
Result<void> TakeOver(int fd, const std::string& path, const struct stat& old) {
  // A set-id bit is nothing that a file of variables needs.
  constexpr mode_t kModeBits = 0777;
  struct stat status = {};
  if (::fstat(fd, &status) != 0) {
    return FailWithErrno(path, "cannot stat");
  }
  const bool is_owned = status.st_uid == old.st_uid && status.st_gid == old.st_gid;
  if (!is_owned && ::fchown(fd, old.st_uid, old.st_gid) != 0) {
    return FailWithErrno(path, "cannot keep its owner");
  }
  return ::fchmod(fd, old.st_mode & kModeBits) == 0 ? Result<void>()
                                                    : FailWithErrno(path, "cannot keep its mode");
}

/// Gives what is called `from` the name `to` where nothing has it.
bool PutInPlace(int folder, const std::string& from, const std::string& to) {
  if (::renameat2(folder, from.c_str(), folder, to.c_str(), RENAME_NOREPLACE) == 0) {
    return true;
  }
  // A file system that knows no RENAME_NOREPLACE, such as NFS: a second name is given only where
  // there is none.
  return errno == EINVAL && ::linkat(folder, from.c_str(), folder, to.c_str(), 0) == 0 &&
         ::unlinkat(folder, from.c_str(), 0) == 0;
}

}  // namespace

std::string RandomDigits() {
  std::array<std::uint8_t, 4> random{};
  // Of so few bytes it does not fail; and a name that is taken would be an error.
  if (::getentropy(random.data(), random.size()) != 0) {
    random = {};
  }
  return ToHex(random);
}

std::string NameBeside(const std::string& name) {
  const std::string end = "." + RandomDigits() + ".new";
  return name.substr(0, NAME_MAX - end.size()) + end;
}

Result<HeldFolder> HeldFolder::Open(const std::string& path) {
  auto folder = Walk(path, Walk::To::kFolder, std::nullopt).Go();
  return folder ? Result<HeldFolder>(HeldFolder(*std::move(folder), path)) : folder.failure();
}

Result<HeldFolder> HeldFolder::OpenOrMake(const std::string& path, mode_t mode) {
  auto folder = Walk(path, Walk::To::kFolder, mode).Go();
  return folder ? Result<HeldFolder>(HeldFolder(*std::move(folder), path)) : folder.failure();
}

Result<HeldFolder> HeldFolder::OpenFolder(const std::string& name) const {
  const std::string path = path_ + "/" + name;
  UniqueFd folder(::openat(fd(), name.c_str(), kOpenFolder));
  return folder.valid() ? Result<HeldFolder>(HeldFolder(std::move(folder), path))
                        : FailWithErrno(path, "cannot open");
}

Result<HeldFolder> HeldFolder::MakeFolder(const std::string& name, mode_t mode) const {
  if (::mkdirat(fd(), name.c_str(), mode) != 0) {
    return FailWithErrno(path_ + "/" + name, "cannot make the folder");
  }
  return OpenFolder(name);
}

Result<void> HeldFolder::MakeFile(const std::string& name, ByteSpan bytes, mode_t mode) const {
  const std::string path = path_ + "/" + name;
  const UniqueFd made(
      ::openat(fd(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!made.valid()) {
    return FailWithErrno(path, "cannot make it");
  }
  auto done = WriteAll(made.get(), path, bytes);
  if (!done) {
    ::unlinkat(fd(), name.c_str(), 0);
  }
  return done;
}

Result<std::vector<std::string>> HeldFolder::Names(std::size_t limit) const {
  UniqueFd folder(::openat(fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, CloseList> list(folder.valid() ? ::fdopendir(folder.get()) : nullptr);
  if (!list) {
    return FailWithErrno(path_, "cannot read the folder");
  }
  static_cast<void>(folder.Release());  // the list closes it
  std::vector<std::string> names;
  errno = 0;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the list is this call's own
  while (const dirent* entry = ::readdir(list.get())) {
    const std::string_view name(static_cast<const char*>(entry->d_name));
    if (name == "." || name == "..") {
      continue;
    }
    if (names.size() == limit) {
      return Fail(path_ + ": more than " + std::to_string(limit) + " files in the folder");
    }
    names.emplace_back(name);
  }
  return errno == 0 ? Result<std::vector<std::string>>(std::move(names))
                    : FailWithErrno(path_, "cannot read the folder");
}

bool HeldFolder::IsOursAlone() const { return NobodyElseMayWrite(fd()); }

Result<void> HeldFolder::CheckMayMake() const {
  return ::geteuid() != 0 || IsOursAlone() ? Result<void>() : OthersMayWrite(path_);
}

Result<void> HeldFolder::Sync() const {
  const UniqueFd folder(::openat(fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return folder.valid() && ::fsync(folder.get()) == 0 ? Result<void>()
                                                      : FailWithErrno(path_, "cannot sync");
}

Result<HeldFile> HeldFile::Open(const std::string& path) { return Open(path, Kinds::kFiles); }

Result<HeldFile> HeldFile::OpenToRead(const std::string& path) {
  return Open(path, Kinds::kFilesAndBlockDevices);
}

Result<HeldFile> HeldFile::Open(const std::string& path, Kinds kinds) {
  Walk walk(path, Walk::To::kFile, std::nullopt);
  auto folder = walk.Go();
  if (!folder) {
    return folder.failure();
  }
  if (walk.name().empty()) {
    return Fail(path + ": not a regular file");
  }
  HeldFile file(HeldFolder(*std::move(folder), FolderPathOf(path)), walk.name(), path);
  const auto opened = file.OpenFile(kinds);
  return opened ? Result<HeldFile>(std::move(file)) : opened.failure();
}

Result<HeldFile> HeldFile::OpenIn(const HeldFolder& folder, const std::string& name) {
  UniqueFd again(::fcntl(folder.fd(), F_DUPFD_CLOEXEC, 0));
  std::string path = folder.path() + "/" + name;
  if (!again.valid()) {
    return FailWithErrno(path, "cannot open its folder");
  }
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
    return Fail(path + ": not a regular file");
  }
  HeldFile file(HeldFolder(std::move(again), folder.path()), name, std::move(path));
  const auto opened = file.OpenFile();
  return opened ? Result<HeldFile>(std::move(file)) : opened.failure();
}

Result<void> HeldFile::OpenFile(Kinds kinds) {
  // Without O_NONBLOCK a pipe in the file's place would block the caller for ever.
  fd_.Reset(::openat(folder_.fd(), name_.c_str(),
                     O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!fd_.valid()) {
    return errno == ENOENT ? Result<void>() : FailWithErrno(path_, "cannot open");
  }
  struct stat status = {};
  if (::fstat(fd(), &status) != 0) {
    return FailWithErrno(path_, "cannot stat");
  }
  if (S_ISBLK(status.st_mode) && kinds == Kinds::kFilesAndBlockDevices) {
    return {};
  }
  return S_ISREG(status.st_mode) ? Result<void>() : Fail(path_ + ": not a regular file");
}

Result<Bytes> HeldFile::Read(std::size_t max_bytes) const {
  auto bytes = ReadFront(max_bytes + 1);
  return !bytes || bytes->size() <= max_bytes
             ? std::move(bytes)
             : Fail(path_ + ": larger than " + std::to_string(max_bytes) + " bytes");
}

Result<Bytes> HeldFile::ReadFront(std::size_t max_bytes) const {
  if (!exists()) {
    return Fail(path_ + ": no such file");
  }
  // What is read counts, not the size in the status: a file may grow meanwhile.
  Bytes bytes;
  std::array<std::uint8_t, 16384> chunk{};
  while (bytes.size() < max_bytes) {
    const ssize_t count =
        ::pread(fd(), chunk.data(), std::min(chunk.size(), max_bytes - bytes.size()),
                static_cast<off_t>(bytes.size()));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return FailWithErrno(path_, "cannot read");
    }
    if (count == 0) {
      break;
    }
    bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + count);
  }
  return bytes;
}

Result<void> HeldFile::CheckMayWrite() const {
  struct stat status = {};
  if (exists() && ::fstat(fd(), &status) == 0 && !S_ISREG(status.st_mode)) {
    return Fail(path_ + ": a block device, and nothing is written to one");
  }
  const bool is_own = ::geteuid() != 0 &&
                      (!exists() || (::fstat(fd(), &status) == 0 && status.st_uid == ::geteuid()));
  return is_own || folder_.IsOursAlone() ? Result<void>() : OthersMayWrite(folder_.path());
}

Result<void> HeldFile::CheckSame() const {
  struct stat held = {};
  struct stat named = {};
  if (::fstat(fd(), &held) != 0) {
    return FailWithErrno(path_, "cannot stat");
  }
  const bool is_there = ::fstatat(folder_.fd(), name_.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0;
  return is_there && held.st_dev == named.st_dev && held.st_ino == named.st_ino
             ? Result<void>()
             : Fail(path_ +
                    ": somebody else has put something in its place just now; nothing was "
                    "written. Run this again");
}

Result<UniqueFd> HeldFile::WriteBeside(const std::string& beside, ByteSpan bytes,
                                       mode_t mode) const {
  const std::string path = folder_.path() + "/" + beside;
  UniqueFd made(::openat(folder_.fd(), beside.c_str(),
                         O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!made.valid()) {
    return FailWithErrno(path, "cannot open for writing");
  }
  Result<void> done;
  struct stat old = {};
  if (exists()) {
    done = ::fstat(fd(), &old) == 0 ? TakeOver(made.get(), path, old)
                                    : FailWithErrno(path_, "cannot stat");
  }
  if (done) {
    done = WriteAll(made.get(), path, bytes);
  }
  if (!done) {
    ::unlinkat(folder_.fd(), beside.c_str(), 0);
    return done.failure();
  }
  return made;
}

Result<void> HeldFile::Replace(ByteSpan bytes) {
  if (!exists()) {
    return Fail(path_ + ": no such file");
  }
  if (auto may = CheckMayWrite(); !may) {
    return may;
  }
  if (auto same = CheckSame(); !same) {
    return same;
  }
  const std::string beside = NameBeside(name_);
  // What only its owner can read is at no time read by others.
  auto made = WriteBeside(beside, bytes, 0600);
  if (!made) {
    return made.failure();
  }
  auto done = CheckSame();
  if (done && ::renameat(folder_.fd(), beside.c_str(), folder_.fd(), name_.c_str()) != 0) {
    done = FailWithErrno(path_, "cannot replace");
  }
  if (!done) {
    ::unlinkat(folder_.fd(), beside.c_str(), 0);
    return done;
  }
  fd_ = *std::move(made);
  return folder_.Sync();
}

Result<void> HeldFile::Make(ByteSpan bytes, mode_t mode) {
  errno = EEXIST;
  if (exists()) {
    return FailWithErrno(path_, "cannot make it");
  }
  if (auto may = CheckMayWrite(); !may) {
    return may;
  }
  const std::string beside = NameBeside(name_);
  auto made = WriteBeside(beside, bytes, mode);
  if (!made) {
    return made.failure();
  }
  if (!PutInPlace(folder_.fd(), beside, name_)) {
    const auto failed = FailWithErrno(path_, "cannot put it there");
    ::unlinkat(folder_.fd(), beside.c_str(), 0);
    return failed;
  }
  fd_ = *std::move(made);
  return folder_.Sync();
}

}  // namespace varstored::base
