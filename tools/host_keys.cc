#include "host_keys.h"

#include <array>
#include <string_view>

#include "varstored/daemon/first_boot_keys.h"
#include "varstored/daemon/options.h"

namespace varstored::tools {

std::vector<tool::Option> OptionsOf(HostKeysOptions& options) {
  return {tool::Value('\0', "config", options.configuration_path),
          tool::Value('\0', "auth-dir", options.auth_folder)};
}

namespace {

/// As the daemon itself would start, but for the domain, which the keys do not depend on.
base::Result<daemon::Options> ReadDaemonOptions(const HostKeysOptions& options) {
  constexpr daemon::Program kDaemon = {
      .name = "varstored",
      .help = {},
      .door = daemon::Program::Door::kXen,
      .configuration_path = daemon::kConfigurationPath,
      .auth_folder = daemon::kAuthFolder,
  };
  std::vector<std::string_view> arguments = {"--domain", "1", "--backend", "memory"};
  if (!options.configuration_path.empty()) {
    arguments.insert(arguments.end(), {"--config", options.configuration_path});
  }
  if (!options.auth_folder.empty()) {
    arguments.insert(arguments.end(), {"--auth-dir", options.auth_folder});
  }
  auto read = daemon::ReadOptions(kDaemon, arguments);
  return read ? base::Result<daemon::Options>(*std::move(read)) : base::Fail(read.error().message);
}

}  // namespace

base::Result<std::string> HostFolder(const HostKeysOptions& options) {
  const auto read = ReadDaemonOptions(options);
  return read ? base::Result<std::string>(
                    read->auth_folder.value_or(std::string(daemon::kAuthFolder)))
              : read.failure();
}

base::Result<engine::FirstBootKeys> ReadHostKeys(const HostKeysOptions& options) {
  const auto read = ReadDaemonOptions(options);
  return read ? daemon::ReadFirstBootKeys(*read, std::string(daemon::kAuthFolder)) : read.failure();
}

}  // namespace varstored::tools
