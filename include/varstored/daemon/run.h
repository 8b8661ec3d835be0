#pragma once

#include <functional>
#include <memory>

#include "varstored/base/log.h"
#include "varstored/daemon/options.h"
#include "varstored/guest/door.h"

namespace varstored::daemon {

/// Makes the door that `options` ask for. `log` outlives it.
using MakeDoor = std::unique_ptr<guest::Door> (*)(const Options& options, base::Log& log);

/// The whole life of a daemon: options, start, service until a signal or the end of the guest,
/// saved state. Returns the exit code: 0 after an orderly end, 1 with one line in the log when
/// something failed, 2 when the command line is not understood. The order of the start, and what a
/// failure in each step leaves behind, is in docs/architecture.md, "Start".
[[nodiscard]] int Run(const Program& program, int argc, const char* const* argv,
                      MakeDoor make_door);

}  // namespace varstored::daemon
