#pragma once

#include <string>
#include <vector>

#include "varstored/base/result.h"
#include "varstored/engine/variable_services.h"
#include "varstored/tool/command_line.h"

namespace varstored::tools {

/// Where a host's keys are, if the command line says so.
struct HostKeysOptions {
  std::string configuration_path;
  std::string auth_folder;
};

/// The options --config and --auth-dir, which set `options`.
[[nodiscard]] std::vector<tool::Option> OptionsOf(HostKeysOptions& options);

/// The folder that the host's keys are in: what the command line says, or the daemon's own
/// configuration, or the usual one.
[[nodiscard]] base::Result<std::string> HostFolder(const HostKeysOptions& options);

/// The keys that a VM gets at its first boot on this host: the daemon's own configuration counts.
[[nodiscard]] base::Result<engine::FirstBootKeys> ReadHostKeys(const HostKeysOptions& options);

}  // namespace varstored::tools
