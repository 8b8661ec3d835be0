#pragma once

#include <optional>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/health/finding.h"
#include "varstored/health/state.h"
#include "varstored/tool/place.h"

namespace varstored::tools {

/// What a place keeps, read as far as it can be.
struct KeptState {
  health::State state;
  /// What is known besides: target, is_vm, is_first_boot, secure_boot, and now.
  health::Context context;
};

/// Reads what `options` name: a VM's variables in the toolstack, a database, or a file with a
/// `VARS` blob, raw or in base64. A blob that cannot be read as a whole is no error, but one of
/// which nothing can be read is.
[[nodiscard]] base::Result<KeptState> ReadKeptState(const tool::PlaceOptions& options,
                                                    base::Log& log);

}  // namespace varstored::tools
