#pragma once

#include <string>
#include <vector>

#include "kept_state.h"
#include "varstored/base/result.h"
#include "varstored/health/finding.h"

namespace varstored::tools {

struct RepairOptions {
  /// Where backups go; empty: beside a file, else kBackupFolder. A database in a folder that others
  /// may write, as that of a VM's user, has them in kBackupFolder too when root repairs it.
  std::string backup_folder;
  /// Write also while the VM is not halted, or where nothing can be saved.
  bool force = false;
};

/// Not in /var/lib/varstored: xapi empties that folder, or makes it a symbolic link.
inline constexpr const char* kBackupFolder = "/var/lib/varstored-backup";

struct Repair {
  std::vector<health::Finding> fixed;
  std::vector<health::Finding> left;
  std::vector<std::string> lost_keys;     // as health::Repaired has them
  std::vector<std::string> changed_keys;  // as health::Repaired has them
  std::string backup;                     // its path; empty where nothing was to be fixed
};

/// What the repair does to keys, in sentences; empty where it does nothing.
[[nodiscard]] std::string WordsOnKeys(const Repair& repair);

/// What FixPlace would do about `kept`, if nothing else is in its way; nothing is written.
[[nodiscard]] base::Result<Repair> PlanRepair(const KeptState& kept, const RepairOptions& options);

/// Fixes what can be fixed: first the backup, then one write. An error means that nothing was
/// written, or that nobody knows.
[[nodiscard]] base::Result<Repair> FixPlace(KeptPlace& place, const RepairOptions& options);

/// Puts the backup at `path` back. Gives what to tell the administrator.
[[nodiscard]] base::Result<std::string> RestorePlace(KeptPlace& place, const std::string& path,
                                                     const RepairOptions& options);

}  // namespace varstored::tools
