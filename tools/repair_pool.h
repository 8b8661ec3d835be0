#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "repair.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/health/render.h"

namespace varstored::tools {

enum class PoolWork { kCheck, kDryRun, kFix };

struct PoolWishes {
  PoolWork work = PoolWork::kCheck;
  std::optional<std::string> socket;
  std::chrono::seconds wait{};
  RepairOptions repair;
};

/// What came of one VM that is not clean.
struct PoolRow {
  enum class Result { kFound, kFixed, kFailed };

  Result result = Result::kFound;
  std::string uuid;
  std::string name;  // as the pool has it: not fit for a terminal
  /// Names of findings, each once. With a repair, done or planned, `left` is WordsOnLeft.
  std::vector<std::string> fixed;
  std::vector<std::string> left;
  /// Why nothing was fixed, where the backup is, or what failed.
  std::string note;
  /// WordsOnKeys.
  std::vector<std::string> keys = {};
};

struct PoolSummary {
  PoolWork work = PoolWork::kCheck;
  std::vector<PoolRow> rows;
  std::size_t count = 0;  // VMs, templates and snapshots
  std::size_t clean = 0;
  std::size_t skipped = 0;
  bool has_failed = false;
  bool has_fixed = false;
  bool has_findings = false;
  /// Why it ended before its end; empty when it did not.
  std::string ended_early;
};

/// Looks at all VMs, snapshots and templates of the pool, and fixes those that are halted when that
/// is wished. SIGINT, SIGTERM and SIGHUP end it behind the VM at hand. tool::Progress
/// shows how far it is.
[[nodiscard]] base::Result<PoolSummary> RepairPool(const PoolWishes& wishes, base::Log& log);

[[nodiscard]] std::string RenderPool(const PoolSummary& summary,
                                     const health::ScreenOptions& options);

}  // namespace varstored::tools
