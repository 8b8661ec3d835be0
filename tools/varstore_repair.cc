#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "kept_state.h"
#include "page.h"
#include "repair.h"
#include "repair_pool.h"
#include "screen_here.h"
#include "varstored/efi/variable_name.h"
#include "varstored/health/render.h"
#include "varstored/health/text.h"
#include "varstored/tool/command_line.h"
#include "varstored/tool/place.h"

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
  bool fix = false;
  bool dry_run = false;
  bool pool = false;
  std::string restore;
};

std::string Described(const health::Finding& finding) {
  std::string text(health::TypeOf(finding.kind).name);
  if (finding.variable) {
    text += ": " + efi::EscapeName(finding.variable->name);
  }
  return text;
}

/// What was done, or would be, and then what is left.
std::string Show(const std::string& target, const char* done, const tools::Repair& repair) {
  const health::ScreenOptions options = tools::ScreenOptionsHere();
  const std::size_t width = std::clamp<std::size_t>(options.width, 80, 120);
  std::string text = health::ForTerminal(target) + "\n";
  for (const health::Finding& finding : repair.fixed) {
    text += std::string("  ") + done + " " + Described(finding) + "\n";
    if (finding.kind == health::FindingKind::kBlobUnreadable) {
      // What it cost is to be seen nowhere else: it is no finding of what is left.
      text += tools::Wrapped(health::Cut(health::ForTerminal(finding.explanation), kMaxTextColumns),
                             4, width);
    }
  }
  if (const std::string keys = tools::WordsOnKeys(repair); !keys.empty()) {
    text += tools::Wrapped(keys, 2, width);
  }
  if (!repair.backup.empty()) {
    text += "  backup: " + health::ForTerminal(repair.backup) + "\n";
  }
  if (!repair.left.empty()) {
    return text + "\n" + health::RenderFindings(repair.left, options);
  }
  return text + (repair.fixed.empty() ? "  nothing is wrong\n" : "  no finding is left\n");
}

int ExitCode(bool has_fixed, bool has_findings) {
  return has_findings ? kFoundExitCode : has_fixed ? kFixedExitCode : 0;
}

base::Result<std::string> CheckOne(tools::KeptPlace& place, const Wishes& wishes, int& exit_code) {
  const tools::KeptState& kept = place.kept();
  const std::string& target = kept.context.target;
  if (wishes.dry_run || wishes.fix) {
    const auto repair = wishes.dry_run ? tools::PlanRepair(kept, wishes.repair)
                                       : tools::FixPlace(place, wishes.repair);
    if (!repair) {
      return repair.failure();
    }
    exit_code = wishes.dry_run ? ExitCode(false, !repair->fixed.empty() || !repair->left.empty())
                               : ExitCode(!repair->fixed.empty(), !repair->left.empty());
    return Show(target, wishes.dry_run ? "would fix" : "fixed", *repair);
  }
  tools::Repair found;
  found.left = health::FindingsOf(kept.state, kept.context);
  exit_code = ExitCode(false, !found.left.empty());
  return Show(target, "", found);
}

base::Result<std::string> RepairOne(const Wishes& wishes, int& exit_code, base::Log& log) {
  auto place = tools::KeptPlace::Open(wishes.place, log);
  if (!place) {
    return place.failure();
  }
  return wishes.restore.empty() ? CheckOne(*place, wishes, exit_code)
                                : tools::RestorePlace(*place, wishes.restore, wishes.repair);
}

base::Result<std::string> RepairPool(const Wishes& wishes, int& exit_code, base::Log& log) {
  tools::PoolWishes pool;
  pool.socket = wishes.place.socket;
  pool.wait = wishes.place.wait;
  pool.backup_folder = wishes.repair.backup_folder;
  pool.work = wishes.dry_run ? tools::PoolWork::kDryRun
              : wishes.fix   ? tools::PoolWork::kFix
                             : tools::PoolWork::kCheck;
  auto summary = tools::RepairPool(pool, log);
  if (!summary) {
    return summary.failure();
  }
  exit_code = summary->has_failed ? 1 : ExitCode(summary->has_fixed, summary->has_findings);
  return tools::RenderPool(*summary, tools::ScreenOptionsHere());
}

base::Result<std::string> Run(Wishes& wishes, std::vector<std::string> operands, int& exit_code,
                              base::Log& log) {
  if (!wishes.restore.empty() && (wishes.fix || wishes.dry_run || wishes.pool)) {
    return tool::Misuse("--restore stands alone");
  }
  if (wishes.pool) {
    if (!operands.empty() || !wishes.place.backend.empty() || wishes.repair.force) {
      return tool::Misuse("--pool takes no VM, no --backend and no --force");
    }
  } else if (auto taken = tool::TakePlace(wishes.place, operands, 0); !taken) {
    return taken.failure();
  }
  if (auto dropped = tool::DropRights(wishes.rights, log); !dropped) {
    return dropped.failure();
  }
  return wishes.pool ? RepairPool(wishes, exit_code, log) : RepairOne(wishes, exit_code, log);
}

}  // namespace

int main(int argc, char** argv) {
  Wishes wishes;
  int exit_code = 0;
  const int failed = tool::Main(
      {page::kName, page::kHelp}, argc, argv,
      tool::Joined(
          {tool::OptionsOf(wishes.rights),
           tool::OptionsOf(wishes.place),
           {tool::Flag('\0', "fix", wishes.fix), tool::Flag('n', "dry-run", wishes.dry_run),
            tool::Value('\0', "restore", wishes.restore),
            tool::Value('\0', "backup-folder", wishes.repair.backup_folder),
            tool::Flag('\0', "force", wishes.repair.force),
            tool::Flag('\0', "pool", wishes.pool)}}),
      [&](auto operands, auto& log) { return Run(wishes, std::move(operands), exit_code, log); });
  return failed != 0 ? failed : exit_code;
}
