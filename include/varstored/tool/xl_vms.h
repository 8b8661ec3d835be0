#pragma once

#include <optional>
#include <string>
#include <vector>

#include "varstored/base/held_file.h"
#include "varstored/base/result.h"
#include "varstored/tool/vm_name.h"

/// The VMs of a host without a toolstack (docs/xl.md).
namespace varstored::tool {

struct XlVm {
  std::string uuid;
  std::string name;  // at its last start; empty: not known
  /// Whether its varstored listens; nothing where the caller may not look.
  std::optional<bool> is_running;
};

/// Those that have a folder in `folders.vms`, by uuid. That there is no such folder is none.
[[nodiscard]] base::Result<std::vector<XlVm>> VmsOfXl(const HostFolders& folders);

/// The name that is kept beside the VM's folder in `vms`; empty where none is. That the file is
/// none of ours is an error.
[[nodiscard]] base::Result<std::string> KeptVmName(const base::HeldFolder& vms,
                                                   const std::string& uuid);

/// A table of them, for a tool that only looks and was given no word at all: uuid, "on", "off" or
/// "?", and name, escaped. Empty where there is a toolstack, or no VM.
[[nodiscard]] base::Result<std::string> ListOfVms();

}  // namespace varstored::tool
