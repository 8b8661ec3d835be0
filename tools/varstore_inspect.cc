#include <ctime>

#include "kept_state.h"
#include "page.h"
#include "screen_here.h"
#include "varstored/base/file.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/signature_list.h"
#include "varstored/health/render.h"
#include "varstored/health/report.h"
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

/// The signature lists of an update: of a signed one those behind its descriptor, else the file.
base::Result<base::Bytes> ReadUpdate(const std::string& path) {
  const auto content = base::ReadFile(path, kMaxUpdateBytes);
  if (!content) {
    return content.failure();
  }
  const auto descriptor = efi::ParseAuthenticationDescriptor(*content);
  const base::ByteSpan lists = descriptor ? descriptor->payload : base::ByteSpan(*content);
  const auto parsed = efi::ParseSignatureLists(lists);
  if (!parsed || parsed->empty()) {
    return base::Fail(path + ": neither a signed update nor signature lists");
  }
  return base::ToBytes(lists);
}

/// What is kept, with the rights that are needed for that; none are left afterwards.
base::Result<tools::KeptState> ReadKept(const Wishes& wishes, base::Log& log) {
  if (auto dropped = tool::DropRights(wishes.rights, log); !dropped) {
    return dropped.failure();
  }
  return tools::ReadKeptState(wishes.place, log);
}

/// The same of a running VM.
base::Result<tools::KeptState> ReadRunning(const Wishes& wishes, base::Log& log) {
  auto live = tool::ReadLive(wishes.place.operand, wishes.rights, log);
  if (!live) {
    return live.failure();
  }
  tools::KeptState running;
  running.state = health::ReadState(live->snapshot.blob);
  running.context.target = wishes.place.operand;
  running.context.now = std::time(nullptr);
  // What mends it is done to what is kept.
  if (live->name.uuid && live->snapshot.counts.backend == "xapidb") {
    running.context.target = efi::ToText(*live->name.uuid);
    running.context.is_vm = true;
  }
  running.context.running = {live->name, std::move(live->snapshot.counts)};
  return running;
}

base::Result<std::string> Inspect(const Wishes& wishes, bool& has_findings, base::Log& log) {
  if (wishes.json && wishes.svg) {
    return tool::Misuse("--json and --svg exclude each other");
  }
  std::optional<base::Bytes> update;
  if (!wishes.dbx_update.empty()) {
    auto read = ReadUpdate(wishes.dbx_update);
    if (!read) {
      return read.failure();
    }
    update = *std::move(read);
  }
  auto kept = wishes.live ? ReadRunning(wishes, log) : ReadKept(wishes, log);
  if (!kept) {
    return kept.failure();
  }
  kept->context.dbx_update = std::move(update);
  health::Report report = health::MakeReport(kept->state, kept->context);
  if (wishes.live && !kept->context.is_vm) {
    // They would need the file in which the variables are kept, of which nothing is known here.
    for (health::Finding& finding : report.findings) {
      finding.command.clear();
    }
  }
  has_findings = !report.findings.empty();
  return wishes.json  ? health::RenderJson(report)
         : wishes.svg ? health::RenderSvg(report)
                      : health::RenderScreen(report, tools::ScreenOptionsHere());
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
