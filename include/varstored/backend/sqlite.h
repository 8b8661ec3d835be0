#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/held_file.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/base/unique_fd.h"
#include "varstored/store/backend.h"
#include "varstored/store/history.h"

namespace varstored::backend {

struct Author;
class Vfs;

/// The largest database that is taken or made, and the largest log of one, in bytes. A smaller
/// RLIMIT_FSIZE would let commits fail (and SIGXFSZ has to be ignored).
inline constexpr std::size_t kMaxDatabaseBytes = std::size_t{2} * 1024 * 1024;

/// A database and its log, opened by somebody who may open files. This is all that a process needs
/// that keeps variables in it: no path is used any more.
struct DatabaseFiles {
  std::string name;         // the path as it was given, for messages
  base::UniqueFd database;  // for reading and writing; for kLook for reading
  base::UniqueFd log;       // NAME-wal: likewise; for kLook none where there is none
};

/// The program whose changes the history tells from those of other tools.
inline constexpr std::string_view kRepairProgram = "varstore-repair";

/// The end of the failure of all that finds the database locked.
inline constexpr std::string_view kDatabaseInUse = "another process uses it";

/// What a database is opened for.
enum class DatabaseUse : std::uint8_t {
  kLook,    // nothing is made or changed
  kChange,  // it has to be there; its log is made where there is none
  kMake,    // it is made where there is none: mode 0600, in a folder that exists
};

/// Opens the database at `path` and the log beside it, and looks at nothing in them. Symbolic links
/// are followed as base::HeldFile says; the log stands beside the file itself. What is made has its
/// whole content, and is on the disk together with its name, when this returns. A file beside it
/// that is called NAME-journal and not empty, a log without a database, something else than regular
/// files, and a file that cannot be opened for its use are errors that name the file.
[[nodiscard]] base::Result<DatabaseFiles> OpenDatabaseFiles(const std::string& path,
                                                            DatabaseUse use);
/// The same for a file that has been looked for before, which is compared with what is opened; or
/// is made, for kMake, and held then.
[[nodiscard]] base::Result<DatabaseFiles> OpenDatabaseFiles(base::HeldFile& file, DatabaseUse use);

/// The content of a database and its log, for who only looks.
struct DatabaseBytes {
  std::string name;  // for messages
  base::Bytes database;
  base::Bytes log;  // empty where there is none
};

/// Reads both files, up to kMaxDatabaseBytes and one byte each, while nobody can begin to write to
/// them. That another process uses the database is an error, but for one that looks too. A daemon
/// that starts meanwhile waits for the end.
[[nodiscard]] base::Result<DatabaseBytes> ReadDatabase(const DatabaseFiles& files);

/// Keeps the non-volatile variables in an SQLite database, one row each (docs/backends.md). While
/// an object lives, no other process can use the file.
///
/// SQLite sees two files and can name no other one: those of DatabaseFiles, or bytes. So what is
/// in them may be of anybody.
class SqliteBackend final : public store::Backend {
 public:
  /// When it is found out whether the file can take a write, which takes one.
  enum class FirstWrite : std::uint8_t {
    kAtOnce,      // a daemon: before anybody is told that variables can be kept
    kWithCommit,  // a tool: what only looks leaves every byte of the file and its log as it is
  };

  /// A file that another process uses, that has no room to grow, is damaged, is no database of
  /// this program or was made by a newer one is an error, and stays as it is. It goes on in a
  /// chroot, with the few system calls that docs/backends.md lists. `log` belongs to the caller and
  /// outlives this object.
  [[nodiscard]] static base::Result<std::unique_ptr<SqliteBackend>> Open(
      DatabaseFiles files, base::Log& log, FirstWrite first_write = FirstWrite::kAtOnce);

  /// OpenDatabaseFiles for kMake, and Open.
  [[nodiscard]] static base::Result<std::unique_ptr<SqliteBackend>> Open(
      const std::string& path, base::Log& log, FirstWrite first_write = FirstWrite::kAtOnce);

  /// Looks at bytes, with the errors of Open. No file is used, and every Commit fails.
  [[nodiscard]] static base::Result<std::unique_ptr<SqliteBackend>> Look(DatabaseBytes bytes,
                                                                         base::Log& log);
  ~SqliteBackend() override;
  SqliteBackend(const SqliteBackend&) = delete;
  SqliteBackend& operator=(const SqliteBackend&) = delete;

  [[nodiscard]] base::Result<std::optional<std::vector<store::Entry>>> Load() override;

  /// One transaction and one sync of the disk, or nothing at all when no row changes. The first one
  /// after anything but a successful Load or Commit (after a resume, after a failure) makes all
  /// rows anew, because nobody can say which are right. The history has it in the same
  /// transaction, as the guest's.
  [[nodiscard]] base::Result<void> Commit(const store::StagedStore& staged) override;
  /// The same, as the host's.
  [[nodiscard]] base::Result<void> CommitAtBoot(const store::StagedStore& staged) override;

  /// A Commit of all rows: the database may be of another host's, or not there yet.
  [[nodiscard]] base::Result<void> KeepResumed(const store::StagedStore& staged) override;
  /// The same for a program of the host's, whose name the history has.
  [[nodiscard]] base::Result<void> KeepByTool(const store::StagedStore& staged,
                                              std::string_view program);

  /// What changed, the newest first. A row of it that is none is an error, as at Load.
  [[nodiscard]] base::Result<std::vector<store::HistoryEntry>> History();

  /// One transaction, when it is another wish than at the start before.
  [[nodiscard]] base::Result<void> KeepWishAtStart(bool wants_secure_boot) override;
  [[nodiscard]] base::Result<std::optional<bool>> WantedSecureBootAtLastStart() override;

  /// A line in the log: without a toolstack there is nobody else to tell.
  [[nodiscard]] base::Result<void> ReportSecureBootFailure() override;

 private:
  class Rows;

  SqliteBackend(std::unique_ptr<Rows> rows, base::Log& log);

  [[nodiscard]] static base::Result<std::unique_ptr<SqliteBackend>> OpenOver(
      std::unique_ptr<Vfs> vfs, base::Log& log);

  /// Commit, as `author`.
  [[nodiscard]] base::Result<void> Write(const store::StagedStore& staged, const Author& author);

  /// Once, before the first write.
  [[nodiscard]] base::Result<void> Prepare();

  std::unique_ptr<Rows> rows_;
  base::Log& log_;
  /// The rows are those of the store that the next commit builds on.
  bool in_step_ = false;
  bool is_writable_ = false;
  /// Load has found that nothing was ever kept.
  bool is_first_boot_ = false;
};

}  // namespace varstored::backend
