#pragma once

#include <chrono>
#include <string>

#include "varstored/base/bytes.h"
#include "varstored/engine/key_drift.h"
#include "varstored/engine/variable_services.h"
#include "varstored/guest/dispatcher.h"

namespace varstored::daemon {

/// What a client of the LiveSocket gets: everything but the key of the MOR lock and the physical
/// presence registers, which are the guest's alone.
[[nodiscard]] base::Bytes MakeLiveSnapshot(const std::string& version, const std::string& backend,
                                           std::chrono::steady_clock::time_point started,
                                           const engine::KeysFound& found,
                                           const engine::VariableServices& services,
                                           const guest::Dispatcher& dispatcher);

}  // namespace varstored::daemon
