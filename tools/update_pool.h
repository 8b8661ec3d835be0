#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "repair.h"
#include "update_candidates.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/engine/variable_services.h"

namespace varstored::tools {

enum class UpdateWork : std::uint8_t { kGo, kPlan, kStatus, kUndo };

struct UpdateWishes {
  UpdateWork work = UpdateWork::kGo;
  CandidateWishes which;
  engine::FirstBootKeys keys;  // the host's
  std::string journal = std::string(kBackupFolder) + "/update.jsonl";
  /// As RepairOptions has it.
  std::string backup_folder;
  /// The most VMs of a wave.
  std::size_t limit = 100000;
  /// How long those that are marked are watched.
  std::chrono::seconds watch{};
};

/// Begins or goes on with a wave, or says what would be done or how far it is, or takes it back.
/// Gives the table for standard output. `exit_code` becomes 1 where something has failed, else 2
/// where VMs are left. SIGINT, SIGTERM and SIGHUP end it behind the VM at hand, and stay pending
/// (pool::StopSignals::ExitCode).
[[nodiscard]] base::Result<std::string> UpdatePool(const UpdateWishes& wishes, int& exit_code,
                                                   base::Log& log);

}  // namespace varstored::tools
