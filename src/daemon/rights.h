#pragma once

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/daemon/options.h"
#include "varstored/sandbox/sandbox.h"

namespace varstored::daemon {

/// Gives up what the options ask for. Afterwards the process parses bytes that may be hostile:
/// everything that it needs rights for is open. docs/security.md, "The sandbox". The result is to
/// be entered when the variables are loaded: no file is read from then on, and one written. Clients
/// are accepted later only with `has_live_socket`.
[[nodiscard]] base::Result<sandbox::Confinement> DropRights(const Program& program,
                                                            const Options& options,
                                                            bool has_live_socket, base::Log& log);

}  // namespace varstored::daemon
