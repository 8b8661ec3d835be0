#include "host_keys.h"
#include "page.h"
#include "varstored/tool/session.h"

namespace {

using namespace varstored;

/// XAPI hands this on to whoever called VM.set_uefi_mode.
constexpr std::string_view kOutput =
    "Removing PK...\n"
    "Removing KEK...\n"
    "Removing db...\n"
    "Removing dbx...\n";

base::Result<std::string> ChangeState(const tool::PlaceOptions& place, const tool::Rights& rights,
                                      const std::optional<engine::FirstBootKeys>& keys,
                                      base::Log& log) {
  return tool::WithSession(
      place, rights, log,
      [&keys](tool::Session& session, base::Log& /*lines*/) -> base::Result<std::string> {
        if (const auto replaced = session.services().ReplaceKeys(keys); !replaced) {
          return replaced.failure();
        }
        // A VM that was never started would get the host's keys at its start, and leave setup mode.
        const auto saved = session.Save(tool::Session::Keep::kAlways);
        return saved ? base::Result<std::string>(std::string(kOutput)) : saved.failure();
      });
}

}  // namespace

int main(int argc, char** argv) {
  tool::PlaceOptions place;
  tool::Rights rights;
  tools::HostKeysOptions host;
  return tool::Main(
      {page::kName, page::kHelp}, argc, argv,
      tool::Joined({tool::OptionsOf(place), tool::OptionsOf(rights), tools::OptionsOf(host)}),
      [&](auto operands, auto& log) -> base::Result<std::string> {
        if (auto taken = tool::TakePlace(place, operands, 1); !taken) {
          return taken.failure();
        }
        const std::string& state = operands.front();
        if (state != "setup" && state != "user") {
          return tool::Misuse("'" + state + "' is neither setup nor user");
        }
        std::optional<engine::FirstBootKeys> keys;
        if (state == "user") {
          auto read = tools::ReadHostKeys(host);
          if (!read) {
            return read.failure();
          }
          keys = *std::move(read);
        }
        return ChangeState(place, rights, keys, log);
      });
}
