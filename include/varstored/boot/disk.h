#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "varstored/base/result.h"
#include "varstored/efi/guid.h"

/// A VM's disk, as far as a firmware has to read it to find a boot loader. Nothing is written, and
/// no more is read than is asked for: a disk is large, and a tenant's.
namespace varstored::boot {

/// Bytes that are read by their place.
struct Disk {
  std::uint64_t bytes = 0;
  /// All of `into` from `offset` on, or false.
  std::function<bool(std::uint64_t offset, std::span<std::uint8_t> into)> read;
};

/// An EFI System Partition (UEFI 2.10, 13.3).
struct Partition {
  Disk disk;
  /// UniquePartitionGUID; nothing where there is no GUID Partition Table.
  std::optional<efi::Guid> guid;
};

/// The disk inside of `file`, which is that of a qcow2 image, of a VHD (fixed or dynamic), or the
/// file itself. An image that takes content from another file, is encrypted or compressed where it
/// is read, is an error that says what to do.
[[nodiscard]] base::Result<Disk> OpenImage(Disk file);

/// The EFI System Partitions of a disk: those of its GUID Partition Table (blocks of 512 or 4096
/// bytes; the first table, of which no checksum is looked at), else those of its MBR; or the whole
/// disk, when it has a FAT file system and no partitions. Not empty: none is an error.
[[nodiscard]] base::Result<std::vector<Partition>> FindEsps(const Disk& disk);

}  // namespace varstored::boot
