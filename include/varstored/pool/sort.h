#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "varstored/base/result.h"
#include "varstored/pool/entry.h"

namespace varstored::pool {

/// What rows are sorted by: nothing is "worst", else it is a column.
using SortKey = std::optional<Column>;

/// "worst", or the name of a column; fails with the words that there are.
[[nodiscard]] base::Result<SortKey> ParseSortKey(std::string_view word);

/// The rows of VMs that come one after the other, until the last one is there and they can be
/// sorted. It keeps a bounded number of them, and of each long text the front.
class Gathered {
 public:
  /// Rows that are kept; a usual one takes half a kilobyte.
  static constexpr std::size_t kMostRows = 100'000;
  /// Of a name and of an error, in bytes.
  static constexpr std::size_t kMostTextBytes = 1000;

  explicit Gathered(std::size_t most = kMostRows) : most_(most) {}

  /// Fails where there is no place for one more.
  [[nodiscard]] base::Result<void> Add(Row row);

  /// Puts what cannot be read first. By "worst" VMs with the most errors follow, then those with
  /// the most warnings. Columns of numbers begin with the smallest, where nothing is less than 0;
  /// others are sorted as text. What is equal is sorted by "worst", then by name and uuid.
  void Sort(SortKey key);

  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }

 private:
  std::size_t most_;
  std::vector<Row> rows_;
};

}  // namespace varstored::pool
