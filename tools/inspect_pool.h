#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/health/finding.h"
#include "varstored/pool/walk.h"

namespace varstored::tools {

enum class PoolOutput : std::uint8_t { kTable, kJson, kJsonLines, kMetrics };

struct PoolLook {
  /// Of databases. Without it, and without a toolstack's socket, the host says which of both it is.
  std::string folder;
  pool::ToolstackOptions toolstack;
  /// Of running VMs' sockets; empty: the usual one.
  std::string live_folder;
  /// Names of findings: only VMs with one of them are shown, and count for the exit code.
  std::vector<std::string> filter;
  /// pool::ParseSortKey; empty: not given.
  std::string sort;
  PoolOutput output = PoolOutput::kTable;
  /// The file for a page of HTML, which takes the place of kTable: only the last line of that is
  /// given then. Empty: none.
  std::string page;
  /// kMetrics: the file for them, or "-" (MetricsFile).
  std::string metrics;
  /// Gives Microsoft's list of revocations, in a helper process.
  std::function<base::Result<std::vector<health::ListedRevocation>>()> list;
};

/// Looks at all VMs. Gives what is still to be written to standard output: JSON is written as it
/// comes. `exit_code` becomes 1 where one could not be read or not all were looked at, else 2 where
/// something was found. Metrics of only some VMs are not written: that is an error. SIGINT, SIGTERM
/// and SIGHUP end it behind the VM at hand, and stay pending (pool::StopSignals::ExitCode).
[[nodiscard]] base::Result<std::string> InspectPool(const PoolLook& look, int& exit_code,
                                                    base::Log& log);

}  // namespace varstored::tools
