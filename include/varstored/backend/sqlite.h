#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/store/backend.h"

namespace varstored::backend {

/// Keeps the non-volatile variables in an SQLite database, one row each (docs/backends.md). While
/// an object lives, no other process can use the file.
///
/// Every file that it needs is open when Open returns: it goes on in a chroot, with the few system
/// calls that docs/backends.md lists. Locks do not survive a fork, so it has to be opened by the
/// process that is going to use it.
class SqliteBackend final : public store::Backend {
 public:
  /// The largest file that it takes or makes, in bytes. A smaller RLIMIT_FSIZE would let commits
  /// fail (and SIGXFSZ has to be ignored).
  static constexpr std::size_t kMaxFileBytes = std::size_t{2} * 1024 * 1024;

  /// When it is found out whether the file can take a write, which takes one.
  enum class FirstWrite : std::uint8_t {
    kAtOnce,      // a daemon: before anybody is told that variables can be kept
    kWithCommit,  // a tool: what only looks leaves every byte of the file and its log as it is
  };

  /// Opens the database at `path`, or makes it when there is none: mode 0600, in a folder that
  /// exists. A file that another process uses, that cannot be written, has no room to grow, is
  /// damaged, is no database of this program or was made by a newer one is an error, and stays as
  /// it is. `log` belongs to the caller and outlives this object.
  [[nodiscard]] static base::Result<std::unique_ptr<SqliteBackend>> Open(
      const std::string& path, base::Log& log, FirstWrite first_write = FirstWrite::kAtOnce);
  ~SqliteBackend() override;
  SqliteBackend(const SqliteBackend&) = delete;
  SqliteBackend& operator=(const SqliteBackend&) = delete;

  [[nodiscard]] base::Result<std::optional<std::vector<store::Entry>>> Load() override;

  /// One transaction and one sync of the disk, or nothing at all when no row changes. The first one
  /// after anything but a successful Load or Commit (after a resume, after a failure) makes all
  /// rows anew, because nobody can say which are right.
  [[nodiscard]] base::Result<void> Commit(const store::StagedStore& staged) override;

  /// A Commit of all rows: the database may be of another host's, or not there yet.
  [[nodiscard]] base::Result<void> KeepResumed(const store::StagedStore& staged) override {
    in_step_ = false;
    return Commit(staged);
  }

  /// A line in the log: without a toolstack there is nobody else to tell.
  [[nodiscard]] base::Result<void> ReportSecureBootFailure() override;

 private:
  class Rows;

  SqliteBackend(std::unique_ptr<Rows> rows, base::Log& log);

  /// Once, before the first write.
  [[nodiscard]] base::Result<void> Prepare();

  std::unique_ptr<Rows> rows_;
  base::Log& log_;
  /// The rows are those of the store that the next commit builds on.
  bool in_step_ = false;
  bool is_writable_ = false;
};

}  // namespace varstored::backend
