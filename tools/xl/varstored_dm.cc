#include <unistd.h>

#include <exception>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"
#include "domains.h"
#include "launch.h"
#include "page.h"
#include "varstored/base/file.h"
#include "varstored/version.h"

namespace {

using namespace varstored;

int Complain(const std::string& what, int status) {
  std::cerr << page::kName << ": " << what << '\n';
  return status;
}

/// Starts the daemon, and closes every descriptor of this program's own.
base::Result<xl::Daemon> Serve(const xl::DeviceModelLine& line) {
  const auto domains = xl::Domains::Open();
  if (!domains) {
    return domains.failure();
  }
  return xl::Daemon::Start(*domains, line.settings,
                           {.domain = *line.domain, .resumes = line.restores, .replaces = true});
}

int Run(std::span<const std::string> arguments) {
  const auto line = xl::ParseDeviceModelLine(arguments);
  if (!line) {
    return Complain(line.error().message + "; --help shows how it is used", 2);
  }
  if (line->help || line->version) {
    std::cout << (line->help ? std::string(page::kHelp)
                             : std::string(page::kName) + " " + std::string(kVersion) + "\n");
    return 0;
  }
  // A daemon without its device model would hold the VM's store for nothing.
  if (::access(line->device_model.c_str(), X_OK) != 0) {
    return Complain("cannot run the device model " + line->device_model + ": " + base::ErrnoText() +
                        "; --varstored-device-model names another one",
                    1);
  }
  std::optional<xl::Daemon> daemon;
  if (line->domain) {
    auto served = Serve(*line);
    if (!served) {
      return Complain("domain " + std::to_string(*line->domain) + ": " + served.error().message, 1);
    }
    daemon = std::move(*served);
  }

  std::vector<std::string> words = line->device_model_arguments;
  words.insert(words.begin(), line->device_model);
  std::vector<char*> command;
  command.reserve(words.size() + 1);
  for (std::string& word : words) {
    command.push_back(word.data());
  }
  command.push_back(nullptr);
  ::execv(command.front(), command.data());
  const std::string why = base::ErrnoText();
  if (daemon) {
    daemon->End();
  }
  return Complain("cannot run the device model " + line->device_model + ": " + why, 1);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::span<char*> words(argv, static_cast<std::size_t>(argc));
    const std::vector<std::string> arguments(words.begin() + (words.empty() ? 0 : 1), words.end());
    return Run(arguments);
  } catch (const std::exception& failure) {
    return Complain(failure.what(), 1);
  }
}
