#include "repair.h"

#include <filesystem>
#include <utility>

#include "backup.h"
#include "varstored/efi/guid.h"
#include "varstored/health/fix.h"
#include "varstored/health/text.h"

namespace varstored::tools {
namespace {

std::string SubjectOf(const KeptPlace& place) {
  const std::string& target = place.kept().context.target;
  const auto uuid = efi::ParseGuid(target);
  return uuid ? efi::ToText(*uuid) : std::filesystem::path(target).filename().string();
}

/// Keeps what is there before a repair, in a file whose path it gives.
base::Result<std::string> KeepBackup(const KeptPlace& place, const RepairOptions& options) {
  const auto keep = [&place](const base::HeldFolder& folder) {
    return MakeBackup(folder, SubjectOf(place), *place.content(), place.kept().context.now);
  };
  std::string path = options.backup_folder;
  if (path.empty() && place.file() != nullptr) {
    return keep(place.file()->folder());
  }
  if (path.empty() && !place.is_toolstack()) {
    const auto parent = std::filesystem::path(place.kept().context.target).parent_path();
    const auto beside = base::HeldFolder::Open(parent.empty() ? "." : parent.string());
    if (!beside || beside->CheckMayMake()) {
      return beside ? keep(*beside) : beside.failure();
    }
  }
  // The content of variables is nobody's business.
  const auto folder = base::HeldFolder::OpenOrMake(path.empty() ? kBackupFolder : path, 0700);
  return folder ? keep(*folder) : folder.failure();
}

/// The process of a VM that is not halted has its own copy, and would overwrite what is written.
base::Result<void> CheckHalted(KeptPlace& place, const RepairOptions& options) {
  if (!place.is_toolstack() || options.force) {
    return {};
  }
  const std::string& target = place.kept().context.target;
  const auto state = place.VmState();
  if (!state) {
    return base::Fail(target + ": whether the VM is halted is not known, so nothing was written: " +
                      state.error().message);
  }
  if (!*state) {
    return base::Fail(target +
                      ": whether the VM is halted is not known at this socket, so nothing was "
                      "written. Use the toolstack's own socket, or --force if it is halted");
  }
  if (**state != "Halted") {
    return base::Fail(target + ": the VM is not halted but " + **state +
                      ", so nothing was written: its varstored has its own copy of the variables, "
                      "and would overwrite the change. Shut it down first");
  }
  return {};
}

/// All that comes before the one write, in this order. Gives the backup's path, empty where there
/// was nothing to keep.
base::Result<std::string> Prepare(KeptPlace& place, const RepairOptions& options) {
  if (auto halted = CheckHalted(place, options); !halted) {
    return halted.failure();
  }
  std::string backup;
  if (place.content()) {
    auto made = KeepBackup(place, options);
    if (!made) {
      return base::Fail("nothing was written, because there is no backup: " + made.error().message);
    }
    backup = *std::move(made);
  }
  if (auto unchanged = place.CheckUnchanged(); !unchanged) {
    return unchanged.failure();
  }
  // Again: making the backup took time.
  if (auto halted = CheckHalted(place, options); !halted) {
    return halted.failure();
  }
  return backup;
}

base::Failure<base::Error> NotWritten(const base::Error& error, const std::string& backup) {
  return base::Fail(error.message +
                    (backup.empty() ? "" : "; what was kept before is in " + backup));
}

/// Fails where nothing can be saved.
base::Result<health::Repaired> Mended(const KeptState& kept, const RepairOptions& options) {
  health::Repaired repaired = health::FixAll(kept.state, kept.context);
  if (repaired.state.entries.empty() && !kept.state.damage.empty() && !options.force) {
    return base::Fail(kept.context.target +
                      ": no variable can be read, so nothing can be saved. Restore a backup, or "
                      "give --force for a VM without any variable");
  }
  return repaired;
}

Repair RepairOf(const health::Repaired& repaired) {
  return {repaired.fixed, repaired.left, repaired.lost_keys, repaired.changed_keys, {}};
}

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

}  // namespace

std::string WordsOnKeys(const Repair& repair) {
  std::string text;
  if (!repair.lost_keys.empty()) {
    text = "Keys of Secure Boot are lost: " + Joined(repair.lost_keys) + ". ";
  }
  if (!repair.changed_keys.empty()) {
    text += "PCR 7 changes with " + Joined(repair.changed_keys) +
            ": a guest with BitLocker, or with another key sealed to its vTPM, asks for its "
            "recovery key.";
  }
  return text;
}

base::Result<Repair> PlanRepair(const KeptState& kept, const RepairOptions& options) {
  auto repaired = Mended(kept, options);
  if (!repaired) {
    return repaired.failure();
  }
  return RepairOf(*repaired);
}

base::Result<Repair> FixPlace(KeptPlace& place, const RepairOptions& options) {
  auto repaired = Mended(place.kept(), options);
  if (!repaired) {
    return repaired.failure();
  }
  Repair repair = RepairOf(*repaired);
  if (repair.fixed.empty()) {
    return repair;
  }
  auto backup = Prepare(place, options);
  if (!backup) {
    return backup.failure();
  }
  if (auto written = place.Write(repaired->state); !written) {
    return NotWritten(written.error(), *backup);
  }
  repair.backup = *std::move(backup);
  return repair;
}

base::Result<std::string> RestorePlace(KeptPlace& place, const std::string& path,
                                       const RepairOptions& options) {
  const std::string& target = place.kept().context.target;
  const auto backup = ReadBackup(path, SubjectOf(place));
  if (!backup) {
    return backup.failure();
  }
  health::State state;
  if (!backup->is_of_subject) {
    if (!options.force) {
      return base::Fail(path + ": " + backup->reason +
                        ". With --force any whole VARS blob can be restored");
    }
    const auto blob = tool::DecodeBlobFile(backup->content);
    if (!blob) {
      return base::Fail(path + ": " + blob.error().message);
    }
    if (blob->form.is_save_file && place.is_toolstack()) {
      return base::Fail(path + ": all of a suspended VM, not what is kept of one that is off");
    }
    state.entries = blob->blob.entries;
    state.ancillary = blob->blob.ancillary;
  }
  if (place.content() == backup->content) {
    return health::ForTerminal(target) + ": is what the backup has already; nothing was written\n";
  }
  const auto before = Prepare(place, options);
  if (!before) {
    return before.failure();
  }
  const auto written = backup->is_of_subject ? place.Restore(backup->content) : place.Write(state);
  if (!written) {
    return NotWritten(written.error(), *before);
  }
  return health::ForTerminal(target) + ": restored from " + health::ForTerminal(path) + "\n" +
         (before->empty() ? ""
                          : "what was there before is in " + health::ForTerminal(*before) + "\n");
}

}  // namespace varstored::tools
