#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/boot/disk.h"

namespace varstored::boot {

/// A FAT file system (UEFI 2.10, 13.3; Microsoft's "FAT: General Overview of On-Disk Format"),
/// FAT12, FAT16 or FAT32, of which files are read by their path. Nothing is kept of it, and each
/// step has a bound: a folder that never ends, or a chain that comes back to itself, ends the read.
class FatVolume {
 public:
  [[nodiscard]] static base::Result<FatVolume> Open(Disk disk);

  /// The content of the file at `path`, whose names have a backslash or a slash between them and
  /// are compared without regard to upper and lower case of ASCII, long and short ones. Nothing
  /// when it is not there. A file of more than `max_bytes`, and what cannot be read, are errors.
  [[nodiscard]] base::Result<std::optional<base::Bytes>> ReadFile(std::string_view path,
                                                                  std::size_t max_bytes) const;

 private:
  enum class Width : std::uint8_t { k12, k16, k32 };

  /// What an entry of a folder says.
  struct Item {
    bool is_folder = false;
    std::uint32_t cluster = 0;
    std::uint32_t bytes = 0;
  };

  explicit FatVolume(Disk disk) : disk_(std::move(disk)) {}

  /// The number in the table of the cluster; nothing when it cannot be read.
  [[nodiscard]] std::optional<std::uint32_t> Next(std::uint32_t cluster) const;
  [[nodiscard]] bool IsData(std::uint32_t cluster) const;
  /// Up to `max_bytes` of the chain that begins with `cluster`; nothing when it breaks off.
  [[nodiscard]] std::optional<base::Bytes> ReadChain(std::uint32_t cluster, std::size_t max_bytes,
                                                     bool is_exact) const;
  [[nodiscard]] std::optional<base::Bytes> ReadFolder(std::uint32_t cluster) const;
  /// The entry of this name among those of a folder.
  [[nodiscard]] std::optional<Item> Find(base::ByteSpan folder, std::string_view name) const;

  Disk disk_;
  Width width_ = Width::k12;
  std::uint64_t table_ = 0;  // offsets in bytes
  std::uint64_t root_ = 0;
  std::uint64_t data_ = 0;
  std::uint32_t root_bytes_ = 0;    // FAT12 and FAT16
  std::uint32_t root_cluster_ = 0;  // FAT32
  std::uint32_t cluster_bytes_ = 0;
  std::uint32_t clusters_ = 0;
};

}  // namespace varstored::boot
