#include "repair_pool.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <utility>

#include "kept_state.h"
#include "repair.h"
#include "screen_here.h"
#include "varstored/backend/pool.h"
#include "varstored/backend/xapi.h"
#include "varstored/base/file.h"
#include "varstored/base/unique_fd.h"
#include "varstored/health/text.h"

namespace varstored::tools {
namespace {

/// One VM may have a fault of its own. When so many in a row cannot be read, it is the toolstack.
constexpr int kMostFailuresInARow = 3;

/// SIGINT, SIGTERM and SIGHUP as a descriptor, from here on: the VM at hand is finished first.
class StopSignals {
 public:
  static base::Result<StopSignals> Block() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
      ::sigaddset(&set, number);
    }
    StopSignals signals;
    signals.fd_.Reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals.fd_.valid() || ::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) {
      return base::Fail("cannot read signals: " + base::ErrnoText());
    }
    return signals;
  }

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool HaveCome() const {
    pollfd waited = {fd(), POLLIN, 0};
    return ::poll(&waited, 1, 0) > 0;
  }

 private:
  base::UniqueFd fd_;
};

/// A bar, on a terminal only.
class Progress {
 public:
  explicit Progress(std::size_t total) : total_(total), is_shown_(CanShowProgress()) {}
  ~Progress() {
    if (is_shown_) {
      Write("\r\x1b[K");
    }
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Show(std::size_t done) const {
    if (!is_shown_) {
      return;
    }
    constexpr std::size_t kColumns = 40;
    const std::size_t full = total_ == 0 ? kColumns : done * kColumns / total_;
    Write("\r[" + std::string(full, '#') + std::string(kColumns - full, '.') + "] " +
          std::to_string(done) + " of " + std::to_string(total_));
  }

 private:
  static void Write(const std::string& text) {
    // A bar that cannot be shown is no reason to stop.
    static_cast<void>(std::fputs(text.c_str(), stderr));
    static_cast<void>(std::fflush(stderr));
  }

  std::size_t total_;
  bool is_shown_;
};

std::vector<std::string> NamesOf(const std::vector<health::Finding>& findings) {
  std::vector<std::string> names;
  for (const health::Finding& finding : findings) {
    std::string name(health::TypeOf(finding.kind).name);
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

bool IsSkipped(const backend::PoolVm& vm) {
  return vm.is_control_domain || vm.is_default_template || !vm.is_uefi;
}

class Walk {
 public:
  Walk(const PoolWishes& wishes, base::Log& log) : wishes_(wishes), log_(log) {
    summary_.work = wishes.work;
  }

  base::Result<PoolSummary> Run() {
    auto signals = StopSignals::Block();
    if (!signals) {
      return signals.failure();
    }
    backend::Pool pool({.socket_path = wishes_.socket.value_or(backend::XapiOptions().socket_path),
                        .patience = wishes_.wait,
                        .stop_fd = signals->fd()});
    auto references = pool.List();
    if (!references) {
      return references.failure();
    }
    // The same order in each run, so that one that was interrupted can be compared with the next.
    std::sort(references->begin(), references->end());
    const Progress progress(references->size());
    int failures_in_a_row = 0;
    std::size_t done = 0;
    for (const std::string& reference : *references) {
      progress.Show(done);
      auto vm = signals->HaveCome() ? std::nullopt : std::optional(pool.Find(reference));
      if (signals->HaveCome()) {
        return EndEarly("interrupted", references->size() - done);
      }
      ++done;
      failures_in_a_row = vm->ok() ? 0 : failures_in_a_row + 1;
      if (!vm->ok()) {
        AddFailed({}, {}, vm->error().message);
      } else if (**vm) {
        Look(***vm);
      }
      if (failures_in_a_row == kMostFailuresInARow) {
        return EndEarly("given up, because one VM after the other failed",
                        references->size() - done);
      }
    }
    return std::move(summary_);
  }

 private:
  PoolSummary EndEarly(const std::string& why, std::size_t left) {
    summary_.ended_early =
        why + ": " + std::to_string(left) + " were not looked at. Run this again to go on";
    summary_.has_failed = true;
    return std::move(summary_);
  }

  void AddFailed(const std::string& uuid, const std::string& name, const std::string& why) {
    ++summary_.count;
    summary_.has_failed = true;
    summary_.rows.push_back({PoolRow::Result::kFailed, uuid, name, {}, {}, why});
  }

  void Add(PoolRow row) {
    ++summary_.count;
    row.result = row.fixed.empty() || !row.left.empty() || wishes_.work != PoolWork::kFix
                     ? PoolRow::Result::kFound
                     : PoolRow::Result::kFixed;
    summary_.has_findings = summary_.has_findings || row.result == PoolRow::Result::kFound;
    summary_.has_fixed = summary_.has_fixed || !row.fixed.empty();
    summary_.rows.push_back(std::move(row));
  }

  void Look(const backend::PoolVm& vm) {
    if (IsSkipped(vm)) {
      ++summary_.count;
      ++summary_.skipped;
      return;
    }
    KeptState kept;
    kept.context.secure_boot = vm.wants_secure_boot;
    kept.context.is_first_boot = !vm.variables;
    kept.context.now = std::time(nullptr);
    kept.context.target = vm.uuid;
    kept.context.is_vm = true;
    if (vm.variables) {
      kept.state = health::ReadStateFromText(*vm.variables);
    }
    const std::vector<health::Finding> findings = health::FindingsOf(kept.state, kept.context);
    if (findings.empty()) {
      ++summary_.count;
      ++summary_.clean;
      return;
    }
    PoolRow row;
    row.uuid = vm.uuid;
    row.name = vm.name;
    row.left = NamesOf(findings);
    const bool is_fixable = std::any_of(findings.begin(), findings.end(),
                                        [](const auto& finding) { return finding.is_fixable; });
    if (vm.is_snapshot) {
      row.note = "a snapshot, which is never changed";
    } else if (is_fixable && vm.power_state != "Halted") {
      row.note = "cannot be fixed while it is " + vm.power_state;
    } else if (is_fixable && wishes_.work != PoolWork::kCheck) {
      Mend(std::move(row), kept);
      return;
    }
    Add(std::move(row));
  }

  /// Fixes the VM, for which it is read again, as for this VM alone.
  void Mend(PoolRow row, const KeptState& kept) {
    const auto repair = wishes_.work == PoolWork::kFix ? Fix(row.uuid) : PlanRepair(kept, {});
    if (!repair) {
      AddFailed(row.uuid, row.name, repair.error().message);
      return;
    }
    row.fixed = NamesOf(repair->fixed);
    row.left = NamesOf(repair->left);
    row.keys = WordsOnKeys(*repair);
    row.note = repair->backup.empty() ? "" : "backup: " + repair->backup;
    Add(std::move(row));
  }

  base::Result<Repair> Fix(const std::string& uuid) {
    tool::PlaceOptions options;
    options.operand = uuid;
    options.socket = wishes_.socket;
    options.wait = wishes_.wait;
    auto place = KeptPlace::Open(options, log_);
    if (!place) {
      return place.failure();
    }
    return FixPlace(*place, {.backup_folder = wishes_.backup_folder});
  }

  PoolWishes wishes_;
  base::Log& log_;
  PoolSummary summary_;
};

constexpr std::size_t kResultColumns = 8;
constexpr std::size_t kUuidColumns = 36;
/// An error may be long, and is not to be cut.
constexpr std::size_t kMaxNoteColumns = 1000;

std::string Pad(std::string text, std::size_t columns) {
  text.append(columns - std::min(columns, health::ColumnsOf(text)), ' ');
  return text;
}

std::string Below(const std::string& words, std::size_t width) {
  return Wrapped(words, kResultColumns, width);
}

std::string Listed(const std::string& label, const std::vector<std::string>& names) {
  std::string text = label;
  for (const std::string& name : names) {
    text += (&name == &names.front() ? " " : ", ") + name;
  }
  return text;
}

const char* TextOf(PoolRow::Result result) {
  switch (result) {
    case PoolRow::Result::kFound:
      return "found";
    case PoolRow::Result::kFixed:
      return "fixed";
    case PoolRow::Result::kFailed:
      break;
  }
  return "failed";
}

const char* ColourOf(PoolRow::Result result) {
  switch (result) {
    case PoolRow::Result::kFound:
      return "\x1b[33m";
    case PoolRow::Result::kFixed:
      return "\x1b[32m";
    case PoolRow::Result::kFailed:
      break;
  }
  return "\x1b[1;31m";
}

std::string RenderRow(const PoolRow& row, bool is_dry_run, const health::ScreenOptions& options,
                      std::size_t width) {
  const std::string result = Pad(TextOf(row.result), kResultColumns);
  std::string text =
      (options.has_colours ? ColourOf(row.result) + result + "\x1b[0m" : result) +
      Pad(health::ForTerminal(row.uuid), kUuidColumns) + "  " +
      health::Cut(health::ForTerminal(row.name), width - kResultColumns - kUuidColumns - 2);
  text.erase(text.find_last_not_of(' ') + 1);
  text += "\n";
  if (!row.fixed.empty()) {
    text += Below(Listed(is_dry_run ? "would fix:" : "fixed:", row.fixed), width);
  }
  if (!row.left.empty()) {
    text += Below(Listed(row.fixed.empty() ? "found:" : "left:", row.left), width);
  }
  if (!row.keys.empty()) {
    text += Below(row.keys, width);
  }
  if (!row.note.empty()) {
    text += Below(health::Cut(health::ForTerminal(row.note), kMaxNoteColumns), width);
  }
  return text;
}

}  // namespace

base::Result<PoolSummary> RepairPool(const PoolWishes& wishes, base::Log& log) {
  return Walk(wishes, log).Run();
}

std::string RenderPool(const PoolSummary& summary, const health::ScreenOptions& options) {
  const std::size_t width = std::clamp<std::size_t>(options.width, 80, 120);
  std::string text;
  if (!summary.rows.empty()) {
    const std::string heading = Pad("result", kResultColumns) + Pad("VM", kUuidColumns) + "  name";
    text = (options.has_colours ? "\x1b[1m" + heading + "\x1b[0m" : heading) + "\n";
  }
  std::array<std::size_t, 3> counts{};
  for (const PoolRow& row : summary.rows) {
    ++counts[static_cast<std::size_t>(row.result)];
    text += RenderRow(row, summary.work == PoolWork::kDryRun, options, width);
  }
  text += text.empty() ? "" : "\n";
  text += std::to_string(summary.count) + " in all: " + std::to_string(summary.clean) + " clean, " +
          std::to_string(counts[0]) + " with findings, " + std::to_string(counts[1]) + " fixed, " +
          std::to_string(counts[2]) + " failed, " + std::to_string(summary.skipped) + " skipped\n";
  return text + (summary.ended_early.empty() ? "" : summary.ended_early + "\n");
}

}  // namespace varstored::tools
