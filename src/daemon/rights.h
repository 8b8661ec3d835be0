#pragma once

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/daemon/options.h"

namespace varstored::daemon {

/// Gives up what the options ask for. Afterwards the process parses bytes that may be hostile:
/// everything that it needs rights for is open. docs/security.md, "The sandbox".
[[nodiscard]] base::Result<void> DropRights(const Program& program, const Options& options,
                                            base::Log& log);

}  // namespace varstored::daemon
