#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "host_keys.h"
#include "kept_state.h"
#include "page.h"
#include "repair.h"
#include "repair_pool.h"
#include "screen_here.h"
#include "varstored/health/render.h"
#include "varstored/health/text.h"
#include "varstored/pool/walk.h"
#include "varstored/sandbox/helper.h"
#include "varstored/tool/command_line.h"
#include "varstored/tool/place.h"
#include "varstored/tool/vm_name.h"

namespace {

using namespace varstored;

// Besides 0 and 1, which tool::Main gives.
constexpr int kFoundExitCode = 2;
constexpr int kFixedExitCode = 3;

constexpr std::size_t kMaxTextColumns = 1000;

struct Wishes {
  tool::Rights rights;
  tool::PlaceOptions place;
  tools::RepairOptions repair;
  tools::HostKeysOptions host;
  bool fix = false;
  bool fix_certificates = false;
  bool dry_run = false;
  bool pool = false;
  std::string restore;
};

/// What was done, or would be, what is left and to whom, and then that in full. Between the two
/// comes the backup.
struct Shown {
  std::string done;
  std::string left;
};

/// `done` is the word for what was done; empty where nothing was to be.
Shown Show(const std::string& target, const char* done, const tools::Repair& repair,
           const health::ScreenOptions& options) {
  const std::size_t width = std::clamp<std::size_t>(options.width, 80, 120);
  std::string text = health::ForTerminal(target) + "\n";
  for (const health::Finding& finding : repair.fixed) {
    text += std::string("  ") + done + " " + tools::Described(finding) + "\n";
    if (finding.kind == health::FindingKind::kBlobUnreadable) {
      // What it cost is to be seen nowhere else: it is no finding of what is left.
      text += tools::Wrapped(health::Cut(health::ForTerminal(finding.explanation), kMaxTextColumns),
                             4, width);
    }
  }
  if (*done != '\0') {
    for (const std::string& line : tools::WordsOnLeft(repair.left)) {
      text += tools::Wrapped(line, 2, width);
    }
  }
  for (const std::string& line : tools::WordsOnKeys(repair)) {
    text += tools::Wrapped(line, 2, width);
  }
  if (!repair.left.empty()) {
    return {text, "\n" + health::RenderFindings(repair.left, options)};
  }
  return {text, repair.fixed.empty() ? "  nothing is wrong\n" : "  no finding is left\n"};
}

int ExitCode(bool has_fixed, bool has_findings) {
  return has_findings ? kFoundExitCode : has_fixed ? kFixedExitCode : 0;
}

/// Looks, and says what a repair would do with --dry-run, or else what is wrong.
base::Result<std::string> CheckOne(const tools::Subject& subject, const Wishes& wishes,
                                   int& exit_code, base::Log& log) {
  const health::ScreenOptions screen = tools::ScreenOptionsHere();
  const auto answer = sandbox::TextInHelper(
      [&](base::Log& /*lines*/) -> base::Result<std::string> {
        tools::Repair found;
        if (wishes.dry_run) {
          auto repair = tools::PlanRepair(subject, wishes.repair);
          if (!repair) {
            return repair.failure();
          }
          found = *std::move(repair);
        } else {
          found.left = health::FindingsOf(tools::StateOf(subject.kept), subject.context);
          tools::BeginWithACopy(subject.kept, found.left);
        }
        const Shown shown =
            Show(subject.context.target, wishes.dry_run ? "would fix" : "", found, screen);
        const bool has_findings = !found.fixed.empty() || !found.left.empty();
        return (has_findings ? "!" : " ") + shown.done + shown.left;
      },
      log);
  if (!answer) {
    return answer.failure();
  }
  exit_code = ExitCode(false, answer->starts_with('!'));
  return answer->substr(std::min<std::size_t>(answer->size(), 1));
}

base::Result<std::string> FixOne(tools::OpenSubject& subject, const Wishes& wishes, int& exit_code,
                                 base::Log& log) {
  const health::ScreenOptions screen = tools::ScreenOptionsHere();
  const auto fixed = tools::FixPlace(
      subject, wishes.repair,
      [&](const tools::Repair& repair) {
        const Shown shown = Show(subject.context.target, "fixed", repair, screen);
        return base::ToBytes(shown.done + '\0' + shown.left);
      },
      log);
  if (!fixed) {
    return fixed.failure();
  }
  exit_code = ExitCode(fixed->has_fixed, fixed->has_left);
  const std::string shown = base::ToString(fixed->shown);
  const std::size_t end = std::min(shown.find('\0'), shown.size());
  return shown.substr(0, end) +
         (fixed->backup.empty() ? "" : "  backup: " + health::ForTerminal(fixed->backup) + "\n") +
         shown.substr(std::min(end + 1, shown.size()));
}

base::Result<std::string> RepairOne(const Wishes& wishes, int& exit_code, base::Log& log) {
  auto subject = tools::OpenKept(wishes.place, log);
  if (!subject) {
    return subject.failure();
  }
  if (!wishes.restore.empty()) {
    return tools::RestorePlace(*subject, wishes.restore, wishes.repair, log);
  }
  if ((wishes.fix || wishes.fix_certificates) && !wishes.dry_run) {
    return FixOne(*subject, wishes, exit_code, log);
  }
  subject->place.Close();
  return CheckOne(subject->subject(), wishes, exit_code, log);
}

base::Result<std::string> RepairPool(const Wishes& wishes, int& exit_code, base::Log& log) {
  if (!wishes.place.socket && !tool::HasToolstack()) {
    return base::Fail(
        "--pool needs XAPI, and there is none on this host. varstore-inspect --pool looks at all "
        "VMs "
        "of xl; varstore update --pool adds certificates to them; one VM is repaired by its name");
  }
  tools::PoolWishes pool;
  pool.socket = wishes.place.socket;
  pool.wait = wishes.place.wait;
  pool.repair = wishes.repair;
  pool.work = wishes.dry_run                          ? tools::PoolWork::kDryRun
              : wishes.fix || wishes.fix_certificates ? tools::PoolWork::kFix
                                                      : tools::PoolWork::kCheck;
  auto summary = tools::RepairPool(pool, log);
  if (!summary) {
    return summary.failure();
  }
  exit_code = summary->has_failed ? 1 : ExitCode(summary->has_fixed, summary->has_findings);
  const health::ScreenOptions screen = tools::ScreenOptionsHere();
  return sandbox::TextInHelper(
      [&](base::Log& /*lines*/) {
        return base::Result<std::string>(tools::RenderPool(*summary, screen));
      },
      log);
}

base::Result<std::string> Run(Wishes& wishes, std::vector<std::string> operands, int& exit_code,
                              base::Log& log) {
  if (!wishes.restore.empty() &&
      (wishes.fix || wishes.fix_certificates || wishes.dry_run || wishes.pool)) {
    return tool::Misuse("--restore stands alone");
  }
  if (wishes.pool) {
    if (!operands.empty() || !wishes.place.backend.empty() || wishes.repair.force) {
      return tool::Misuse("--pool takes no VM, no --backend and no --force");
    }
  } else if (auto taken = tool::TakePlace(wishes.place, operands, 0); !taken) {
    return taken.failure();
  }
  if (!wishes.fix_certificates &&
      !(wishes.host.configuration_path.empty() && wishes.host.auth_folder.empty())) {
    return tool::Misuse("--config and --auth-dir need --fix-certificates");
  }
  if (auto dropped = tool::DropRights(wishes.rights, log); !dropped) {
    return dropped.failure();
  }
  if (wishes.fix_certificates) {
    wishes.repair.fix = wishes.fix;
    auto keys = tools::ReadHostKeys(wishes.host);
    if (!keys) {
      return keys.failure();
    }
    wishes.repair.certificates = *std::move(keys);
  }
  return wishes.pool ? RepairPool(wishes, exit_code, log) : RepairOne(wishes, exit_code, log);
}

}  // namespace

int main(int argc, char** argv) {
  Wishes wishes;
  int exit_code = 0;
  const int failed = tool::Main(
      {page::kName, page::kHelp}, argc, argv,
      tool::Joined({tool::OptionsOf(wishes.rights),
                    tool::OptionsOf(wishes.place),
                    tools::OptionsOf(wishes.host),
                    {tool::Flag('\0', "fix", wishes.fix),
                     tool::Flag('\0', "fix-certificates", wishes.fix_certificates),
                     tool::Flag('n', "dry-run", wishes.dry_run),
                     tool::Value('\0', "restore", wishes.restore),
                     tool::Value('\0', "backup-folder", wishes.repair.backup_folder),
                     tool::Flag('\0', "force", wishes.repair.force),
                     tool::Flag('\0', "pool", wishes.pool)}}),
      [&](auto operands, auto& log) { return Run(wishes, std::move(operands), exit_code, log); });
  // Only a run over a pool has signals wait.
  const int interrupted = pool::StopSignals::ExitCode();
  return interrupted != 0 ? interrupted : failed != 0 ? failed : exit_code;
}
