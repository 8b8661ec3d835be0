#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "varstored/health/finding.h"
#include "varstored/health/report.h"
#include "varstored/health/state.h"

namespace varstored::health {

/// What the store counts, and what is left of it.
[[nodiscard]] Usage UsageOf(const State& state);

/// A platform key is enrolled.
[[nodiscard]] bool IsUserMode(const State& state);

/// Whether Secure Boot is on: with a platform key, if the host wants it, or, when that is not
/// known, if the saved state of a running VM says so. Nothing when nobody can tell.
[[nodiscard]] std::optional<bool> IsSecureBootOn(const State& state, const Context& context);

}  // namespace varstored::health
