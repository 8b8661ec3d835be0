#include "page.h"
#include "varstored/daemon/first_boot_keys.h"
#include "varstored/daemon/run.h"
#include "varstored/guest_xen/xen_door.h"
#include "varstored/live/snapshot.h"

int main(int argc, char** argv) {
  using namespace varstored;
  constexpr daemon::Program kProgram = {
      .name = page::kName,
      .help = page::kHelp,
      .door = daemon::Program::Door::kXen,
      .configuration_path = daemon::kConfigurationPath,
      .auth_folder = daemon::kAuthFolder,
      .live_folder = live::kFolder,
  };
  return daemon::Run(kProgram, argc, argv, [](const daemon::Options& options, base::Log& log) {
    return guest_xen::MakeXenDoor(static_cast<std::uint16_t>(options.domain), log);
  });
}
