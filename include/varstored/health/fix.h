#pragma once

#include <string>
#include <vector>

#include "varstored/base/result.h"
#include "varstored/engine/variable_services.h"
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

/// `state` with the certificates of 2023 that are missing beside those of 2011, added from the
/// host's `keys` exactly as an update at a start adds them (engine/certificate_update.h).
/// Everything else is as it was, and in its place. The error says what stands in the way.
[[nodiscard]] base::Result<State> WithSuccessors(State state, const Context& context,
                                                 const engine::FirstBootKeys& keys);

}  // namespace varstored::health
