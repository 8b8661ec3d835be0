#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sqlite_connection.h"
#include "varstored/base/result.h"
#include "varstored/store/history.h"
#include "varstored/store/store.h"

namespace varstored::backend {

/// Who changes something, and why: the same for all changes of one transaction.
struct Author {
  store::Actor actor;
  std::string_view reason;
};

/// The table `history` of an open database.
class SqliteHistory {
 public:
  /// `connection` outlives this object.
  explicit SqliteHistory(const Connection& connection) : connection_(connection) {}

  /// All entries, the newest first. A row that varstored would not write is an error: the file is
  /// damaged. Nothing in a file of a version that has no such table yet.
  [[nodiscard]] base::Result<std::vector<store::HistoryEntry>> ReadAll() const;

  /// Inside of a transaction: an entry for each change that belongs into the history.
  [[nodiscard]] base::Result<void> Add(const std::vector<store::StagedStore::Change>& changes,
                                       const Author& author);
  /// The same for what leads from the rows `before` to `staged`.
  [[nodiscard]] base::Result<void> Add(const std::vector<store::Entry>& before,
                                       const store::StagedStore& staged, const Author& author);
  /// The same for the host's wish.
  [[nodiscard]] base::Result<void> AddWish(bool wants_secure_boot, const Author& author);

  /// The transaction was not committed: nothing is known of the table any more.
  void Forget() { numbers_.reset(); }

 private:
  [[nodiscard]] base::Result<void> Put(store::HistoryEntry entry, const Author& author);
  /// What numbers_ is, and a history that cannot be read is emptied.
  [[nodiscard]] base::Result<void> Know();

  const Connection& connection_;
  std::optional<Statement> put_;
  /// The number of the entry in each place; 0: it is free.
  std::optional<std::array<std::uint64_t, store::kMostHistory>> numbers_;
};

}  // namespace varstored::backend
