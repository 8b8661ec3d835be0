#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/health/report.h"

/// What the three renderings have in common.
namespace varstored::health {

/// A line of what takes the space: a variable, or a family of them.
struct UsageRow {
  std::string name;  // as efi::EscapeName has it; of a family with their number in front
  std::size_t count = 1;
  std::size_t data_bytes = 0;
  std::size_t used_bytes = 0;
  /// What they may have: one variable's limit, or of a family the store's.
  std::size_t limit_bytes = 0;
};

/// All, the largest first.
[[nodiscard]] std::vector<UsageRow> RowsOf(const Usage& usage);

/// "certificate", "to-be-signed hash" or "hash"; empty for one that is not revoked.
[[nodiscard]] std::string_view RevokedByText(RevokedBy by);

}  // namespace varstored::health
