#pragma once

#include <string>
#include <string_view>

#include "varstored/base/result.h"
#include "varstored/daemon/options.h"
#include "varstored/engine/variable_services.h"

namespace varstored::daemon {

/// What the program varstored reads where the command line does not say otherwise. A host's tools
/// read the same.
inline constexpr std::string_view kConfigurationPath = "/etc/varstored.conf";
inline constexpr std::string_view kAuthFolder = "/var/lib/varstored";

/// The files that a first boot enrolls (docs/toolstack.md, "First boot keys"): those in the folder
/// that `options` name, which has to be there, else in `otherwise`, which may be missing or empty.
/// A file that is there and cannot be read is an error that names it.
[[nodiscard]] base::Result<engine::FirstBootKeys> ReadFirstBootKeys(const Options& options,
                                                                    const std::string& otherwise);

}  // namespace varstored::daemon
