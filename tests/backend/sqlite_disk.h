#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "varstored/base/bytes.h"

namespace varstored::test {

/// What SQLite did to a file: everything that changes it, and the reads.
struct DiskOperation {
  enum class Kind { kRead, kWrite, kTruncate, kSync };
  Kind kind;
  std::string file;         // without its folder
  std::int64_t offset = 0;  // kWrite; kTruncate: the new size
  base::Bytes data = {};    // kWrite
};

/// Stands between SQLite and the files of a backend while it lives. It writes down what SQLite
/// does, and can make an operation fail. It has no shared memory to offer.
///
/// The linker gives it each call of sqlite3_open_v2 (--wrap), so the backend needs no door for it.
class SqliteDisk {
 public:
  /// From now on every database that the backend opens goes through it. There is one at a time.
  SqliteDisk();
  ~SqliteDisk();
  SqliteDisk(const SqliteDisk&) = delete;
  SqliteDisk& operator=(const SqliteDisk&) = delete;

  /// What happened so far, without the reads.
  [[nodiscard]] const std::vector<DiskOperation>& log() const { return log_; }
  void ClearLog() { log_.clear(); }
  [[nodiscard]] std::size_t Count(DiskOperation::Kind kind) const;

  /// Called before each operation: another value than SQLITE_OK is its failure, and nothing
  /// happens.
  void SetFault(std::function<int(const DiskOperation&)> fault) { fault_ = std::move(fault); }
  /// Syncs only pretend, which is good enough for files that no power cut will meet.
  void SkipSyncs() { skip_syncs_ = true; }

  /// The one that lives, or null.
  [[nodiscard]] static SqliteDisk* Current();
  /// One that is passed on to another.
  struct FileSystem : sqlite3_vfs {
    sqlite3_vfs* real;
  };
  /// In the place of sqlite3_open_v2 for a file system of the backend's.
  [[nodiscard]] int Open(const char* name, sqlite3** connection, int flags, sqlite3_vfs& real);

  /// For the file methods: notes an operation; another value than SQLITE_OK is its failure.
  [[nodiscard]] int Begin(DiskOperation operation);
  [[nodiscard]] bool skips_syncs() const { return skip_syncs_; }

 private:
  /// One for each that a connection uses.
  std::list<FileSystem> file_systems_;
  std::vector<DiskOperation> log_;
  std::function<int(const DiskOperation&)> fault_;
  bool skip_syncs_ = false;
};

/// The files of a folder, by name.
using FolderContent = std::map<std::string, base::Bytes>;

/// What a power cut does to that which no sync has followed.
enum class Unsynced { kLost, kKept, kRandom };

/// What is found after a power cut behind the first `count` operations, when `before` had been on
/// the disk for good. Of what happened to a file, that which a sync of the file has followed is
/// there. Of the rest, `kRandom` keeps or loses each sector of 512 bytes and each change of the
/// file's length by itself. The files themselves are there: the backend makes them, and syncs their
/// folder, before SQLite knows of them.
[[nodiscard]] FolderContent AfterPowerCut(const FolderContent& before,
                                          const std::vector<DiskOperation>& log, std::size_t count,
                                          Unsynced unsynced, std::mt19937& random);

}  // namespace varstored::test
