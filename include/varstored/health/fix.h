#pragma once

#include <string>
#include <vector>

#include "varstored/health/finding.h"
#include "varstored/health/state.h"

namespace varstored::health {

/// `state` without `finding`, which is one of FindingsOf(state) with is_fixable; everything that
/// the finding is not about is as it was, and in its place. With another finding `state` comes back
/// as it is. What each does: docs/findings.md.
[[nodiscard]] State Fix(State state, const Finding& finding);

/// What came of a repair.
struct Repaired {
  State state;
  /// In the order in which they were fixed. Fixing one may settle another, which is not listed.
  std::vector<Finding> fixed;
  /// What is still wrong with `state`: none of it is_fixable.
  std::vector<Finding> left;
  /// Names of PK, KEK, db, dbx, dbt and dbr, in this order, of which a record stands behind damage,
  /// and is left out of `state`.
  std::vector<std::string> lost_keys;
};

/// Fixes all that can be fixed.
[[nodiscard]] Repaired FixAll(State state, const Context& context);

}  // namespace varstored::health
