#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "varstored/base/bytes.h"
#include "varstored/efi/guid.h"

namespace varstored::health {

/// A device path as text (UEFI 2.10, 10.3 and 10.6), such as
/// PciRoot(0x0)/Pci(0x1,0x0)/Sata(0x0,0xFFFF,0x0)/HD(1,GPT,...)/\EFI\BOOT\BOOTX64.EFI. Nodes that
/// are not known, or not of their size, become Path(type,subtype,hex digits). Text of the path's
/// own is valid UTF-8 and otherwise as it is. Nothing when the nodes do not add up to an end node.
[[nodiscard]] std::optional<std::string> DevicePathText(base::ByteSpan path);

/// EFI_LOAD_OPTION (UEFI 2.10, 3.1.3).
struct LoadOption {
  std::uint32_t attributes = 0;
  std::string description;  // UTF-8
  std::string path;
  /// Where the last nodes of the path lead: the file that they name, such as
  /// "\\EFI\\BOOT\\BOOTX64.EFI"; empty where they name none.
  std::string file = {};
  /// The last node but for the file's is a hard drive's, HD().
  bool has_partition = false;
  /// Its UniquePartitionGUID, when it is in a GUID Partition Table.
  std::optional<efi::Guid> partition = {};
  /// The path begins with the file: the firmware looks for it on all disks.
  bool is_file_alone = false;
};

/// Nothing when its form is broken.
[[nodiscard]] std::optional<LoadOption> ParseLoadOption(base::ByteSpan bytes);

}  // namespace varstored::health
