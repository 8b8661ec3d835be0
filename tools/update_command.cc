#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "host_keys.h"
#include "update_pool.h"
#include "varstore-update/page.h"
#include "varstored/health/finding.h"
#include "varstored/pool/walk.h"
#include "varstored/tool/command_line.h"
#include "varstored/tool/place.h"
#include "varstored/tool/vm_name.h"

namespace varstored::tools {
namespace {

constexpr unsigned long long kMostVms = 100000;
constexpr unsigned long long kMostSeconds = 7ULL * 24 * 60 * 60;

struct Wishes {
  UpdateWishes update;
  HostKeysOptions host;
  bool pool = false;
  bool plan = false;
  bool status = false;
  bool undo = false;
};

/// An option whose value is a number up to `most`, which `set` takes.
template <class Set>
tool::Option Number(std::string name, unsigned long long most, Set set) {
  return {'\0', std::move(name), true, [most, set](std::string_view text) -> base::Result<void> {
            const auto number = tool::ParseNumber(text, most);
            if (!number) {
              return number.failure();
            }
            set(*number);
            return {};
          }};
}

base::Result<void> CheckWishes(const Wishes& wishes, const std::vector<std::string>& operands) {
  if (!wishes.pool) {
    return tool::Misuse("--pool is missing: an update in waves is of a pool");
  }
  if (operands.size() > 1 || (!operands.empty() && wishes.update.which.place.socket) ||
      !wishes.update.which.place.backend.empty()) {
    return tool::Misuse("--pool takes one folder of databases, or --socket, and no --backend");
  }
  if (int{wishes.plan} + int{wishes.status} + int{wishes.undo} > 1) {
    return tool::Misuse("--plan, --status and --undo exclude each other");
  }
  if (wishes.update.limit == 0) {
    return tool::Misuse("--limit takes a number from 1 on");
  }
  for (const std::string& name : wishes.update.which.filter) {
    const auto types = health::FindingTypes();
    if (std::none_of(types.begin(), types.end(),
                     [&name](const health::FindingType& type) { return type.name == name; })) {
      return tool::Misuse("--filter takes the name of a finding (varstore help findings)");
    }
  }
  return {};
}

base::Result<std::string> Run(Wishes& wishes, const std::vector<std::string>& operands,
                              int& exit_code, base::Log& log) {
  if (auto checked = CheckWishes(wishes, operands); !checked) {
    return checked.failure();
  }
  CandidateWishes& which = wishes.update.which;
  which.folder = operands.empty() ? "" : operands.front();
  which.has_toolstack = which.folder.empty() && (which.place.socket || tool::HasToolstack());
  if (!which.has_toolstack && !which.tags.empty()) {
    return tool::Misuse("--tag needs XAPI, which has the tags");
  }
  wishes.update.work = wishes.plan     ? UpdateWork::kPlan
                       : wishes.status ? UpdateWork::kStatus
                       : wishes.undo   ? UpdateWork::kUndo
                                       : UpdateWork::kGo;
  if (!wishes.status && !wishes.undo) {
    auto keys = ReadHostKeys(wishes.host);
    if (!keys) {
      return keys.failure();
    }
    wishes.update.keys = *std::move(keys);
  }
  return UpdatePool(wishes.update, exit_code, log);
}

}  // namespace

int UpdateMain(int argc, char** argv) {
  Wishes wishes;
  int exit_code = 0;
  const int failed = tool::Main(
      {"varstore update", page::kHelp}, argc, argv,
      tool::Joined(
          {tool::OptionsOf(wishes.update.which.place),
           OptionsOf(wishes.host),
           {tool::Flag('\0', "pool", wishes.pool), tool::Flag('\0', "plan", wishes.plan),
            tool::Flag('\0', "status", wishes.status), tool::Flag('\0', "undo", wishes.undo),
            tool::Flag('\0', "only-clean", wishes.update.which.only_clean),
            tool::Values("filter", wishes.update.which.filter),
            tool::Values("tag", wishes.update.which.tags),
            tool::Value('\0', "journal", wishes.update.journal),
            tool::Value('\0', "backup-folder", wishes.update.backup_folder),
            Number("limit", kMostVms, [&wishes](auto number) { wishes.update.limit = number; }),
            Number(
                "watch", kMostSeconds,
                [&wishes](auto number) { wishes.update.watch = std::chrono::seconds(number); })}}),
      [&](const auto& operands, auto& log) { return Run(wishes, operands, exit_code, log); });
  const int interrupted = pool::StopSignals::ExitCode();
  return interrupted != 0 ? interrupted : failed != 0 ? failed : exit_code;
}

}  // namespace varstored::tools
