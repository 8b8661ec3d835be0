#include <memory>

#include "page.h"
#include "varstored/daemon/run.h"
#include "varstored/guest/loopback.h"

int main(int argc, char** argv) {
  using namespace varstored;
  constexpr daemon::Program kProgram = {
      .name = page::kName,
      .help = page::kHelp,
      .door = daemon::Program::Door::kLoopback,
      .configuration_path = {},
      .auth_folder = {},
      .live_folder = {},
  };
  return daemon::Run(kProgram, argc, argv, [](const daemon::Options& options, base::Log& /*log*/) {
    return std::unique_ptr<guest::Door>(
        std::make_unique<guest::LoopbackDoor>(options.listen_path, options.platform));
  });
}
