#include "varstored/boot/disk.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "varstored/base/bytes.h"
#include "varstored/base/reader.h"

namespace varstored::boot {
namespace {

constexpr std::size_t kSectorBytes = 512;

/// `size` bytes from `offset` on; nothing when they are not there.
std::optional<base::Bytes> ReadAt(const Disk& disk, std::uint64_t offset, std::size_t size) {
  base::Bytes bytes(size);
  if (offset > disk.bytes || size > disk.bytes - offset || !disk.read(offset, bytes)) {
    return std::nullopt;
  }
  return bytes;
}

/// A big-endian number, as qcow2 and VHD have them, of bytes that are there.
std::uint64_t BigEndian(base::ByteSpan bytes, std::size_t offset, std::size_t size) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : bytes.subspan(offset, size)) {
    number = number << 8U | byte;
  }
  return number;
}

/// A disk that is kept in pieces of one size: where the piece of a number begins in the file;
/// nothing where it is all zeros. An outer nothing is what cannot be read.
using FindPiece = std::function<std::optional<std::optional<std::uint64_t>>(std::uint64_t number)>;

Disk InPieces(Disk file, std::uint64_t bytes, std::uint64_t piece_bytes, FindPiece find) {
  return {bytes, [file = std::move(file), bytes, piece_bytes, find = std::move(find)](
                     std::uint64_t offset, std::span<std::uint8_t> into) {
            if (offset > bytes || into.size() > bytes - offset) {
              return false;
            }
            while (!into.empty()) {
              const std::uint64_t inside = offset % piece_bytes;
              const auto size = static_cast<std::size_t>(
                  std::min<std::uint64_t>(into.size(), piece_bytes - inside));
              const auto place = find(offset / piece_bytes);
              if (!place) {
                return false;
              }
              if (!*place) {
                std::fill_n(into.begin(), size, std::uint8_t{0});
              } else if (**place + inside > file.bytes || size > file.bytes - (**place + inside) ||
                         !file.read(**place + inside, into.first(size))) {
                return false;
              }
              into = into.subspan(size);
              offset += size;
            }
            return true;
          }};
}

/// One table of numbers at a time, as most reads want the one of the read before.
class Tables {
 public:
  Tables(Disk file, std::size_t table_bytes) : file_(std::move(file)), table_bytes_(table_bytes) {}

  /// The table at `offset`; null when it cannot be read.
  const base::Bytes* At(std::uint64_t offset) {
    if (!held_ || offset != offset_) {
      held_ = ReadAt(file_, offset, table_bytes_);
      offset_ = offset;
    }
    return held_ ? &*held_ : nullptr;
  }

 private:
  Disk file_;
  std::size_t table_bytes_;
  std::uint64_t offset_ = 0;
  std::optional<base::Bytes> held_;
};

// QEMU's docs/interop/qcow2.txt.
base::Result<Disk> OpenQcow2(const Disk& file, base::ByteSpan header) {
  constexpr std::uint64_t kMaxL1Bytes = std::uint64_t{32} << 20U;
  constexpr std::uint64_t kForeign = 0x04 | 0x10;  // an external data file, extended L2 entries
  constexpr std::uint64_t kPlace = 0x00FFFFFFFFFFFE00;
  constexpr std::uint64_t kCompressed = std::uint64_t{1} << 62U;
  const std::uint64_t version = BigEndian(header, 4, 4);
  const std::uint64_t cluster_bits = BigEndian(header, 20, 4);
  const std::uint64_t size = BigEndian(header, 24, 8);
  if (version < 2 || version > 3 || cluster_bits < 9 || cluster_bits > 21) {
    return base::Fail("the qcow2 image is of a form that is not known");
  }
  if (BigEndian(header, 8, 8) != 0 || BigEndian(header, 32, 4) != 0 ||
      (version == 3 && (BigEndian(header, 72, 8) & kForeign) != 0)) {
    return base::Fail(
        "the qcow2 image takes its content from another file, or is encrypted: make one that is "
        "whole first (qemu-img convert -O raw)");
  }
  const std::uint64_t cluster = std::uint64_t{1} << cluster_bits;
  const std::uint64_t l1_bytes = BigEndian(header, 36, 4) * 8;
  auto l1 = l1_bytes > kMaxL1Bytes
                ? std::nullopt
                : ReadAt(file, BigEndian(header, 40, 8), static_cast<std::size_t>(l1_bytes));
  if (!l1) {
    return base::Fail("the qcow2 image ends in its first table");
  }
  auto tables = std::make_shared<Tables>(file, static_cast<std::size_t>(cluster));
  return InPieces(file, size, cluster,
                  [l1 = *std::move(l1), tables, entries = cluster / 8](
                      std::uint64_t number) -> std::optional<std::optional<std::uint64_t>> {
                    const std::uint64_t l1_at = number / entries * 8;
                    if (l1_at + 8 > l1.size()) {
                      return std::nullopt;
                    }
                    const std::uint64_t l2 =
                        BigEndian(l1, static_cast<std::size_t>(l1_at), 8) & kPlace;
                    if (l2 == 0) {
                      return std::optional<std::uint64_t>();
                    }
                    const base::Bytes* table = tables->At(l2);
                    if (table == nullptr) {
                      return std::nullopt;
                    }
                    const std::uint64_t entry =
                        BigEndian(*table, static_cast<std::size_t>(number % entries * 8), 8);
                    if ((entry & kCompressed) != 0) {
                      return std::nullopt;
                    }
                    // The lowest bit: it reads as zeros, wherever it has a place.
                    return (entry & 1U) != 0 || (entry & kPlace) == 0
                               ? std::optional<std::uint64_t>()
                               : std::optional<std::uint64_t>(entry & kPlace);
                  });
}

// Microsoft's "Virtual Hard Disk Image Format Specification". `footer` is the last 512 bytes.
base::Result<Disk> OpenVhd(const Disk& file, base::ByteSpan footer) {
  constexpr std::uint64_t kFixed = 2;
  constexpr std::uint64_t kDynamic = 3;
  constexpr std::uint64_t kMaxEntries = std::uint64_t{1} << 20U;  // 2 TiB in blocks of 2 MiB
  constexpr std::uint64_t kUnused = 0xFFFFFFFF;
  const std::uint64_t size = BigEndian(footer, 48, 8);
  const std::uint64_t type = BigEndian(footer, 60, 4);
  if (type == kFixed) {
    return Disk{std::min(size, file.bytes - kSectorBytes), file.read};
  }
  if (type != kDynamic) {
    return base::Fail(
        "the VHD takes its content from another one: plug the disk into this host instead "
        "(docs/boot-and-tpm.md), or make one that is whole (qemu-img convert -O raw)");
  }
  const auto header = ReadAt(file, BigEndian(footer, 16, 8), 1024);
  if (!header) {
    return base::Fail("the VHD ends in its header");
  }
  const std::uint64_t entries = BigEndian(*header, 28, 4);
  const std::uint64_t block = BigEndian(*header, 32, 4);
  if (entries > kMaxEntries || block < kSectorBytes || block % kSectorBytes != 0) {
    return base::Fail("the VHD is of a form that is not known");
  }
  auto table = ReadAt(file, BigEndian(*header, 16, 8), static_cast<std::size_t>(entries) * 4);
  if (!table) {
    return base::Fail("the VHD ends in its table of blocks");
  }
  // In front of a block there is a bit for each of its sectors. A sector without its bit is zeros,
  // and so are its bytes where the disk has no parent.
  const std::uint64_t bitmap = (block / kSectorBytes / 8 + kSectorBytes - 1) / kSectorBytes;
  return InPieces(
      file, size, block,
      [table = *std::move(table),
       bitmap](std::uint64_t number) -> std::optional<std::optional<std::uint64_t>> {
        if (number * 4 + 4 > table.size()) {
          return std::nullopt;
        }
        const std::uint64_t sector = BigEndian(table, static_cast<std::size_t>(number * 4), 4);
        return sector == kUnused ? std::optional<std::uint64_t>()
                                 : std::optional<std::uint64_t>((sector + bitmap) * kSectorBytes);
      });
}

Disk PartOf(const Disk& disk, std::uint64_t offset, std::uint64_t bytes) {
  const std::uint64_t size = offset > disk.bytes ? 0 : std::min(bytes, disk.bytes - offset);
  return {size, [disk, offset, size](std::uint64_t at, std::span<std::uint8_t> into) {
            return at <= size && into.size() <= size - at && disk.read(offset + at, into);
          }};
}

/// UEFI 2.10, 5.3. Nothing when there is no such table with blocks of this size.
std::optional<std::vector<Partition>> FindInGpt(const Disk& disk, std::uint64_t block) {
  constexpr efi::Guid kEspType = *efi::ParseGuid("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
  constexpr std::uint32_t kMaxEntries = 1024;
  constexpr std::uint32_t kMaxEntryBytes = 4096;
  const auto header = ReadAt(disk, block, 92);
  constexpr std::string_view kMagic = "EFI PART";
  if (!header || !std::equal(kMagic.begin(), kMagic.end(), header->begin())) {
    return std::nullopt;
  }
  base::Reader reader(base::ByteSpan(*header).subspan(72));
  std::uint64_t table = 0;
  std::uint32_t count = 0;
  std::uint32_t entry_bytes = 0;
  std::vector<Partition> found;
  if (!reader.ReadU64(table) || !reader.ReadU32(count) || !reader.ReadU32(entry_bytes) ||
      entry_bytes < 128 || entry_bytes > kMaxEntryBytes || table > disk.bytes / block) {
    return found;
  }
  for (std::uint32_t i = 0; i < std::min(count, kMaxEntries); ++i) {
    const auto bytes = ReadAt(disk, table * block + std::uint64_t{i} * entry_bytes, 128);
    if (!bytes) {
      break;
    }
    base::Reader entry(*bytes);
    efi::Guid type;
    efi::Guid guid;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    if (entry.ReadArray(type.bytes) && entry.ReadArray(guid.bytes) && entry.ReadU64(first) &&
        entry.ReadU64(last) && type == kEspType && first <= last && last < disk.bytes / block) {
      found.push_back({PartOf(disk, first * block, (last - first + 1) * block), guid});
    }
  }
  return found;
}

/// Primary partitions of the type 0xEF (UEFI 2.10, 5.2).
std::vector<Partition> FindInMbr(const Disk& disk, base::ByteSpan sector) {
  constexpr std::uint8_t kEspType = 0xEF;
  std::vector<Partition> found;
  for (std::size_t i = 0; i < 4; ++i) {
    base::Reader entry(sector.subspan(446 + 16 * i, 16));
    base::ByteSpan place;
    std::uint8_t type = 0;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    if (entry.ReadBytes(4, place) && entry.ReadU8(type) && entry.ReadBytes(3, place) &&
        entry.ReadU32(first) && entry.ReadU32(count) && type == kEspType) {
      found.push_back(
          {PartOf(disk, std::uint64_t{first} * kSectorBytes, std::uint64_t{count} * kSectorBytes),
           std::nullopt});
    }
  }
  return found;
}

/// Whether the first sector is that of a FAT file system: FAT12 and FAT16 have this at 54, FAT32 at
/// 82.
bool IsFat(base::ByteSpan sector) {
  constexpr std::string_view kFat = "FAT";
  const base::ByteSpan small = sector.subspan(54, kFat.size());
  const base::ByteSpan large = sector.subspan(82, kFat.size());
  return std::equal(small.begin(), small.end(), kFat.begin()) ||
         std::equal(large.begin(), large.end(), kFat.begin());
}

}  // namespace

base::Result<Disk> OpenImage(Disk file) {
  constexpr std::size_t kQcow2HeaderBytes = 104;
  constexpr std::array<std::uint8_t, 4> kQcow2 = {'Q', 'F', 'I', 0xFB};
  constexpr std::string_view kVhd = "conectix";
  const auto front = ReadAt(file, 0, kSectorBytes);
  if (!front) {
    return base::Fail("it is no disk: it has less than a sector, or cannot be read");
  }
  if (std::equal(kQcow2.begin(), kQcow2.end(), front->begin())) {
    return OpenQcow2(file, base::ByteSpan(*front).first(kQcow2HeaderBytes));
  }
  const auto back = ReadAt(file, file.bytes - kSectorBytes, kSectorBytes);
  if (back && std::equal(kVhd.begin(), kVhd.end(), back->begin())) {
    return OpenVhd(file, *back);
  }
  return file;
}

base::Result<std::vector<Partition>> FindEsps(const Disk& disk) {
  const auto sector = ReadAt(disk, 0, kSectorBytes);
  if (!sector) {
    return base::Fail("the disk has no first sector, or it cannot be read");
  }
  constexpr std::uint64_t kLargeBlock = 4096;
  auto found = FindInGpt(disk, kSectorBytes);
  if (!found) {
    found = FindInGpt(disk, kLargeBlock);
  }
  if (!found) {
    found =
        IsFat(*sector) ? std::vector<Partition>{{disk, std::nullopt}} : FindInMbr(disk, *sector);
  }
  if (found->empty()) {
    return base::Fail(
        "there is no EFI System Partition: neither a GUID Partition Table nor an MBR names one, "
        "and "
        "the whole is no FAT file system");
  }
  return *std::move(found);
}

}  // namespace varstored::boot
