#include <algorithm>
#include <ctime>
#include <optional>
#include <string>

#include "kept_state.h"
#include "page.h"
#include "screen_here.h"
#include "varstored/base/file.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/signature_list.h"
#include "varstored/health/render.h"
#include "varstored/health/report.h"
#include "varstored/sandbox/helper.h"
#include "varstored/tool/command_line.h"
#include "varstored/tool/live.h"
#include "varstored/tool/place.h"

namespace {

using namespace varstored;

/// Besides 0 and 1, which tool::Main gives.
constexpr int kFoundExitCode = 2;

constexpr std::size_t kMaxUpdateBytes = std::size_t{1024} * 1024;

struct Wishes {
  tool::Rights rights;
  tool::PlaceOptions place;
  bool live = false;
  bool json = false;
  bool svg = false;
  std::string dbx_update;
};

/// What was read for an inspection, and looked into by nobody.
struct Input {
  tools::Subject subject;
  std::optional<tool::LiveAnswer> live;
  std::optional<base::Bytes> update;
};

base::Result<Input> ReadInput(const Wishes& wishes, base::Log& log) {
  Input input;
  if (!wishes.dbx_update.empty()) {
    auto update = base::ReadFile(wishes.dbx_update, kMaxUpdateBytes);
    if (!update) {
      return update.failure();
    }
    input.update = *std::move(update);
  }
  if (wishes.live) {
    auto live = tool::AskLive(wishes.place.operand, wishes.rights, log);
    if (!live) {
      return live.failure();
    }
    input.live = *std::move(live);
    return input;
  }
  if (auto dropped = tool::DropRights(wishes.rights, log); !dropped) {
    return dropped.failure();
  }
  const auto opened = tools::OpenKept(wishes.place, log);
  if (!opened) {
    return opened.failure();
  }
  input.subject = opened->subject();
  return input;
}

// From here on it is for the helper process.

/// The signature lists of an update: of a signed one those behind its descriptor, else the file.
base::Result<base::Bytes> ListsOf(const std::string& path, base::ByteSpan content) {
  const auto descriptor = efi::ParseAuthenticationDescriptor(content);
  const base::ByteSpan lists = descriptor ? descriptor->payload : content;
  const auto parsed = efi::ParseSignatureLists(lists);
  if (!parsed || parsed->empty()) {
    return base::Fail(path + ": neither a signed update nor signature lists");
  }
  return base::ToBytes(lists);
}

struct Inspected {
  health::State state;
  health::Context context;
};

base::Result<Inspected> LookAtRunning(const Wishes& wishes, const tool::LiveAnswer& live) {
  auto snapshot = tool::ReadLive(live);
  if (!snapshot) {
    return snapshot.failure();
  }
  Inspected running;
  running.state = health::ReadState(snapshot->blob);
  running.context.target = wishes.place.operand;
  running.context.now = std::time(nullptr);
  // What mends it is done to what is kept.
  if (live.name.uuid && snapshot->counts.backend == "xapidb") {
    running.context.target = efi::ToText(*live.name.uuid);
    running.context.is_vm = true;
  }
  running.context.running = {live.name, std::move(snapshot->counts)};
  return running;
}

base::Result<Inspected> LookAt(const Wishes& wishes, const Input& input) {
  if (input.live) {
    return LookAtRunning(wishes, *input.live);
  }
  auto state = tools::ReadableStateOf(input.subject);
  if (!state) {
    return state.failure();
  }
  return Inspected{*std::move(state), input.subject.context};
}

/// What is shown; in front of it a character that says whether there are findings.
base::Result<std::string> Report(const Wishes& wishes, const Input& input,
                                 const health::ScreenOptions& screen) {
  std::optional<base::Bytes> update;
  if (input.update) {
    auto lists = ListsOf(wishes.dbx_update, *input.update);
    if (!lists) {
      return lists.failure();
    }
    update = *std::move(lists);
  }
  auto inspected = LookAt(wishes, input);
  if (!inspected) {
    return inspected.failure();
  }
  inspected->context.dbx_update = std::move(update);
  health::Report report = health::MakeReport(inspected->state, inspected->context);
  tools::BeginWithACopy(input.subject.kept, report.findings);
  if (wishes.live && !inspected->context.is_vm) {
    // They would need the file in which the variables are kept, of which nothing is known here.
    for (health::Finding& finding : report.findings) {
      finding.command.clear();
    }
  }
  return (report.findings.empty() ? " " : "!") + (wishes.json ? health::RenderJson(report)
                                                  : wishes.svg
                                                      ? health::RenderSvg(report)
                                                      : health::RenderScreen(report, screen));
}

// And up to here.

base::Result<std::string> Inspect(const Wishes& wishes, bool& has_findings, base::Log& log) {
  if (wishes.json && wishes.svg) {
    return tool::Misuse("--json and --svg exclude each other");
  }
  const auto input = ReadInput(wishes, log);
  if (!input) {
    return input.failure();
  }
  const health::ScreenOptions screen = tools::ScreenOptionsHere();
  const auto answer = sandbox::TextInHelper(
      [&](base::Log& /*lines*/) { return Report(wishes, *input, screen); }, log);
  if (!answer) {
    return answer.failure();
  }
  has_findings = answer->starts_with('!');
  return answer->substr(std::min<std::size_t>(answer->size(), 1));
}

}  // namespace

int main(int argc, char** argv) {
  Wishes wishes;
  bool has_findings = false;
  const int failed = tool::Main(
      {page::kName, page::kHelp}, argc, argv,
      tool::Joined({tool::OptionsOf(wishes.rights),
                    tool::OptionsOf(wishes.place),
                    {tool::Flag('\0', "live", wishes.live), tool::Flag('\0', "json", wishes.json),
                     tool::Flag('\0', "svg", wishes.svg),
                     tool::Value('\0', "dbx-update", wishes.dbx_update)}}),
      [&](auto operands, auto& log) -> base::Result<std::string> {
        if (auto taken = tool::TakePlace(wishes.place, operands, 0, wishes.live); !taken) {
          return taken.failure();
        }
        return Inspect(wishes, has_findings, log);
      });
  return failed != 0 ? failed : has_findings ? kFoundExitCode : 0;
}
