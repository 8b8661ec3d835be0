#include "varstored/boot/fat.h"

#include <algorithm>
#include <array>
#include <utility>

#include "varstored/base/ascii.h"
#include "varstored/base/reader.h"
#include "varstored/efi/variable_name.h"

namespace varstored::boot {
namespace {

constexpr std::size_t kEntryBytes = 32;
/// A folder with more than 65536 entries is none that FAT allows.
constexpr std::size_t kMaxFolderBytes = std::size_t{65536} * kEntryBytes;
constexpr std::size_t kMaxDepth = 16;

bool IsSameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char left, char right) {
    return base::LowerAscii(left) == base::LowerAscii(right);
  });
}

/// "NAME.EXT" of the eleven characters of a short name.
std::string ShortName(base::ByteSpan characters) {
  const auto trimmed = [](base::ByteSpan part) {
    std::string text = base::ToString(part);
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  const std::string extension = trimmed(characters.subspan(8, 3));
  return trimmed(characters.first(8)) + (extension.empty() ? "" : "." + extension);
}

/// The parts of a long name, which stand in front of their entry, the last one first.
class LongName {
 public:
  void Add(base::ByteSpan entry) {
    constexpr std::uint8_t kLast = 0x40;
    constexpr std::size_t kPartBytes = 26;
    constexpr std::size_t kMaxBytes = 20 * kPartBytes;
    if ((entry[0] & kLast) != 0) {
      characters_.clear();
    }
    base::Bytes part;
    constexpr std::array<std::pair<std::size_t, std::size_t>, 3> kPieces = {
        {{1, 10}, {14, 12}, {28, 4}}};
    for (const auto& [offset, size] : kPieces) {
      const base::ByteSpan piece = entry.subspan(offset, size);
      part.insert(part.end(), piece.begin(), piece.end());
    }
    if (characters_.size() < kMaxBytes) {
      characters_.insert(characters_.begin(), part.begin(), part.end());
    }
  }

  /// In UTF-8, up to the NUL; then there is none any more.
  [[nodiscard]] std::string Take() {
    std::string name;
    for (std::size_t i = 0; i + 1 < characters_.size(); i += 2) {
      if (characters_[i] == 0 && characters_[i + 1] == 0) {
        break;
      }
      name.append({static_cast<char>(characters_[i]), static_cast<char>(characters_[i + 1])});
    }
    characters_.clear();
    return efi::NameToUtf8(name);
  }

 private:
  base::Bytes characters_;
};

std::vector<std::string_view> NamesIn(std::string_view path) {
  std::vector<std::string_view> names;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find_first_of("\\/"), path.size());
    if (end != 0) {
      names.push_back(path.substr(0, end));
    }
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return names;
}

}  // namespace

base::Result<FatVolume> FatVolume::Open(Disk disk) {
  constexpr std::size_t kSectorBytes = 512;
  constexpr std::uint32_t kFirstFat16 = 4085;
  constexpr std::uint32_t kFirstFat32 = 65525;
  constexpr std::uint32_t kMostClusters = 0x0FFFFFF5;
  FatVolume volume(std::move(disk));
  std::array<std::uint8_t, kSectorBytes> sector{};
  if (volume.disk_.bytes < kSectorBytes || !volume.disk_.read(0, sector)) {
    return base::Fail("the EFI System Partition cannot be read");
  }
  base::Reader reader(base::ByteSpan(sector).subspan(11));
  std::uint16_t sector_bytes = 0;
  std::uint8_t cluster_sectors = 0;
  std::uint16_t reserved = 0;
  std::uint8_t tables = 0;
  std::uint16_t root_entries = 0;
  std::uint16_t sectors16 = 0;
  std::uint16_t table16 = 0;
  std::uint32_t sectors32 = 0;
  std::uint32_t table32 = 0;
  base::ByteSpan skipped;
  const bool is_read =
      reader.ReadU16(sector_bytes) && reader.ReadU8(cluster_sectors) && reader.ReadU16(reserved) &&
      reader.ReadU8(tables) && reader.ReadU16(root_entries) && reader.ReadU16(sectors16) &&
      reader.ReadBytes(1, skipped) && reader.ReadU16(table16) && reader.ReadBytes(8, skipped) &&
      reader.ReadU32(sectors32) && reader.ReadU32(table32) && reader.ReadBytes(4, skipped) &&
      reader.ReadU32(volume.root_cluster_);
  const auto is_power = [](std::uint32_t n) { return n != 0 && (n & (n - 1)) == 0; };
  if (!is_read || sector_bytes < kSectorBytes || sector_bytes > 4096 || !is_power(sector_bytes) ||
      !is_power(cluster_sectors) || tables == 0 || reserved == 0) {
    return base::Fail("the EFI System Partition has no FAT file system");
  }
  const std::uint64_t total = sectors16 != 0 ? sectors16 : sectors32;
  const std::uint64_t table_sectors = table16 != 0 ? table16 : table32;
  const std::uint64_t root_sectors =
      (std::uint64_t{root_entries} * kEntryBytes + sector_bytes - 1) / sector_bytes;
  const std::uint64_t data = reserved + tables * table_sectors + root_sectors;
  if (total <= data || total * sector_bytes > volume.disk_.bytes) {
    return base::Fail("the FAT file system of the EFI System Partition does not fit into it");
  }
  const std::uint64_t clusters = (total - data) / cluster_sectors;
  if (clusters == 0 || clusters > kMostClusters) {
    return base::Fail("the FAT file system of the EFI System Partition has no room for files");
  }
  volume.width_ = clusters < kFirstFat16   ? Width::k12
                  : clusters < kFirstFat32 ? Width::k16
                                           : Width::k32;
  volume.clusters_ = static_cast<std::uint32_t>(clusters);
  volume.table_ = std::uint64_t{reserved} * sector_bytes;
  volume.root_ = volume.table_ + tables * table_sectors * sector_bytes;
  volume.data_ = data * sector_bytes;
  volume.root_bytes_ = static_cast<std::uint32_t>(root_entries * kEntryBytes);
  volume.cluster_bytes_ = std::uint32_t{cluster_sectors} * sector_bytes;
  return volume;
}

bool FatVolume::IsData(std::uint32_t cluster) const {
  return cluster >= 2 && cluster - 2 < clusters_;
}

std::optional<std::uint32_t> FatVolume::Next(std::uint32_t cluster) const {
  const std::uint64_t offset = width_ == Width::k12   ? std::uint64_t{cluster} * 3 / 2
                               : width_ == Width::k16 ? std::uint64_t{cluster} * 2
                                                      : std::uint64_t{cluster} * 4;
  std::array<std::uint8_t, 4> bytes{};
  const std::span<std::uint8_t> some =
      std::span<std::uint8_t>(bytes).first(width_ == Width::k32 ? 4 : 2);
  if (!disk_.read(table_ + offset, some)) {
    return std::nullopt;
  }
  const std::uint32_t number = bytes[0] | std::uint32_t{bytes[1]} << 8U |
                               std::uint32_t{bytes[2]} << 16U | std::uint32_t{bytes[3]} << 24U;
  constexpr std::uint32_t kMask12 = 0xFFF;
  constexpr std::uint32_t kMask32 = 0x0FFFFFFF;
  return width_ == Width::k12   ? (cluster % 2 == 0 ? number & kMask12 : number >> 4U)
         : width_ == Width::k16 ? number
                                : number & kMask32;
}

std::optional<base::Bytes> FatVolume::ReadChain(std::uint32_t cluster, std::size_t max_bytes,
                                                bool is_exact) const {
  base::Bytes bytes;
  bytes.reserve(is_exact ? max_bytes : 0);
  while (bytes.size() < max_bytes && IsData(cluster)) {
    const std::size_t old = bytes.size();
    bytes.resize(old + std::min<std::size_t>(cluster_bytes_, max_bytes - old));
    if (!disk_.read(data_ + std::uint64_t{cluster - 2} * cluster_bytes_,
                    std::span<std::uint8_t>(bytes).subspan(old))) {
      return std::nullopt;
    }
    const auto next = Next(cluster);
    if (!next) {
      return std::nullopt;
    }
    cluster = *next;
  }
  return is_exact && bytes.size() != max_bytes ? std::nullopt : std::optional(std::move(bytes));
}

std::optional<base::Bytes> FatVolume::ReadFolder(std::uint32_t cluster) const {
  if (cluster == 0 && width_ != Width::k32) {
    base::Bytes bytes(root_bytes_);
    return disk_.read(root_, bytes) ? std::optional(std::move(bytes)) : std::nullopt;
  }
  return ReadChain(cluster == 0 ? root_cluster_ : cluster, kMaxFolderBytes, false);
}

std::optional<FatVolume::Item> FatVolume::Find(base::ByteSpan folder, std::string_view name) const {
  constexpr std::uint8_t kEnd = 0x00;
  constexpr std::uint8_t kDeleted = 0xE5;
  constexpr std::uint8_t kLongAttributes = 0x0F;
  constexpr std::uint8_t kVolumeLabel = 0x08;
  constexpr std::uint8_t kFolder = 0x10;
  LongName long_name;
  for (std::size_t offset = 0; offset + kEntryBytes <= folder.size(); offset += kEntryBytes) {
    const base::ByteSpan entry = folder.subspan(offset, kEntryBytes);
    const std::uint8_t attributes = entry[11];
    if (entry[0] == kEnd) {
      break;
    }
    if (entry[0] != kDeleted && attributes == kLongAttributes) {
      long_name.Add(entry);
      continue;
    }
    const std::string full = long_name.Take();
    if (entry[0] == kDeleted || (attributes & kVolumeLabel) != 0 ||
        !(IsSameName(name, full) || IsSameName(name, ShortName(entry.first(11))))) {
      continue;
    }
    base::Reader high(entry.subspan(20));
    base::Reader low(entry.subspan(26));
    std::uint16_t upper = 0;
    std::uint16_t lower = 0;
    Item item;
    if (!high.ReadU16(upper) || !low.ReadU16(lower) || !low.ReadU32(item.bytes)) {
      break;
    }
    item.is_folder = (attributes & kFolder) != 0;
    item.cluster = (width_ == Width::k32 ? std::uint32_t{upper} << 16U : 0U) | lower;
    return item;
  }
  return std::nullopt;
}

base::Result<std::optional<base::Bytes>> FatVolume::ReadFile(std::string_view path,
                                                             std::size_t max_bytes) const {
  const std::vector<std::string_view> names = NamesIn(path);
  Item item = {.is_folder = true, .cluster = 0, .bytes = 0};
  if (names.empty() || names.size() > kMaxDepth) {
    return std::optional<base::Bytes>();
  }
  for (const std::string_view name : names) {
    const auto folder = item.is_folder ? ReadFolder(item.cluster) : base::Bytes();
    if (!folder) {
      return base::Fail("a folder of the EFI System Partition cannot be read");
    }
    const auto found = Find(*folder, name);
    if (!found) {
      return std::optional<base::Bytes>();
    }
    item = *found;
  }
  if (item.is_folder) {
    return std::optional<base::Bytes>();
  }
  if (item.bytes > max_bytes) {
    return base::Fail("the file has " + std::to_string(item.bytes) + " bytes, the limit is " +
                      std::to_string(max_bytes));
  }
  auto content = ReadChain(item.cluster, item.bytes, true);
  if (!content) {
    return base::Fail("the file cannot be read: its chain of clusters breaks off");
  }
  return std::optional(*std::move(content));
}

}  // namespace varstored::boot
