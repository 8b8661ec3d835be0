#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands.h"
#include "esp.h"
#include "kept_state.h"
#include "proposed.h"
#include "repair.h"
#include "screen_here.h"
#include "varstore-bootcheck/page.h"
#include "varstored/boot/loaders.h"
#include "varstored/tool/command_line.h"

namespace varstored::tools {
namespace {

constexpr int kFoundExitCode = 2;

struct Wishes {
  tool::Rights rights;
  tool::PlaceOptions place;
  std::string esp;
  std::vector<std::string> after;  // [KEY=]FILE
  bool json = false;
};

// From here on it is for the helper process.

std::string NamesOf(const std::vector<Proposed>& updates) {
  std::string names;
  for (const Proposed& update : updates) {
    names += (names.empty() ? "" : ", ") + update.path.substr(update.path.find_last_of('/') + 1);
  }
  return names;
}

/// What is shown; in front of it a character that says whether there are findings.
base::Result<std::string> Show(const Wishes& wishes, const Subject& subject, const Esp& esp,
                               const std::vector<Proposed>& updates,
                               const health::ScreenOptions& screen) {
  const auto state = ReadableStateOf(subject);
  if (!state) {
    return state.failure();
  }
  const auto after = updates.empty() ? base::Result<health::State>(health::State())
                                     : WithProposed(*state, subject.kept, updates);
  if (!after) {
    return after.failure();
  }
  const auto read = esp.Reader();
  if (!read) {
    return read.failure();
  }
  const boot::BootReport report = boot::LookAt(*state, updates.empty() ? nullptr : &*after,
                                               NamesOf(updates), subject.context, *read);
  // In a VM that was never started nothing is sealed.
  const std::string pcr7 = updates.empty() || subject.context.is_first_boot
                               ? ""
                               : "\n" + WordsOnPcr7(*state, *after) + "\n";
  return (report.findings.empty() && report.findings_after.empty() ? " " : "!") +
         (wishes.json ? boot::RenderJson(report) : boot::RenderScreen(report, screen) + pcr7);
}

// And up to here.

base::Result<std::string> Run(Wishes& wishes, std::vector<std::string> operands, int& exit_code,
                              base::Log& log) {
  wishes.place.only_looks = true;
  if (auto taken = tool::TakePlace(wishes.place, operands, 0); !taken) {
    return taken.failure();
  }
  if (wishes.esp.empty()) {
    return tool::Misuse("--esp is missing: the disk, its image, or a folder with the ESP's files");
  }
  const auto updates = ReadProposed(wishes.after);
  if (!updates) {
    return updates.failure();
  }
  if (auto dropped = tool::DropRights(wishes.rights, log); !dropped) {
    return dropped.failure();
  }
  const auto opened = OpenKept(wishes.place, log);
  if (!opened) {
    return opened.failure();
  }
  const Subject subject = opened->subject();
  const auto esp = Esp::Open(
      wishes.esp, [&subject] { return ReadableStateOf(subject); }, log);
  if (!esp) {
    return esp.failure();
  }
  const health::ScreenOptions screen = ScreenOptionsHere();
  const auto answer =
      esp->TextInHelper([&] { return Show(wishes, subject, *esp, *updates, screen); }, log);
  if (!answer) {
    return answer.failure();
  }
  exit_code = answer->starts_with('!') ? kFoundExitCode : 0;
  return answer->substr(std::min<std::size_t>(answer->size(), 1));
}

}  // namespace

int BootCheckMain(int argc, char** argv) {
  Wishes wishes;
  int exit_code = 0;
  const int failed = tool::Main(
      {"varstore bootcheck", page::kHelp}, argc, argv,
      tool::Joined({tool::OptionsOf(wishes.rights),
                    tool::OptionsOf(wishes.place),
                    {tool::Value('\0', "esp", wishes.esp), tool::Flag('\0', "json", wishes.json),
                     tool::Values("after", wishes.after)}}),
      [&](auto operands, auto& log) { return Run(wishes, std::move(operands), exit_code, log); });
  return failed != 0 ? failed : exit_code;
}

}  // namespace varstored::tools
