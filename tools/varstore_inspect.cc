#include <algorithm>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "authority.h"
#include "esp.h"
#include "given_lists.h"
#include "inspect_history.h"
#include "inspect_pool.h"
#include "kept_state.h"
#include "page.h"
#include "screen_here.h"
#include "varstored/base/file.h"
#include "varstored/boot/loaders.h"
#include "varstored/efi/guid.h"
#include "varstored/health/check.h"
#include "varstored/health/render.h"
#include "varstored/health/report.h"
#include "varstored/health/text.h"
#include "varstored/pcr/render.h"
#include "varstored/sandbox/helper.h"
#include "varstored/tool/command_line.h"
#include "varstored/tool/live.h"
#include "varstored/tool/place.h"
#include "varstored/tool/standard_input.h"
#include "varstored/tool/xl_vms.h"

namespace {

using namespace varstored;

/// Besides 0 and 1, which tool::Main gives.
constexpr int kFoundExitCode = 2;

constexpr std::size_t kMaxUpdateBytes = std::size_t{1024} * 1024;

/// Microsoft's list, where a host has a newer one than this program knows.
constexpr const char* kDefaultLists = "/usr/share/varstored/dbx_info_msft_latest.json";

struct Wishes {
  tool::Rights rights;
  tool::PlaceOptions place;
  bool live = false;
  bool json = false;
  bool is_short = false;
  bool svg = false;
  bool pcr7 = false;
  bool history = false;
  std::string esp;
  std::string dbx_update;
  std::string lists;
  std::string check;
  bool pool = false;
  bool jsonl = false;
  /// What goes with --pool alone.
  tools::PoolLook look;
};

/// What was read for an inspection, and looked into by nobody.
struct Input {
  tools::Subject subject;
  std::optional<tool::LiveAnswer> live;
  std::optional<base::Bytes> update;
  std::optional<base::Bytes> lists;
};

base::Result<std::optional<base::Bytes>> AsOptional(base::Result<base::Bytes> bytes) {
  return bytes ? base::Result<std::optional<base::Bytes>>(*std::move(bytes)) : bytes.failure();
}

/// What a helper process says of a verdict.
constexpr std::string_view kVerdicts = " ?!";

/// The files of --dbx-update and --lists, or what is there instead.
base::Result<Input> ReadFiles(const Wishes& wishes) {
  Input input;
  if (!wishes.dbx_update.empty()) {
    auto update = base::ReadFile(wishes.dbx_update, kMaxUpdateBytes);
    if (!update) {
      return update.failure();
    }
    input.update = *std::move(update);
  }
  auto lists = wishes.lists.empty() ? base::ReadFileIfThere(kDefaultLists, kMaxUpdateBytes)
                                    : AsOptional(base::ReadFile(wishes.lists, kMaxUpdateBytes));
  if (!lists) {
    return lists.failure();
  }
  input.lists = *std::move(lists);
  return input;
}

/// Adds the VM's variables to what ReadFiles gave. Rights are dropped already, but for --live.
base::Result<void> ReadVm(const Wishes& wishes, Input& input, base::Log& log) {
  if (wishes.live) {
    auto live = tool::AskLive(wishes.place.operand, wishes.rights, log);
    if (!live) {
      return live.failure();
    }
    input.live = *std::move(live);
    return {};
  }
  const auto opened = tools::OpenKept(wishes.place, log);
  if (!opened) {
    return opened.failure();
  }
  if (opened->place.running() != nullptr) {
    input.live = *opened->place.running();
    return {};
  }
  input.subject = opened->subject();
  return {};
}

// From here on it is for the helper process.

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

base::Result<health::Report> ReportOf(const Wishes& wishes, const Input& input,
                                      const Inspected& inspected) {
  health::Context context = inspected.context;
  if (input.update) {
    auto lists = tools::ListsOf(wishes.dbx_update, *input.update);
    if (!lists) {
      return lists.failure();
    }
    context.dbx_update = *std::move(lists);
  }
  if (input.lists) {
    auto lists =
        tools::RevocationsOf(wishes.lists.empty() ? kDefaultLists : wishes.lists, *input.lists);
    if (!lists) {
      return lists.failure();
    }
    context.microsoft_list = *std::move(lists);
  }
  health::Report report = health::MakeReport(inspected.state, context);
  tools::BeginWithACopy(input.subject.kept, report.findings);
  if ((input.live && !context.is_vm) || wishes.place.operand == tool::kStandardInput) {
    // They would need the file in which the variables are kept, of which nothing is known here.
    for (health::Finding& finding : report.findings) {
      finding.command.clear();
    }
  }
  return report;
}

/// What `varstore bootcheck` says of the VM and the disk of --esp.
base::Result<boot::BootReport> LoadersOf(const Inspected& inspected, const tools::Esp& esp) {
  const auto read = esp.Reader();
  if (!read) {
    return read.failure();
  }
  return boot::LookAt(inspected.state, nullptr, {}, inspected.context, *read);
}

/// The section of --pcr7. Where nobody knows what the host wants, it counts what it wanted at the
/// last start; else Secure Boot is taken for wanted.
base::Result<std::string> Pcr7Of(const Inspected& inspected, const health::Report& report,
                                 const std::optional<boot::BootReport>& loaders) {
  auto prediction =
      pcr::Predict(inspected.state.entries,
                   report.secure_boot.value_or(report.secure_boot_at_last_start.value_or(true)));
  if (loaders) {
    tools::AddLoader(*loaders, false, prediction);
  }
  const auto text = pcr::RenderText({std::move(prediction)}, pcr::kBanks);
  return text ? base::Result<std::string>("\n" + *text) : text;
}

std::string JsonOf(const health::Report& report, const std::optional<boot::BootReport>& loaders) {
  health::Json json = health::JsonOf(report);
  if (loaders) {
    json.Add("bootcheck", boot::JsonOf(*loaders));
  }
  return json.Text() + "\n";
}

/// What is shown; in front of it a character that says whether there are findings.
base::Result<std::string> Show(const Wishes& wishes, const Input& input,
                               const std::optional<tools::Esp>& esp,
                               const health::ScreenOptions& screen) {
  const auto inspected = LookAt(wishes, input);
  if (!inspected) {
    return inspected.failure();
  }
  const auto report = ReportOf(wishes, input, *inspected);
  if (!report) {
    return report.failure();
  }
  std::optional<boot::BootReport> loaders;
  if (esp) {
    auto looked = LoadersOf(*inspected, *esp);
    if (!looked) {
      return looked.failure();
    }
    loaders = *std::move(looked);
  }
  const auto pcr7 = wishes.pcr7 ? Pcr7Of(*inspected, *report, loaders) : std::string();
  if (!pcr7) {
    return pcr7.failure();
  }
  const bool is_right = report->findings.empty() && (!loaders || loaders->findings.empty());
  return (is_right ? " " : "!") +
         (wishes.json  ? JsonOf(*report, loaders)
          : wishes.svg ? health::RenderSvg(*report)
          : wishes.is_short
              ? health::RenderShort(*report, screen)
              : health::RenderScreen(*report, screen) +
                    (loaders ? "\n" + boot::RenderScreen(*loaders, screen) : "") + *pcr7);
}

/// The words of a judgement; in front of them the character of its verdict.
base::Result<std::string> JudgeVm(const Wishes& wishes, const Input& input, health::Check check) {
  const auto inspected = LookAt(wishes, input);
  if (!inspected) {
    return inspected.failure();
  }
  const auto report = ReportOf(wishes, input, *inspected);
  if (!report) {
    return report.failure();
  }
  const health::Judgement judgement = health::Judge(*report, check);
  return std::string(1, kVerdicts[static_cast<std::size_t>(judgement.verdict)]) + judgement.why;
}

// And up to here.

base::Result<std::string> Inspect(const Wishes& wishes, int& exit_code, base::Log& log) {
  if (wishes.history) {
    auto dropped = tool::DropRights(wishes.rights, log);
    return dropped ? tools::InspectHistory(wishes.place, wishes.json, log) : dropped.failure();
  }
  auto input = ReadFiles(wishes);
  if (!input) {
    return input.failure();
  }
  if (!wishes.live) {
    if (auto dropped = tool::DropRights(wishes.rights, log); !dropped) {
      return dropped.failure();
    }
  }
  if (auto read = ReadVm(wishes, *input, log); !read) {
    return read.failure();
  }
  const health::ScreenOptions screen = tools::ScreenOptionsHere();
  std::optional<tools::Esp> esp;
  if (!wishes.esp.empty()) {
    auto opened = tools::Esp::Open(
        wishes.esp,
        [&]() -> base::Result<health::State> {
          auto inspected = LookAt(wishes, *input);
          return inspected ? base::Result<health::State>(std::move(inspected->state))
                           : inspected.failure();
        },
        log);
    if (!opened) {
      return opened.failure();
    }
    esp = *std::move(opened);
  }
  const auto show = [&] { return Show(wishes, *input, esp, screen); };
  const auto answer =
      esp ? esp->TextInHelper(show, log)
          : sandbox::TextInHelper([&show](base::Log& /*lines*/) { return show(); }, log);
  if (!answer) {
    return answer.failure();
  }
  exit_code = answer->starts_with('!') ? kFoundExitCode : 0;
  return answer->substr(std::min<std::size_t>(answer->size(), 1));
}

/// One VM of --check; what cannot be read is a verdict, too.
base::Result<std::string> CheckVm(const Wishes& wishes, Input input, health::Check check,
                                  base::Log& log) {
  if (auto read = ReadVm(wishes, input, log); !read) {
    return read.failure();
  }
  return sandbox::TextInHelper([&](base::Log& /*lines*/) { return JudgeVm(wishes, input, check); },
                               log);
}

/// What --check says of one VM.
struct CheckLine {
  bool is_right = false;
  bool is_known = false;
  std::string text;
};

CheckLine CheckLineOf(const std::string& vm, const base::Result<std::string>& answer) {
  CheckLine line;
  line.is_right = answer && answer->starts_with(kVerdicts.front());
  line.is_known = line.is_right || (answer && answer->starts_with(kVerdicts.back()));
  const std::string why = !answer           ? answer.error().message
                          : answer->empty() ? ""
                                            : answer->substr(1);
  line.text = std::string(line.is_right   ? "right      "
                          : line.is_known ? "not right  "
                                          : "not known  ") +
              health::ForTerminal(vm) + (why.empty() ? "" : ": " + health::ForTerminal(why)) + "\n";
  return line;
}

/// A line for each VM.
base::Result<std::string> CheckAll(Wishes wishes, const std::vector<std::string>& vms,
                                   int& exit_code, base::Log& log) {
  const auto check = health::CheckOf(wishes.check);
  if (!check) {
    return tool::Misuse("--check takes certificates, revocations, secure-boot or all");
  }
  const auto files = ReadFiles(wishes);
  if (!files) {
    return files.failure();
  }
  if (!wishes.live) {
    if (auto dropped = tool::DropRights(wishes.rights, log); !dropped) {
      return dropped.failure();
    }
  }
  std::string lines;
  bool is_all_known = true;
  bool is_all_right = true;
  for (const std::string& vm : vms) {
    wishes.place.operand = vm;
    const CheckLine line = CheckLineOf(vm, CheckVm(wishes, *files, *check, log));
    is_all_right = is_all_right && line.is_right;
    is_all_known = is_all_known && line.is_known;
    lines += line.text;
  }
  exit_code = !is_all_known ? 1 : is_all_right ? 0 : kFoundExitCode;
  return lines;
}

/// All VMs.
base::Result<std::string> LookAtPool(const Wishes& wishes, const std::vector<std::string>& operands,
                                     int& exit_code, base::Log& log) {
  if (operands.size() > 1 || (!operands.empty() && wishes.place.socket)) {
    return tool::Misuse("--pool takes one folder of databases, or the socket of -s");
  }
  if (wishes.live || wishes.is_short || wishes.svg || wishes.pcr7 || wishes.history ||
      !wishes.esp.empty() || !wishes.check.empty() || !wishes.dbx_update.empty() ||
      !wishes.place.backend.empty() ||
      static_cast<int>(wishes.json) + static_cast<int>(wishes.jsonl) +
              static_cast<int>(!wishes.look.metrics.empty()) >
          1) {
    return tool::Misuse(
        "--pool goes with --json, --jsonl, --html or --openmetrics, --filter, --sort, --lists and "
        "--live-folder");
  }
  const auto files = ReadFiles(wishes);
  if (!files) {
    return files.failure();
  }
  if (auto dropped = tool::DropRights(wishes.rights, log); !dropped) {
    return dropped.failure();
  }
  tools::PoolLook look = wishes.look;
  look.folder = operands.empty() ? "" : operands.front();
  look.toolstack = {wishes.place.socket, wishes.place.wait};
  look.output = wishes.json                    ? tools::PoolOutput::kJson
                : wishes.jsonl                 ? tools::PoolOutput::kJsonLines
                : !wishes.look.metrics.empty() ? tools::PoolOutput::kMetrics
                                               : tools::PoolOutput::kTable;
  look.list = [&]() -> base::Result<std::vector<health::ListedRevocation>> {
    return files->lists ? tools::RevocationsOf(wishes.lists.empty() ? kDefaultLists : wishes.lists,
                                               *files->lists)
                        : std::vector<health::ListedRevocation>();
  };
  return tools::InspectPool(look, exit_code, log);
}

/// That options which stand together on a command line, without --pool, have a meaning together.
base::Result<void> CheckTogether(const Wishes& wishes) {
  if (wishes.jsonl || !wishes.look.metrics.empty() || !wishes.look.filter.empty() ||
      !wishes.look.sort.empty() || !wishes.look.page.empty() || !wishes.look.live_folder.empty()) {
    return tool::Misuse(
        "--jsonl, --html, --openmetrics, --filter, --sort and --live-folder go with --pool");
  }
  if (static_cast<int>(wishes.json) + static_cast<int>(wishes.svg) +
          static_cast<int>(wishes.is_short) + static_cast<int>(!wishes.check.empty()) >
      1) {
    return tool::Misuse("--short, --json, --svg and --check exclude each other");
  }
  if (wishes.pcr7 && (wishes.json || wishes.svg || wishes.is_short || !wishes.check.empty())) {
    return tool::Misuse("--pcr7 is of the screen; 'varstore pcr7 --json' prints JSON");
  }
  if (wishes.history &&
      (wishes.live || wishes.svg || wishes.is_short || wishes.pcr7 || !wishes.check.empty() ||
       !wishes.esp.empty() || !wishes.dbx_update.empty() || !wishes.lists.empty())) {
    return tool::Misuse("--history goes with --json alone");
  }
  if (!wishes.esp.empty() && (wishes.svg || wishes.is_short || !wishes.check.empty())) {
    return tool::Misuse("--esp goes with the screen and with --json");
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Wishes wishes;
  wishes.place.only_looks = true;
  int exit_code = 0;
  const int failed = tool::Main(
      {page::kName, page::kHelp}, argc, argv,
      tool::Joined(
          {tool::OptionsOf(wishes.rights),
           tool::OptionsOf(wishes.place),
           {tool::Flag('\0', "live", wishes.live), tool::Flag('\0', "json", wishes.json),
            tool::Flag('\0', "short", wishes.is_short), tool::Flag('\0', "svg", wishes.svg),
            tool::Flag('\0', "pcr7", wishes.pcr7), tool::Flag('\0', "history", wishes.history),
            tool::Value('\0', "esp", wishes.esp), tool::Value('\0', "check", wishes.check),
            tool::Value('\0', "dbx-update", wishes.dbx_update),
            tool::Value('\0', "lists", wishes.lists), tool::Flag('\0', "pool", wishes.pool),
            tool::Flag('\0', "jsonl", wishes.jsonl),
            tool::Value('\0', "openmetrics", wishes.look.metrics),
            tool::Value('\0', "live-folder", wishes.look.live_folder),
            tool::Values("filter", wishes.look.filter)},
           {tool::Value('\0', "sort", wishes.look.sort),
            tool::Value('\0', "html", wishes.look.page)}}),
      [&](auto operands, auto& log) -> base::Result<std::string> {
        if (wishes.pool) {
          return LookAtPool(wishes, operands, exit_code, log);
        }
        if (auto fits = CheckTogether(wishes); !fits) {
          return fits.failure();
        }
        auto vms_here = argc == 1 ? tool::ListOfVms() : base::Result(std::string());
        if (!vms_here || !vms_here->empty()) {
          return vms_here;
        }
        const bool has_many = !wishes.check.empty() && wishes.place.backend.empty() &&
                              !wishes.live && !operands.empty();
        const std::vector<std::string> vms = operands;
        if (auto taken = tool::TakePlace(wishes.place, operands, has_many ? operands.size() - 1 : 0,
                                         wishes.live);
            !taken) {
          return taken.failure();
        }
        return wishes.check.empty()
                   ? Inspect(wishes, exit_code, log)
                   : CheckAll(wishes, has_many ? vms : std::vector{wishes.place.operand}, exit_code,
                              log);
      });
  // Only a look at a pool has signals wait.
  const int interrupted = pool::StopSignals::ExitCode();
  return interrupted != 0 ? interrupted : failed != 0 ? failed : exit_code;
}
