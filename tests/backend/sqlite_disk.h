#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "varstored/base/bytes.h"

namespace varstored::test {

/// What SQLite did to a file: everything that changes it, and the reads.
struct DiskOperation {
  enum class Kind { kCreate, kRead, kWrite, kTruncate, kSync };
  Kind kind;
  std::string file;         // without its folder
  std::int64_t offset = 0;  // kWrite; kTruncate: the new size
  base::Bytes data = {};    // kWrite
};

/// Stands between SQLite and the operating system's files while it lives. It writes down what
/// SQLite does, and can make an operation fail. It has no shared memory to offer.
class SqliteDisk {
 public:
  /// From now on every database that this process opens goes through it.
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

  /// For the file methods: notes an operation; another value than SQLITE_OK is its failure.
  [[nodiscard]] int Begin(DiskOperation operation);
  [[nodiscard]] sqlite3_vfs& real() { return *real_; }
  [[nodiscard]] bool skips_syncs() const { return skip_syncs_; }

 private:
  sqlite3_vfs* real_;
  sqlite3_vfs vfs_;
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
/// file's length by itself, and a file that was made and never synced may be missing.
[[nodiscard]] FolderContent AfterPowerCut(const FolderContent& before,
                                          const std::vector<DiskOperation>& log, std::size_t count,
                                          Unsynced unsynced, std::mt19937& random);

}  // namespace varstored::test
