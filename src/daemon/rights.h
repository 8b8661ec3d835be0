#pragma once

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/daemon/options.h"
#include "varstored/sandbox/sandbox.h"

namespace varstored::daemon {

/// Gives up what the options ask for, but for what a process needs to open the backend's files.
/// docs/security.md, "The sandbox".
[[nodiscard]] base::Result<void> DropRights(const Options& options, base::Log& log);

/// With --depriv, gives up the rest. Afterwards the process parses bytes that may be hostile. The
/// result is to be entered when the variables are loaded: no file is read from then on, and one
/// written. Clients are accepted later only with `has_live_socket`.
[[nodiscard]] base::Result<sandbox::Confinement> LockIn(const Program& program,
                                                        const Options& options,
                                                        bool has_live_socket, base::Log& log);

}  // namespace varstored::daemon
