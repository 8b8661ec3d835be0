#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kept_state.h"
#include "varstored/base/result.h"
#include "varstored/engine/variable_services.h"
#include "varstored/health/finding.h"

namespace varstored::tools {

struct RepairOptions {
  /// Where backups go; empty: beside a file, else kBackupFolder. A database in a folder that others
  /// may write, as that of a VM's user, has them in kBackupFolder too when root repairs it.
  std::string backup_folder;
  /// Write also while the VM is not halted, or where nothing can be saved.
  bool force = false;
  /// Fix all that can be fixed.
  bool fix = true;
  /// The host's own, where the certificates of 2023 are to be added from them.
  std::optional<engine::FirstBootKeys> certificates = {};
  /// Null: a signal to stop ends the process.
  sandbox::Stop* stop = nullptr;
};

/// Not in /var/lib/varstored: xapi empties that folder, or makes it a symbolic link.
inline constexpr const char* kBackupFolder = "/var/lib/varstored-backup";

struct Repair {
  std::vector<health::Finding> fixed;
  std::vector<health::Finding> left;
  std::vector<std::string> lost_keys;  // as health::Repaired has them
  /// Why certificates that were to be added are not; empty where that is not so.
  std::string not_added;
  /// Which certificates of 2023 in db are there after the update of certificates, but dbx revokes.
  std::vector<std::string> revoked;
  /// Whether a start after it gives PCR 7 another value than one before all that is wrong now.
  bool changes_pcr7 = false;
};

/// What the repair does to keys and to PCR 7, a line each; empty where it does nothing.
[[nodiscard]] std::vector<std::string> WordsOnKeys(const Repair& repair);

/// A finding by its name, and that of its variable.
[[nodiscard]] std::string Described(const health::Finding& finding);

/// What is left, and who has to do it, a line for each finding: "left NAME: VARIABLE, for the
/// host's administrator".
[[nodiscard]] std::vector<std::string> WordsOnLeft(const std::vector<health::Finding>& left);

/// What becomes of PCR 7, as one line: pcr::WordsOnChange of two states.
[[nodiscard]] std::string WordsOnPcr7(const health::State& before, const health::State& after);

/// The way of every write of this kind: the VM is halted, what is kept goes to a backup, nobody has
/// changed it meanwhile, and then `changed` is kept in one write. Gives the backup's path, empty
/// where nothing was kept. An error means that nothing was written, or that nobody knows.
[[nodiscard]] base::Result<std::string> KeepInstead(OpenSubject& subject,
                                                    const tool::NewBytes& changed,
                                                    const RepairOptions& options, base::Log& log);

/// For a helper process: what FixPlace would do about `subject`, if nothing else is in its way;
/// nothing is written.
[[nodiscard]] base::Result<Repair> PlanRepair(const Subject& subject, const RepairOptions& options);

/// Makes of a repair what is shown of it, in the helper process.
using ShowRepair = std::function<base::Bytes(const Repair& repair)>;

/// What came of FixPlace.
struct Fixed {
  bool has_fixed = false;
  bool has_left = false;
  /// Its path; empty where nothing was to be fixed.
  std::string backup;
  /// What `show` made of it.
  base::Bytes shown;
};

/// Fixes what can be fixed: a helper process looks, then comes the backup, then one write. An error
/// means that nothing was written, or that nobody knows.
[[nodiscard]] base::Result<Fixed> FixPlace(OpenSubject& subject, const RepairOptions& options,
                                           const ShowRepair& show, base::Log& log);

/// Puts the backup at `path` back. Gives what to tell the administrator.
[[nodiscard]] base::Result<std::string> RestorePlace(OpenSubject& subject, const std::string& path,
                                                     const RepairOptions& options, base::Log& log);

}  // namespace varstored::tools
