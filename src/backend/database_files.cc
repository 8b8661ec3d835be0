// The only place where a database is found by its path.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "sqlite_file.h"
#include "sqlite_vfs.h"
#include "varstored/backend/sqlite.h"
#include "varstored/base/file.h"

namespace varstored::backend {
namespace {

constexpr const char* kLogEnd = "-wal";
constexpr const char* kJournalEnd = "-journal";
constexpr mode_t kModeBits = 0777;

base::Failure<base::Error> FailWithErrno(const std::string& path, const char* what) {
  return base::Fail(path + ": " + what + ": " + base::ErrnoText());
}

/// What has the file's name with `end`; nothing where there is none.
base::Result<std::optional<struct stat>> StatBeside(const base::HeldFile& file, const char* end) {
  struct stat status = {};
  if (::fstatat(file.folder().fd(), (file.name() + end).c_str(), &status, AT_SYMLINK_NOFOLLOW) ==
      0) {
    return std::optional(status);
  }
  return errno == ENOENT ? base::Result<std::optional<struct stat>>(std::nullopt)
                         : FailWithErrno(file.path() + end, "cannot stat");
}

bool IsEmptyFile(const struct stat& status) {
  return S_ISREG(status.st_mode) && status.st_size == 0;
}

/// No database of this program has a journal, only a log. To apply one is to do what it says.
base::Result<void> CheckNoJournal(const base::HeldFile& file) {
  const auto journal = StatBeside(file, kJournalEnd);
  if (!journal) {
    return journal.failure();
  }
  if (!*journal || IsEmptyFile(**journal)) {
    return {};
  }
  return base::Fail(file.path() + kJournalEnd +
                    ": a journal beside the database, which varstored never makes and does not "
                    "follow; nothing was read. If your own sqlite3 left it behind, open and close "
                    "the database with that; else remove it");
}

/// A log would be taken for the new database's. It may hold the last changes of one that was lost.
base::Result<void> CheckNoLog(const base::HeldFile& file) {
  const auto log = StatBeside(file, kLogEnd);
  if (!log) {
    return log.failure();
  }
  return !*log || IsEmptyFile(**log)
             ? base::Result<void>()
             : base::Fail(file.path() + kLogEnd +
                          ": its database is gone; for a first boot remove this too");
}

/// The file of this name in the folder of `file`: a regular one, or none and errno.
base::Result<base::UniqueFd> OpenBeside(const base::HeldFile& file, const char* end, int flags,
                                        mode_t mode = 0) {
  const std::string path = file.path() + end;
  // Without O_NONBLOCK a pipe in the file's place would block for ever.
  base::UniqueFd fd(::openat(file.folder().fd(), (file.name() + end).c_str(),
                             flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode));
  if (!fd.valid()) {
    return fd;
  }
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0) {
    return FailWithErrno(path, "cannot stat");
  }
  if (!S_ISREG(status.st_mode)) {
    return base::Fail(path + ": not a regular file");
  }
  return fd;
}

base::Result<void> CheckSame(const base::HeldFile& file, int fd) {
  struct stat found = {};
  struct stat opened = {};
  if (::fstat(file.fd(), &found) != 0 || ::fstat(fd, &opened) != 0) {
    return FailWithErrno(file.path(), "cannot stat");
  }
  return found.st_dev == opened.st_dev && found.st_ino == opened.st_ino
             ? base::Result<void>()
             : base::Fail(file.path() +
                          ": somebody else has put something in its place just now; nothing was "
                          "read. Run this again");
}

base::Result<base::UniqueFd> OpenDatabase(const base::HeldFile& file, int flags) {
  auto database = OpenBeside(file, "", flags);
  if (!database) {
    return database;
  }
  if (!database->valid()) {
    return errno == EACCES || errno == EPERM || errno == EROFS
               ? base::Fail(file.path() + ": it is read-only")
               : FailWithErrno(file.path(), "cannot open");
  }
  auto same = CheckSame(file, database->get());
  return same ? std::move(database) : base::Result<base::UniqueFd>(same.failure());
}

/// Gives the log to whom the database belongs, so that they can use it where root has made it.
base::Result<void> GiveLog(const std::string& path, int log, int database) {
  struct stat of_database = {};
  struct stat of_log = {};
  if (::fstat(database, &of_database) != 0 || ::fstat(log, &of_log) != 0) {
    return FailWithErrno(path, "cannot stat");
  }
  const bool is_owned = of_log.st_uid == of_database.st_uid && of_log.st_gid == of_database.st_gid;
  if (!is_owned && ::geteuid() == 0 && ::fchown(log, of_database.st_uid, of_database.st_gid) != 0) {
    return FailWithErrno(path, "cannot give it to the owner of the database");
  }
  return ::fchmod(log, of_database.st_mode & kModeBits) == 0
             ? base::Result<void>()
             : FailWithErrno(path, "cannot give it the mode of the database");
}

base::Result<base::UniqueFd> OpenLog(const base::HeldFile& file, int database, DatabaseUse use) {
  const std::string path = file.path() + kLogEnd;
  auto log = OpenBeside(file, kLogEnd, use == DatabaseUse::kLook ? O_RDONLY : O_RDWR);
  if (!log || log->valid()) {
    return log;
  }
  if (errno != ENOENT) {
    return FailWithErrno(path, "cannot open");
  }
  if (use == DatabaseUse::kLook) {
    return log;
  }
  log = OpenBeside(file, kLogEnd, O_RDWR | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
  if (log && !log->valid()) {
    return FailWithErrno(path, "cannot create");
  }
  if (log) {
    if (auto given = GiveLog(path, log->get(), database); !given) {
      return given.failure();
    }
  }
  return log;
}

base::Result<void> MakeDatabase(base::HeldFile& file) {
  if (auto alone = CheckNoLog(file); !alone) {
    return alone;
  }
  const auto content = EmptyDatabase();
  if (!content) {
    return content.failure();
  }
  // It appears with all of its content at once, so that no cut leaves an empty one.
  return file.Make(*content, S_IRUSR | S_IWUSR);
}

/// In a folder in which others may write, a second name may have been made for a file of the
/// host's, which would then be written.
base::Result<void> CheckOneName(const base::HeldFile& file, const char* end, int fd) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) {
    return FailWithErrno(file.path() + end, "cannot stat");
  }
  return status.st_nlink <= 1 || file.folder().IsOursAlone()
             ? base::Result<void>()
             : base::Fail(file.path() + end +
                          ": it has a second name elsewhere, and others may write in its folder; "
                          "nothing was written. Put a copy of it in its place");
}

base::Result<DatabaseFiles> OpenFound(const base::HeldFile& file, DatabaseUse use) {
  const int flags = use == DatabaseUse::kLook ? O_RDONLY : O_RDWR;
  auto database = OpenDatabase(file, flags);
  if (!database) {
    return database.failure();
  }
  auto log = OpenLog(file, database->get(), use);
  if (!log) {
    return log.failure();
  }
  if (use != DatabaseUse::kLook) {
    auto alone = CheckOneName(file, "", database->get());
    alone = alone ? CheckOneName(file, kLogEnd, log->get()) : std::move(alone);
    if (!alone) {
      return alone.failure();
    }
    // A log whose name is not on the disk would be lost with all that is in it.
    if (auto synced = file.folder().Sync(); !synced) {
      return synced.failure();
    }
  }
  return DatabaseFiles{file.path(), *std::move(database), *std::move(log)};
}

/// One byte over the limit is enough to know that it is.
base::Result<base::Bytes> ReadAll(const std::string& path, int fd) {
  base::Bytes bytes(kMaxDatabaseBytes + 1);
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count =
        ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return FailWithErrno(path, "cannot read");
    }
    if (count == 0) {
      break;
    }
    done += static_cast<std::size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

base::Result<DatabaseBytes> ReadLocked(const DatabaseFiles& files) {
  auto database = ReadAll(files.name, files.database.get());
  if (!database) {
    return database.failure();
  }
  base::Bytes log;
  if (files.log.valid()) {
    auto read = ReadAll(files.name + kLogEnd, files.log.get());
    if (!read) {
      return read.failure();
    }
    log = *std::move(read);
  }
  return DatabaseBytes{files.name, *std::move(database), std::move(log)};
}

}  // namespace

base::Result<DatabaseFiles> OpenDatabaseFiles(base::HeldFile& file, DatabaseUse use) {
  if (auto alone = CheckNoJournal(file); !alone) {
    return alone.failure();
  }
  if (!file.exists() && use == DatabaseUse::kMake) {
    // What a link leads to may be lost, or not mounted yet. A new file would hide that.
    struct stat status = {};
    if (::lstat(file.path().c_str(), &status) == 0 && S_ISLNK(status.st_mode)) {
      return base::Fail(file.path() + ": a link to a file that is not there");
    }
    if (auto made = MakeDatabase(file); !made) {
      return made.failure();
    }
  }
  if (!file.exists()) {
    errno = ENOENT;
    return base::Fail(file.path() + ": " + base::ErrnoText());
  }
  return OpenFound(file, use);
}

base::Result<DatabaseFiles> OpenDatabaseFiles(const std::string& path, DatabaseUse use) {
  auto file = base::HeldFile::Open(path);
  return file ? OpenDatabaseFiles(*file, use) : base::Result<DatabaseFiles>(file.failure());
}

base::Result<DatabaseBytes> ReadDatabase(const DatabaseFiles& files) {
  const auto failed = [&files] {
    return errno == EAGAIN || errno == EACCES
               ? base::Fail(files.name + ": " + std::string(kDatabaseInUse))
               : FailWithErrno(files.name, "cannot lock");
  };
  const int fd = files.database.get();
  if (!BeginLooking(fd)) {
    return failed();
  }
  auto bytes = ReadLocked(files);
  return EndLooking(fd) || !bytes ? std::move(bytes) : failed();
}

}  // namespace varstored::backend
