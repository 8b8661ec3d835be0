#include "sqlite_vfs.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

namespace varstored::backend {
namespace {

// Which bytes are locked (os.h of SQLite; a database has no page there).
constexpr std::int64_t kPendingByte = 0x40000000;
constexpr std::int64_t kReservedByte = kPendingByte + 1;
constexpr std::int64_t kSharedFirst = kPendingByte + 2;
constexpr std::int64_t kSharedBytes = 510;

bool LockBytes(int fd, short type, std::int64_t offset, std::int64_t bytes) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = offset;
  lock.l_len = bytes;
  // Of the open file and not of the process: it outlives a fork and the end of another descriptor,
  // and keeps out a second one of the same process too.
  return ::fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/// Whether somebody else has the bytes that whoever uses a database has at least a share of.
bool IsInUse(int fd) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = kSharedFirst;
  lock.l_len = kSharedBytes;
  return ::fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

// ---- the methods of a file ----

struct File : sqlite3_file {
  StoredFile* stored = nullptr;
  int level = SQLITE_LOCK_NONE;
  int error = 0;  // the last errno
};

File& Of(sqlite3_file* file) { return *static_cast<File*>(file); }

/// Notes errno, and gives the code for SQLite.
int Failed(File& file, int code) {
  file.error = errno;
  return code;
}

/// The files belong to the Vfs. Who reads next finds no lock.
int Close(sqlite3_file* file) {
  static_cast<void>(Of(file).stored->Lock(F_UNLCK, kPendingByte, 2 + kSharedBytes));
  return SQLITE_OK;
}

int Read(sqlite3_file* file, void* buffer, int size, sqlite3_int64 offset) {
  const auto bytes = static_cast<std::size_t>(size);
  const std::int64_t count = Of(file).stored->Read(buffer, bytes, offset);
  if (count < 0) {
    return Failed(Of(file), SQLITE_IOERR_READ);
  }
  const auto read = static_cast<std::size_t>(count);
  if (read == bytes) {
    return SQLITE_OK;
  }
  std::memset(static_cast<std::byte*>(buffer) + read, 0, bytes - read);
  return SQLITE_IOERR_SHORT_READ;
}

int Write(sqlite3_file* file, const void* buffer, int size, sqlite3_int64 offset) {
  if (Of(file).stored->Write(buffer, static_cast<std::size_t>(size), offset)) {
    return SQLITE_OK;
  }
  return Failed(Of(file), errno == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  return Of(file).stored->Truncate(size) ? SQLITE_OK : Failed(Of(file), SQLITE_IOERR_TRUNCATE);
}

int Sync(sqlite3_file* file, int /*flags*/) {
  return Of(file).stored->Sync() ? SQLITE_OK : Failed(Of(file), SQLITE_IOERR_FSYNC);
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  *size = Of(file).stored->Size();
  return *size >= 0 ? SQLITE_OK : Failed(Of(file), SQLITE_IOERR_FSTAT);
}

/// Who only looks has a share of the pending byte, for as long as it takes to read two files; who
/// uses the database has either all of it, or none.
bool WaitForPending(StoredFile& stored) {
  constexpr int kTries = 50;
  constexpr int kPauseMs = 10;
  for (int i = 0; i < kTries; ++i) {
    if (stored.Lock(F_WRLCK, kPendingByte, 1)) {
      return true;
    }
    if (errno != EAGAIN && errno != EACCES) {
      return false;
    }
    ::poll(nullptr, 0, kPauseMs);
  }
  errno = EAGAIN;
  return false;
}

/// As SQLite's own unix file system (os_unix.c, unixLock): a reader has a byte of many, a writer
/// has all of them, and who waits to write lets no new reader in.
int Lock(sqlite3_file* file, int level) {
  File& locked = Of(file);
  StoredFile& stored = *locked.stored;
  if (locked.level >= level) {
    return SQLITE_OK;
  }
  bool done = true;
  if (locked.level == SQLITE_LOCK_NONE) {
    done =
        stored.Lock(F_RDLCK, kPendingByte, 1) && stored.Lock(F_RDLCK, kSharedFirst, kSharedBytes);
    const int error = errno;
    static_cast<void>(stored.Lock(F_UNLCK, kPendingByte, 1));
    errno = error;
    locked.level = done ? SQLITE_LOCK_SHARED : SQLITE_LOCK_NONE;
  }
  if (done && level >= SQLITE_LOCK_RESERVED && locked.level < SQLITE_LOCK_RESERVED) {
    done = stored.Lock(F_WRLCK, kReservedByte, 1);
    locked.level = done ? SQLITE_LOCK_RESERVED : locked.level;
  }
  if (done && level == SQLITE_LOCK_EXCLUSIVE) {
    done = WaitForPending(stored);
    locked.level = done ? SQLITE_LOCK_PENDING : locked.level;
    done = done && stored.Lock(F_WRLCK, kSharedFirst, kSharedBytes);
    locked.level = done ? SQLITE_LOCK_EXCLUSIVE : locked.level;
  }
  if (done) {
    return SQLITE_OK;
  }
  return errno == EAGAIN || errno == EACCES ? SQLITE_BUSY : Failed(locked, SQLITE_IOERR_LOCK);
}

int Unlock(sqlite3_file* file, int level) {
  File& locked = Of(file);
  if (locked.level <= level) {
    return SQLITE_OK;
  }
  StoredFile& stored = *locked.stored;
  const bool done = level == SQLITE_LOCK_SHARED
                        ? stored.Lock(F_RDLCK, kSharedFirst, kSharedBytes) &&
                              stored.Lock(F_UNLCK, kPendingByte, 2)
                        : stored.Lock(F_UNLCK, kPendingByte, 2 + kSharedBytes);
  if (!done) {
    return Failed(locked, SQLITE_IOERR_UNLOCK);
  }
  locked.level = level;
  return SQLITE_OK;
}

/// Whoever asks has seen a journal, and there is none.
int CheckReservedLock(sqlite3_file* file, int* result) {
  *result = Of(file).level >= SQLITE_LOCK_RESERVED ? 1 : 0;
  return SQLITE_OK;
}

int FileControl(sqlite3_file* file, int operation, void* argument) {
  switch (operation) {
    case SQLITE_FCNTL_LAST_ERRNO:
      *static_cast<int*>(argument) = Of(file).error;
      return SQLITE_OK;
    case SQLITE_FCNTL_PERSIST_WAL:
      // The log is never deleted, whatever is said.
      *static_cast<int*>(argument) = 1;
      return SQLITE_OK;
    default:
      return SQLITE_NOTFOUND;
  }
}

constexpr int kSectorBytes = 4096;

int SectorSize(sqlite3_file* /*file*/) { return kSectorBytes; }

/// What SQLite's own unix file system promises by default, which docs/backends.md measures with.
int DeviceCharacteristics(sqlite3_file* /*file*/) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

// Version 1 ends before the methods of shared memory.
constexpr sqlite3_io_methods kMethods = {1,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         DeviceCharacteristics,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr};

// ---- the methods of the file system ----

Vfs& Of(sqlite3_vfs* vfs) { return *static_cast<Vfs*>(vfs->pAppData); }

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* flags_out) {
  file->pMethods = nullptr;
  // Temporary files have no name.
  StoredFile* stored = name == nullptr ? nullptr : Of(vfs).Find(name);
  if (stored == nullptr) {
    return SQLITE_CANTOPEN;
  }
  File& opened = *new (file) File();
  opened.pMethods = &kMethods;
  opened.stored = stored;
  if (flags_out != nullptr) {
    *flags_out = flags;
  }
  return SQLITE_OK;
}

int Delete(sqlite3_vfs* vfs, const char* name, int /*sync_folder*/) {
  return Of(vfs).Find(name) != nullptr ? SQLITE_IOERR_DELETE : SQLITE_IOERR_DELETE_NOENT;
}

/// An empty log is none, as in SQLite's own file systems.
int Access(sqlite3_vfs* vfs, const char* name, int /*flags*/, int* result) {
  const StoredFile* stored = Of(vfs).Find(name);
  *result = stored != nullptr && stored->Size() != 0 ? 1 : 0;
  return SQLITE_OK;
}

/// What SQLite calls the database from here on, in messages too. A journal, a log and whatever else
/// it thinks of has this name with an end.
int FullPathname(sqlite3_vfs* vfs, const char* /*name*/, int size, char* full) {
  const std::string& text = Of(vfs).name();
  if (text.size() >= static_cast<std::size_t>(size)) {
    return SQLITE_CANTOPEN;
  }
  *std::copy(text.begin(), text.end(), full) = '\0';
  return SQLITE_OK;
}

// No library is loaded.
void* DlOpen(sqlite3_vfs* /*vfs*/, const char* /*name*/) { return nullptr; }
void DlError(sqlite3_vfs* /*vfs*/, int size, char* message) {
  if (size > 0) {
    *message = '\0';
  }
}
void (*DlSym(sqlite3_vfs* /*vfs*/, void* /*library*/, const char* /*name*/))() { return nullptr; }
void DlClose(sqlite3_vfs* /*vfs*/, void* /*library*/) {}

int Randomness(sqlite3_vfs* /*vfs*/, int size, char* bytes) {
  return ::getentropy(bytes, static_cast<std::size_t>(size)) == 0 ? size : 0;
}

/// There is nobody to wait for: the database is locked.
int Sleep(sqlite3_vfs* /*vfs*/, int /*microseconds*/) { return 0; }

/// Milliseconds since noon of November 24, 4714 BC.
int CurrentTimeInt64(sqlite3_vfs* /*vfs*/, sqlite3_int64* time) {
  constexpr sqlite3_int64 kUnixEpoch = 210866760000000;
  *time = kUnixEpoch + std::chrono::duration_cast<std::chrono::milliseconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count();
  return SQLITE_OK;
}

int CurrentTime(sqlite3_vfs* vfs, double* days) {
  sqlite3_int64 time = 0;
  CurrentTimeInt64(vfs, &time);
  *days = static_cast<double>(time) / (24.0 * 60 * 60 * 1000);
  return SQLITE_OK;
}

int GetLastError(sqlite3_vfs* /*vfs*/, int /*size*/, char* /*message*/) { return 0; }

}  // namespace

// ---- the files ----

std::int64_t DescriptorFile::Size() const {
  struct stat status = {};
  return ::fstat(fd_.get(), &status) == 0 ? std::int64_t{status.st_size} : -1;
}

std::int64_t DescriptorFile::Read(void* buffer, std::size_t bytes, std::int64_t offset) const {
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t count = ::pread(fd_.get(), static_cast<std::byte*>(buffer) + done, bytes - done,
                                  offset + static_cast<std::int64_t>(done));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return -1;
    }
    if (count == 0) {
      break;
    }
    done += static_cast<std::size_t>(count);
  }
  return static_cast<std::int64_t>(done);
}

bool DescriptorFile::Write(const void* buffer, std::size_t bytes, std::int64_t offset) {
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t count = ::pwrite(fd_.get(), static_cast<const std::byte*>(buffer) + done,
                                   bytes - done, offset + static_cast<std::int64_t>(done));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      errno = count == 0 ? ENOSPC : errno;
      return false;
    }
    done += static_cast<std::size_t>(count);
  }
  return true;
}

bool DescriptorFile::Truncate(std::int64_t bytes) { return ::ftruncate(fd_.get(), bytes) == 0; }

bool DescriptorFile::Sync() { return ::fdatasync(fd_.get()) == 0; }

bool DescriptorFile::Lock(short type, std::int64_t offset, std::int64_t bytes) {
  return LockBytes(fd_.get(), type, offset, bytes);
}

bool DescriptorFile::IsWritable() const {
  struct stat status = {};
  return ::fstat(fd_.get(), &status) == 0 && (status.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)) != 0;
}

std::int64_t BytesFile::Size() const { return static_cast<std::int64_t>(bytes_.size()); }

std::int64_t BytesFile::Read(void* buffer, std::size_t bytes, std::int64_t offset) const {
  const auto begin =
      std::min(static_cast<std::size_t>(std::max<std::int64_t>(offset, 0)), bytes_.size());
  const std::size_t count = std::min(bytes, bytes_.size() - begin);
  std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(begin), count,
              static_cast<std::uint8_t*>(buffer));
  return static_cast<std::int64_t>(count);
}

bool BytesFile::Write(const void* /*buffer*/, std::size_t /*bytes*/, std::int64_t /*offset*/) {
  errno = EROFS;
  return false;
}

bool BytesFile::Truncate(std::int64_t /*bytes*/) {
  errno = EROFS;
  return false;
}

bool BytesFile::Sync() { return true; }

bool BytesFile::Lock(short /*type*/, std::int64_t /*offset*/, std::int64_t /*bytes*/) {
  return true;
}

bool BytesFile::IsWritable() const { return false; }

bool BeginLooking(int fd) {
  if (!LockBytes(fd, F_RDLCK, kPendingByte, 1)) {
    return false;
  }
  if (IsInUse(fd)) {
    static_cast<void>(LockBytes(fd, F_UNLCK, kPendingByte, 1));
    errno = EAGAIN;
    return false;
  }
  return true;
}

bool EndLooking(int fd) {
  const bool is_in_use = IsInUse(fd);
  static_cast<void>(LockBytes(fd, F_UNLCK, kPendingByte, 1));
  errno = EAGAIN;
  return !is_in_use;
}

// ---- the file system ----

Vfs::Vfs(std::string name, std::unique_ptr<StoredFile> database, std::unique_ptr<StoredFile> log)
    : name_(std::move(name)),
      log_name_(name_ + "-wal"),
      database_(std::move(database)),
      log_(std::move(log)),
      vfs_() {
  constexpr std::size_t kRoomForEnd = 32;
  vfs_.iVersion = 2;
  vfs_.szOsFile = sizeof(File);
  vfs_.mxPathname = static_cast<int>(name_.size() + kRoomForEnd);
  vfs_.zName = "varstored";
  vfs_.pAppData = this;
  vfs_.xOpen = backend::Open;
  vfs_.xDelete = Delete;
  vfs_.xAccess = Access;
  vfs_.xFullPathname = FullPathname;
  vfs_.xDlOpen = DlOpen;
  vfs_.xDlError = DlError;
  vfs_.xDlSym = DlSym;
  vfs_.xDlClose = DlClose;
  vfs_.xRandomness = Randomness;
  vfs_.xSleep = Sleep;
  vfs_.xCurrentTime = CurrentTime;
  vfs_.xGetLastError = GetLastError;
  vfs_.xCurrentTimeInt64 = CurrentTimeInt64;
}

StoredFile* Vfs::Find(std::string_view name) {
  return name == name_ ? database_.get() : name == log_name_ ? log_.get() : nullptr;
}

std::unique_lock<std::mutex> Vfs::LockList() {
  static std::mutex mutex;
  return std::unique_lock(mutex);
}

int Vfs::Open(sqlite3** connection) {
  const auto lock = LockList();
  // Found by its name, once; the connection then knows it. It is also the one that SQLite asks for
  // random bytes, once in a process: its own would open a device for them.
  int code = sqlite3_vfs_register(&vfs_, 1);
  if (code == SQLITE_OK) {
    std::uint8_t random = 0;
    sqlite3_randomness(sizeof(random), &random);
    code = sqlite3_open_v2("database", connection,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                           vfs_.zName);
    sqlite3_vfs_unregister(&vfs_);
  }
  return code;
}

}  // namespace varstored::backend
