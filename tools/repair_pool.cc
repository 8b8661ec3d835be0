#include "repair_pool.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <utility>

#include "kept_state.h"
#include "repair.h"
#include "screen_here.h"
#include "varstored/backend/pool.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/health/text.h"
#include "varstored/pool/texts.h"
#include "varstored/pool/walk.h"
#include "varstored/sandbox/helper.h"
#include "varstored/tool/progress.h"

namespace varstored::tools {
namespace {

using pool::ReadFlag;
using pool::ReadTexts;
using pool::WriteFlag;
using pool::WriteTexts;

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

// ---- what goes between processes ----

/// What a helper process says of one VM's variables.
struct Look {
  bool is_clean = false;
  bool is_fixable = false;
  /// With a repair, done or planned; else `left` has all that was found, as PoolRow has it.
  std::vector<std::string> fixed;
  std::vector<std::string> left;
  std::vector<std::string> keys;
};

base::Bytes Encode(const Look& look) {
  base::Writer writer;
  WriteFlag(writer, look.is_clean);
  WriteFlag(writer, look.is_fixable);
  WriteTexts(writer, look.fixed);
  WriteTexts(writer, look.left);
  WriteTexts(writer, look.keys);
  return writer.Take();
}

base::Result<Look> Decode(base::ByteSpan answer) {
  base::Reader reader(answer);
  Look look;
  if (!ReadFlag(reader, look.is_clean) || !ReadFlag(reader, look.is_fixable) ||
      !ReadTexts(reader, look.fixed) || !ReadTexts(reader, look.left) ||
      !ReadTexts(reader, look.keys)) {
    return sandbox::BrokenAnswer();
  }
  return look;
}

Look LookOf(const Repair& repair) {
  return {false, true, NamesOf(repair.fixed), WordsOnLeft(repair.left), WordsOnKeys(repair)};
}

/// `is_fixable` is whether the repair that is wished may do something.
Look LookAt(const Subject& subject, const PoolWishes& wishes) {
  const auto findings = health::FindingsOf(StateOf(subject.kept), subject.context);
  const bool is_fixable =
      std::any_of(findings.begin(), findings.end(), [&wishes](const health::Finding& finding) {
        return (wishes.repair.fix && finding.is_fixable) ||
               (wishes.repair.certificates &&
                finding.kind == health::FindingKind::kCertificates2011Only);
      });
  return {findings.empty(),
          is_fixable,
          {},
          wishes.work == PoolWork::kCheck ? NamesOf(findings) : WordsOnLeft(findings),
          {}};
}

class Walk {
 public:
  Walk(const PoolWishes& wishes, base::Log& log) : wishes_(wishes), log_(log) {
    summary_.work = wishes.work;
  }

  base::Result<PoolSummary> Run() {
    const auto signals = pool::StopSignals::Block();
    if (!signals) {
      return signals.failure();
    }
    // The VM at hand is finished, if that is soon.
    soon_.fd = signals->fd();
    std::optional<tool::Progress> progress;
    std::size_t done = 0;
    auto ended_early =
        pool::VisitToolstack({wishes_.socket, wishes_.wait}, *signals,
                             {[&progress, &done](std::size_t begun, std::size_t total) {
                                if (!progress) {
                                  progress.emplace(total);
                                }
                                done = begun;
                                progress->Show(done, {});
                              },
                              [this, &progress, &done](const backend::PoolVm& vm) {
                                progress->Show(done, vm.name);
                                LookInto(vm);
                              },
                              [this](const std::string& why) { AddFailed({}, {}, why); }},
                             log_);
    if (!ended_early) {
      return ended_early.failure();
    }
    summary_.ended_early = *std::move(ended_early);
    summary_.has_failed = summary_.has_failed || !summary_.ended_early.empty();
    return std::move(summary_);
  }

 private:
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

  /// What `look` says, in a helper process of this VM's own.
  base::Result<Look> InHelper(const std::function<base::Result<Look>()>& look) {
    const auto answer = sandbox::InHelper(
        [&look](base::Log& /*lines*/) -> base::Result<base::Bytes> {
          const auto seen = look();
          return seen ? base::Result<base::Bytes>(Encode(*seen)) : seen.failure();
        },
        log_, {.stop = &soon_});
    return answer ? Decode(*answer) : answer.failure();
  }

  void LookInto(const backend::PoolVm& vm) {
    if (IsSkipped(vm)) {
      ++summary_.count;
      ++summary_.skipped;
      return;
    }
    const Subject subject = SubjectInPool(vm);
    const auto look =
        InHelper([&subject, this]() -> base::Result<Look> { return LookAt(subject, wishes_); });
    if (!look) {
      AddFailed(vm.uuid, vm.name, look.error().message);
      return;
    }
    if (look->is_clean) {
      ++summary_.count;
      ++summary_.clean;
      return;
    }
    PoolRow row;
    row.uuid = vm.uuid;
    row.name = vm.name;
    row.left = look->left;
    if (vm.is_snapshot) {
      row.note = "a snapshot, which is never changed";
    } else if (look->is_fixable && vm.power_state != "Halted") {
      row.note = "cannot be fixed while it is " + vm.power_state;
    } else if (look->is_fixable && wishes_.work != PoolWork::kCheck) {
      Mend(std::move(row), subject);
      return;
    }
    Add(std::move(row));
  }

  /// Fixes the VM, for which it is read again, as for this VM alone.
  void Mend(PoolRow row, const Subject& subject) {
    const auto look = wishes_.work == PoolWork::kFix ? Fix(row) : Plan(subject);
    if (!look) {
      AddFailed(row.uuid, row.name, look.error().message);
      return;
    }
    if (look->fixed.empty() && look->left.empty()) {
      // Somebody else has put it right since it was first looked at.
      ++summary_.count;
      ++summary_.clean;
      return;
    }
    row.fixed = look->fixed;
    row.left = look->left;
    row.keys = look->keys;
    Add(std::move(row));
  }

  base::Result<Look> Plan(const Subject& subject) {
    return InHelper([&subject, this]() -> base::Result<Look> {
      const auto repair = PlanRepair(subject, wishes_.repair);
      return repair ? base::Result<Look>(LookOf(*repair)) : repair.failure();
    });
  }

  base::Result<Look> Fix(PoolRow& row) {
    tool::PlaceOptions options;
    options.operand = row.uuid;
    options.socket = wishes_.socket;
    options.wait = wishes_.wait;
    auto subject = OpenKept(options, log_, &soon_);
    if (!subject) {
      return subject.failure();
    }
    RepairOptions repair_options = wishes_.repair;
    repair_options.stop = &soon_;
    const auto fixed = FixPlace(
        *subject, repair_options, [](const Repair& repair) { return Encode(LookOf(repair)); },
        log_);
    if (!fixed) {
      return fixed.failure();
    }
    row.note = fixed->backup.empty() ? "" : "backup: " + fixed->backup;
    return Decode(fixed->shown);
  }

  PoolWishes wishes_;
  base::Log& log_;
  PoolSummary summary_;
  sandbox::Stop soon_{.grace = pool::kMostAtTheEnd};
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

std::string RenderRow(const PoolRow& row, PoolWork work, const health::ScreenOptions& options,
                      std::size_t width) {
  const std::string result = Pad(TextOf(row.result), kResultColumns);
  std::string text =
      (options.has_colours ? ColourOf(row.result) + result + "\x1b[0m" : result) +
      Pad(health::ForTerminal(row.uuid), kUuidColumns) + "  " +
      health::Cut(health::ForTerminal(row.name), width - kResultColumns - kUuidColumns - 2);
  text.erase(text.find_last_not_of(' ') + 1);
  text += "\n";
  if (!row.fixed.empty()) {
    text += Below(Listed(work == PoolWork::kDryRun ? "would fix:" : "fixed:", row.fixed), width);
  }
  if (work == PoolWork::kCheck && !row.left.empty()) {
    text += Below(Listed("found:", row.left), width);
  } else {
    for (const std::string& line : row.left) {
      text += Below(line, width);
    }
  }
  for (const std::string& line : row.keys) {
    text += Below(line, width);
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
  std::size_t in_part = 0;
  for (const PoolRow& row : summary.rows) {
    ++counts[static_cast<std::size_t>(row.result)];
    if (summary.work == PoolWork::kFix && row.result == PoolRow::Result::kFound &&
        !row.fixed.empty()) {
      ++in_part;
    }
    text += RenderRow(row, summary.work, options, width);
  }
  text += text.empty() ? "" : "\n";
  text += std::to_string(summary.count) + " in all: " + std::to_string(summary.clean) + " clean, " +
          std::to_string(counts[0]) + " with findings, " + std::to_string(counts[1]) + " fixed, " +
          (in_part == 0 ? "" : std::to_string(in_part) + " in part, ") + std::to_string(counts[2]) +
          " failed, " + std::to_string(summary.skipped) + " skipped\n";
  return text + (summary.ended_early.empty() ? "" : summary.ended_early + "\n");
}

}  // namespace varstored::tools
