#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "varstored/backend/sqlite.h"
#include "varstored/base/bytes.h"
#include "varstored/base/unique_fd.h"

namespace varstored::backend {

/// One of the two files of a database. A failure is false or a negative number, with errno.
class StoredFile {
 public:
  StoredFile() = default;
  virtual ~StoredFile() = default;
  StoredFile(const StoredFile&) = delete;
  StoredFile& operator=(const StoredFile&) = delete;

  /// The length in bytes.
  [[nodiscard]] virtual std::int64_t Size() const = 0;
  /// How many bytes were read, which are fewer than asked for at the end of the file only.
  [[nodiscard]] virtual std::int64_t Read(void* buffer, std::size_t bytes,
                                          std::int64_t offset) const = 0;
  [[nodiscard]] virtual bool Write(const void* buffer, std::size_t bytes, std::int64_t offset) = 0;
  [[nodiscard]] virtual bool Truncate(std::int64_t bytes) = 0;
  [[nodiscard]] virtual bool Sync() = 0;
  /// Locks or unlocks bytes against others: `type` is F_RDLCK, F_WRLCK or F_UNLCK. EAGAIN: another
  /// has them.
  [[nodiscard]] virtual bool Lock(short type, std::int64_t offset, std::int64_t bytes) = 0;
  /// Whether anybody at all has a permission to write.
  [[nodiscard]] virtual bool IsWritable() const = 0;
};

/// A file that somebody has opened.
class DescriptorFile final : public StoredFile {
 public:
  explicit DescriptorFile(base::UniqueFd fd) : fd_(std::move(fd)) {}

  [[nodiscard]] std::int64_t Size() const override;
  [[nodiscard]] std::int64_t Read(void* buffer, std::size_t bytes,
                                  std::int64_t offset) const override;
  [[nodiscard]] bool Write(const void* buffer, std::size_t bytes, std::int64_t offset) override;
  [[nodiscard]] bool Truncate(std::int64_t bytes) override;
  [[nodiscard]] bool Sync() override;
  [[nodiscard]] bool Lock(short type, std::int64_t offset, std::int64_t bytes) override;
  [[nodiscard]] bool IsWritable() const override;

 private:
  base::UniqueFd fd_;
};

/// Bytes that are looked at; each change of them fails.
class BytesFile final : public StoredFile {
 public:
  explicit BytesFile(base::Bytes bytes) : bytes_(std::move(bytes)) {}

  [[nodiscard]] std::int64_t Size() const override;
  [[nodiscard]] std::int64_t Read(void* buffer, std::size_t bytes,
                                  std::int64_t offset) const override;
  [[nodiscard]] bool Write(const void* buffer, std::size_t bytes, std::int64_t offset) override;
  [[nodiscard]] bool Truncate(std::int64_t bytes) override;
  [[nodiscard]] bool Sync() override;
  [[nodiscard]] bool Lock(short type, std::int64_t offset, std::int64_t bytes) override;
  [[nodiscard]] bool IsWritable() const override;

 private:
  base::Bytes bytes_;
};

/// Lets nobody begin to write to a database, or fails with EAGAIN when somebody has it open. Others
/// may look at the same time, and a daemon that starts meanwhile waits for a moment.
[[nodiscard]] bool BeginLooking(int fd);
/// Ends that. Fails with EAGAIN when somebody's own SQLite has come since, whose log others may
/// write.
[[nodiscard]] bool EndLooking(int fd);

/// The file system of one connection (https://www.sqlite.org/vfs.html). It has two files, the
/// database and its log, and no way to any other: it answers "not there" to the name of a journal,
/// opens nothing else, removes nothing, and has no path. Its locks are those of SQLite's own unix
/// file system, so each keeps the other out. For who only looks it waits a moment, and for nobody
/// else. There is no shared memory, which
/// PRAGMA locking_mode = EXCLUSIVE makes needless.
class Vfs {
 public:
  /// `name`, which is not empty, is for messages.
  Vfs(std::string name, std::unique_ptr<StoredFile> database, std::unique_ptr<StoredFile> log);
  ~Vfs() = default;
  Vfs(const Vfs&) = delete;
  Vfs& operator=(const Vfs&) = delete;

  /// Opens a connection to the database, and lives until that is closed. Gives SQLite's code.
  [[nodiscard]] int Open(sqlite3** connection);

  /// Held while SQLite looks for a file system: its list of them is one for all threads, and each
  /// Vfs is in it, under the same name, while it is opened.
  [[nodiscard]] static std::unique_lock<std::mutex> LockList();

  [[nodiscard]] const std::string& name() const { return name_; }
  /// The database for its name, the log for that with "-wal", and null for any other.
  [[nodiscard]] StoredFile* Find(std::string_view name);

  [[nodiscard]] StoredFile& database() { return *database_; }
  [[nodiscard]] StoredFile& log() { return *log_; }

 private:
  std::string name_;
  std::string log_name_;
  std::unique_ptr<StoredFile> database_;
  std::unique_ptr<StoredFile> log_;
  sqlite3_vfs vfs_;
};

}  // namespace varstored::backend
