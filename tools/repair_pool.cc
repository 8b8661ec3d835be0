#include "repair_pool.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "kept_state.h"
#include "repair.h"
#include "screen_here.h"
#include "varstored/backend/pool.h"
#include "varstored/backend/xapi.h"
#include "varstored/base/file.h"
#include "varstored/base/reader.h"
#include "varstored/base/unique_fd.h"
#include "varstored/base/writer.h"
#include "varstored/efi/guid.h"
#include "varstored/health/text.h"
#include "varstored/sandbox/helper.h"
#include "varstored/tool/progress.h"

namespace varstored::tools {
namespace {

/// One VM may have a fault of its own. When so many in a row cannot be read, it is the toolstack.
constexpr int kMostFailuresInARow = 3;

/// What the VM at hand may still take after a signal; a second with what comes behind it.
constexpr std::chrono::milliseconds kMostAtTheEnd(200);

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

bool ReadFlag(base::Reader& reader, bool& flag) {
  std::uint8_t value = 0;
  const bool is_there = reader.ReadU8(value);
  flag = value != 0;
  return is_there;
}

void WriteTexts(base::Writer& writer, const std::vector<std::string>& texts) {
  writer.WriteU32(static_cast<std::uint32_t>(texts.size()));
  for (const std::string& text : texts) {
    tool::WriteText(writer, text);
  }
}

bool ReadTexts(base::Reader& reader, std::vector<std::string>& texts) {
  std::uint32_t count = 0;
  if (!reader.ReadU32(count)) {
    return false;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!tool::ReadText(reader, texts.emplace_back())) {
      return false;
    }
  }
  return true;
}

base::Failure<base::Error> Broken() {
  return base::Fail("the answer of the helper process is broken");
}

/// The pool, in a helper process that can connect and nothing else: an empty request asks for the
/// list, another one for the VM of that reference.
class PoolHelper {
 public:
  static base::Result<PoolHelper> Start(const PoolWishes& wishes, sandbox::Stop& stop) {
    auto helper = sandbox::Helper::Start(
        {.keeps = sandbox::HelperKeeps::kConnecting, .stop = &stop},
        [&wishes](int stop_fd, base::Log& /*lines*/) -> sandbox::Helper::Work {
          const auto pool = std::make_shared<backend::Pool>(backend::PoolOptions{
              .socket_path = wishes.socket.value_or(backend::XapiOptions().socket_path),
              .patience = wishes.wait,
              .stop_fd = stop_fd});
          return [pool](base::ByteSpan request) {
            return request.empty() ? List(*pool) : Find(*pool, base::ToString(request));
          };
        });
    return helper ? PoolHelper(*std::move(helper)) : base::Result<PoolHelper>(helper.failure());
  }

  base::Result<std::vector<std::string>> List(base::Log& log) {
    const auto answer = helper_.Ask({}, log);
    if (!answer) {
      return answer.failure();
    }
    base::Reader reader(*answer);
    std::vector<std::string> references;
    if (!ReadTexts(reader, references)) {
      return Broken();
    }
    return references;
  }

  base::Result<std::optional<backend::PoolVm>> Find(const std::string& reference, base::Log& log) {
    const auto answer = helper_.Ask(base::ToBytes(reference), log);
    if (!answer) {
      return answer.failure();
    }
    if (answer->empty()) {
      return std::optional<backend::PoolVm>();
    }
    base::Reader reader(*answer);
    backend::PoolVm vm;
    bool has_variables = false;
    std::string variables;
    for (std::string* text : {&vm.uuid, &vm.name, &vm.power_state, &variables}) {
      if (!tool::ReadText(reader, *text)) {
        return Broken();
      }
    }
    for (bool* flag : {&vm.is_template, &vm.is_snapshot, &vm.is_default_template,
                       &vm.is_control_domain, &vm.is_uefi, &vm.wants_secure_boot, &has_variables}) {
      if (!ReadFlag(reader, *flag)) {
        return Broken();
      }
    }
    // It becomes the name of a backup, and of the place that is repaired.
    if (!efi::ParseGuid(vm.uuid)) {
      return base::Fail("the toolstack gives a VM that has no uuid");
    }
    if (has_variables) {
      vm.variables = std::move(variables);
    }
    return std::optional(std::move(vm));
  }

 private:
  explicit PoolHelper(sandbox::Helper helper) : helper_(std::move(helper)) {}

  static base::Result<base::Bytes> List(backend::Pool& pool) {
    const auto references = pool.List();
    if (!references) {
      return references.failure();
    }
    base::Writer writer;
    WriteTexts(writer, *references);
    return writer.Take();
  }

  static base::Result<base::Bytes> Find(backend::Pool& pool, const std::string& reference) {
    const auto vm = pool.Find(reference);
    if (!vm) {
      return vm.failure();
    }
    base::Writer writer;
    if (*vm) {
      for (const std::string& text :
           {(*vm)->uuid, (*vm)->name, (*vm)->power_state, (*vm)->variables.value_or("")}) {
        tool::WriteText(writer, text);
      }
      for (const bool flag : {(*vm)->is_template, (*vm)->is_snapshot, (*vm)->is_default_template,
                              (*vm)->is_control_domain, (*vm)->is_uefi, (*vm)->wants_secure_boot,
                              (*vm)->variables.has_value()}) {
        writer.WriteU8(flag ? 1 : 0);
      }
    }
    return writer.Take();
  }

  sandbox::Helper helper_;
};

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
  writer.WriteU8(look.is_clean ? 1 : 0);
  writer.WriteU8(look.is_fixable ? 1 : 0);
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
    return Broken();
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
    auto signals = StopSignals::Block();
    if (!signals) {
      return signals.failure();
    }
    // What only looks is given up at once; the VM at hand is finished, if that is soon.
    sandbox::Stop at_once{.fd = signals->fd()};
    soon_.fd = signals->fd();
    auto pool = PoolHelper::Start(wishes_, at_once);
    if (!pool) {
      return pool.failure();
    }
    auto references = pool->List(log_);
    if (!references) {
      return references.failure();
    }
    // The same order in each run, so that one that was interrupted can be compared with the next.
    std::sort(references->begin(), references->end());
    tool::Progress progress(references->size());
    int failures_in_a_row = 0;
    std::size_t done = 0;
    for (const std::string& reference : *references) {
      progress.Show(done, {});
      auto vm = signals->HaveCome() ? std::nullopt : std::optional(pool->Find(reference, log_));
      if (signals->HaveCome()) {
        at_once.since = at_once.since.value_or(std::chrono::steady_clock::now());
        return EndEarly("interrupted", references->size() - done);
      }
      if (vm->ok() && **vm) {
        progress.Show(done, (**vm)->name);
      }
      ++done;
      failures_in_a_row = vm->ok() ? 0 : failures_in_a_row + 1;
      if (!vm->ok()) {
        AddFailed({}, {}, vm->error().message);
      } else if (**vm) {
        LookInto(***vm);
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
    Subject subject;
    subject.kept.form = tool::Kept::Form::kText;
    if (vm.variables) {
      subject.kept.bytes = base::ToBytes(*vm.variables);
    }
    subject.context.secure_boot = vm.wants_secure_boot;
    subject.context.is_first_boot = !vm.variables;
    subject.context.now = std::time(nullptr);
    subject.context.target = vm.uuid;
    subject.context.is_vm = true;
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
  sandbox::Stop soon_{.grace = kMostAtTheEnd};
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
