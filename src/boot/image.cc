#include "varstored/boot/image.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

#include "varstored/base/reader.h"
#include "varstored/crypto/authenticode.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/well_known.h"

namespace varstored::boot {
namespace {

constexpr std::uint16_t kDosMagic = 0x5A4D;
constexpr std::uint32_t kPeMagic = 0x00004550;
constexpr std::uint16_t kPe32 = 0x10B;
constexpr std::uint16_t kPe32Plus = 0x20B;
constexpr std::size_t kFileHeaderBytes = 20;  // behind the magic
constexpr std::size_t kSectionHeaderBytes = 40;
constexpr std::size_t kDirectoryBytes = 8;
/// IMAGE_NUMBEROF_DIRECTORY_ENTRIES; edk2 loads no image with more.
constexpr std::uint32_t kMaxDirectories = 16;
/// The place of the certificate table among the data directories.
constexpr std::uint32_t kSecurityDirectory = 4;
/// And of the tree of resources.
constexpr std::uint32_t kResourceDirectory = 2;

/// The numbers of the headers that count, all from the front of the file.
struct Headers {
  std::uint16_t machine = 0;
  std::size_t section_count = 0;
  std::size_t sections = 0;  // offset of the section table
  std::size_t strings = 0;   // offset of the string table; 0: there is none
  std::size_t checksum = 0;  // offset
  std::uint32_t headers_bytes = 0;
  /// Offset of the directory's entry; 0 when the header ends in front of it.
  std::size_t security_entry = 0;
  /// The certificate table. Its address is a place in the file, unlike all others.
  std::uint32_t table = 0;
  std::uint32_t table_bytes = 0;
  /// The address of the tree of resources; 0: there is none.
  std::uint32_t resources = 0;
};

base::Failure<base::Error> Bad(const std::string& what) {
  return base::Fail("no program that a firmware loads: " + what);
}

/// A reader at `offset`; of nothing when that is behind the end.
base::Reader At(base::ByteSpan file, std::size_t offset) {
  return base::Reader(file.subspan(std::min(offset, file.size())));
}

base::Result<std::size_t> FindPeHeader(base::ByteSpan file) {
  constexpr std::size_t kPlaceOfOffset = 0x3C;
  std::uint16_t magic = 0;
  std::uint32_t offset = 0;
  if (!At(file, 0).ReadU16(magic)) {
    return Bad("it is empty");
  }
  // A DOS header may be missing.
  if (magic == kDosMagic && !At(file, kPlaceOfOffset).ReadU32(offset)) {
    return Bad("it ends in its DOS header");
  }
  std::uint32_t pe_magic = 0;
  if (!At(file, offset).ReadU32(pe_magic) || pe_magic != kPeMagic) {
    return Bad("it has no PE header");
  }
  return std::size_t{offset} + sizeof(pe_magic);
}

/// Reads what is in the optional header, which begins at `offset`.
bool ReadOptionalHeader(base::ByteSpan file, std::size_t offset, Headers& headers) {
  constexpr std::size_t kHeadersBytes = 60;
  constexpr std::size_t kChecksum = 64;
  std::uint16_t magic = 0;
  if (!At(file, offset).ReadU16(magic) || (magic != kPe32 && magic != kPe32Plus)) {
    return false;
  }
  const std::size_t count_at = offset + (magic == kPe32 ? 92 : 108);
  std::uint32_t directories = 0;
  headers.checksum = offset + kChecksum;
  const std::size_t directories_at = count_at + sizeof(directories);
  if (!At(file, offset + kHeadersBytes).ReadU32(headers.headers_bytes) ||
      !At(file, count_at).ReadU32(directories) || directories > kMaxDirectories) {
    return false;
  }
  if (directories > kSecurityDirectory) {
    headers.security_entry = directories_at + kSecurityDirectory * kDirectoryBytes;
    base::Reader entry = At(file, headers.security_entry);
    if (!entry.ReadU32(headers.table) || !entry.ReadU32(headers.table_bytes)) {
      return false;
    }
  }
  return directories <= kResourceDirectory ||
         At(file, directories_at + kResourceDirectory * kDirectoryBytes).ReadU32(headers.resources);
}

base::Result<Headers> ReadHeaders(base::ByteSpan file) {
  const auto pe = FindPeHeader(file);
  if (!pe) {
    return pe.failure();
  }
  Headers headers;
  base::Reader reader = At(file, *pe);
  std::uint16_t sections = 0;
  std::uint16_t optional_bytes = 0;
  std::uint32_t time = 0;
  std::uint32_t symbols = 0;
  std::uint32_t symbol_count = 0;
  if (!reader.ReadU16(headers.machine) || !reader.ReadU16(sections) || !reader.ReadU32(time) ||
      !reader.ReadU32(symbols) || !reader.ReadU32(symbol_count) ||
      !reader.ReadU16(optional_bytes)) {
    return Bad("it ends in its COFF header");
  }
  constexpr std::size_t kSymbolBytes = 18;
  headers.strings = symbols == 0 ? 0 : symbols + symbol_count * kSymbolBytes;
  const std::size_t optional = *pe + kFileHeaderBytes;
  if (!ReadOptionalHeader(file, optional, headers)) {
    return Bad(
        "its optional header is neither of PE32 nor of PE32+, has more than 16 directories, or "
        "ends too early");
  }
  headers.section_count = sections;
  headers.sections = optional + optional_bytes;
  const std::size_t fixed_end = std::max(
      headers.checksum + sizeof(std::uint32_t),
      headers.security_entry == 0 ? std::size_t{0} : headers.security_entry + kDirectoryBytes);
  if (headers.headers_bytes > file.size() || headers.headers_bytes < fixed_end ||
      headers.sections + sections * kSectionHeaderBytes > headers.headers_bytes) {
    return Bad("its headers do not have the size that they say");
  }
  return headers;
}

/// The characters up to a NUL, or all.
std::string_view TextIn(base::ByteSpan bytes) {
  const auto end = std::find(bytes.begin(), bytes.end(), std::uint8_t{0});
  // Characters and bytes are the same to a reader of names.
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  return {reinterpret_cast<const char*>(bytes.data()),
          static_cast<std::size_t>(end - bytes.begin())};
}

/// The name of a section, whose header has these eight bytes: "/4" is what begins at byte 4 of the
/// string table.
std::string_view NameOf(base::ByteSpan file, const Headers& headers, base::ByteSpan bytes) {
  constexpr std::size_t kLongest = 64;
  const std::string_view name = TextIn(bytes);
  std::uint32_t offset = 0;
  if (!name.starts_with('/') || headers.strings == 0 ||
      std::from_chars(name.data() + 1, name.data() + name.size(), offset).ec != std::errc()) {
    return name;
  }
  base::Reader reader = At(file, headers.strings + offset);
  const base::ByteSpan rest = reader.ReadRest();
  return TextIn(rest.first(std::min(rest.size(), kLongest)));
}

struct PlacedSection {
  std::uint32_t place = 0;
  std::uint32_t address = 0;  // when it is loaded
  Section section;
};

base::Result<std::vector<PlacedSection>> ReadSections(base::ByteSpan file, const Headers& headers) {
  std::vector<PlacedSection> sections;
  base::Reader reader = At(file, headers.sections);
  for (std::size_t i = 0; i < headers.section_count; ++i) {
    base::ByteSpan name;
    base::ByteSpan skipped;
    std::uint32_t bytes = 0;
    PlacedSection placed;
    constexpr std::size_t kNameBytes = 8;
    constexpr std::size_t kBehind = 16;  // relocations, line numbers, characteristics
    std::uint32_t size_in_memory = 0;
    if (!reader.ReadBytes(kNameBytes, name) || !reader.ReadU32(size_in_memory) ||
        !reader.ReadU32(placed.address) || !reader.ReadU32(bytes) ||
        !reader.ReadU32(placed.place) || !reader.ReadBytes(kBehind, skipped)) {
      return Bad("it ends in its table of sections");
    }
    base::Reader data = At(file, placed.place);
    if (bytes != 0 && !data.ReadBytes(bytes, placed.section.data)) {
      return Bad("a section lies outside of the file");
    }
    placed.section.name = NameOf(file, headers, name);
    sections.push_back(placed);
  }
  return sections;
}

/// The parts that the digest is of.
base::Result<std::vector<base::ByteSpan>> HashedParts(base::ByteSpan file, const Headers& headers,
                                                      std::vector<PlacedSection> sections) {
  const std::size_t behind_checksum = headers.checksum + sizeof(std::uint32_t);
  std::vector<base::ByteSpan> parts = {file.first(headers.checksum)};
  const base::ByteSpan head = file.first(headers.headers_bytes);
  if (headers.security_entry == 0) {
    parts.push_back(head.subspan(behind_checksum));
  } else {
    parts.push_back(head.subspan(behind_checksum, headers.security_entry - behind_checksum));
    parts.push_back(head.subspan(headers.security_entry + kDirectoryBytes));
  }
  std::stable_sort(
      sections.begin(), sections.end(),
      [](const PlacedSection& a, const PlacedSection& b) { return a.place < b.place; });
  std::uint64_t sum = headers.headers_bytes;
  for (const PlacedSection& placed : sections) {
    if (!placed.section.data.empty()) {
      parts.push_back(placed.section.data);
      sum += placed.section.data.size();
    }
  }
  if (sum > file.size()) {
    return Bad("its sections overlap");  // and many of them could be hashed for very long
  }
  // What is behind the sections, by the sum of their sizes and not by their places.
  const std::uint64_t end = sum + headers.table_bytes;
  if (file.size() < end) {
    return Bad("its certificates do not fit behind its sections");
  }
  parts.push_back(
      file.subspan(static_cast<std::size_t>(sum), static_cast<std::size_t>(file.size() - end)));
  return parts;
}

/// Whether the name at `offset` of the tree of resources is this one: a count of characters, and as
/// many in UTF-16.
bool IsNamed(base::ByteSpan tree, std::size_t offset, std::string_view name) {
  base::Reader reader = At(tree, offset);
  std::uint16_t count = 0;
  if (!reader.ReadU16(count) || count != name.size()) {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [&reader](char c) {
    std::uint16_t unit = 0;
    return reader.ReadU16(unit) && unit == static_cast<std::uint8_t>(c);
  });
}

constexpr std::uint32_t kHighBit = 0x80000000;

/// The offset to which the first entry of the folder at `offset` leads that `fits`, which is given
/// an entry's name or number; nothing when there is none. With the highest bit it is a folder's.
template <class Fits>
std::optional<std::uint32_t> FindEntry(base::ByteSpan tree, std::uint32_t offset,
                                       const Fits& fits) {
  constexpr std::size_t kInFront = 12;  // characteristics, time, version
  base::Reader reader = At(tree, offset);
  base::ByteSpan skipped;
  std::uint16_t names = 0;
  std::uint16_t numbers = 0;
  if (!reader.ReadBytes(kInFront, skipped) || !reader.ReadU16(names) || !reader.ReadU16(numbers)) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < std::size_t{names} + numbers; ++i) {
    std::uint32_t name = 0;
    std::uint32_t target = 0;
    if (!reader.ReadU32(name) || !reader.ReadU32(target)) {
      return std::nullopt;
    }
    if (fits(name)) {
      return target;
    }
  }
  return std::nullopt;
}

/// The entries of the certificate table, as far as they can be told apart.
void ReadCertificates(base::ByteSpan table, Image& image) {
  constexpr std::uint16_t kPkcs = 0x0002;
  constexpr std::uint16_t kUefiGuid = 0x0EF1;
  constexpr std::size_t kHeaderBytes = 8;
  constexpr std::size_t kAlignment = 8;
  std::size_t offset = 0;
  while (offset < table.size()) {
    const base::ByteSpan left = table.subspan(offset);
    base::Reader reader(left);
    std::uint32_t bytes = 0;
    std::uint16_t revision = 0;
    std::uint16_t type = 0;
    base::ByteSpan body;
    if (!reader.ReadU32(bytes) || !reader.ReadU16(revision) || !reader.ReadU16(type) ||
        bytes <= kHeaderBytes || !reader.ReadBytes(bytes - kHeaderBytes, body)) {
      break;
    }
    if (type == kPkcs) {
      image.signatures.push_back(body);
    } else if (type == kUefiGuid) {
      base::Reader typed(body);
      efi::Guid guid;
      if (!typed.ReadArray(guid.bytes) || typed.empty()) {
        break;
      }
      if (guid == efi::kCertTypePkcs7Guid) {
        image.signatures.push_back(typed.ReadRest());
      }
    }
    offset += bytes + (kAlignment - bytes % kAlignment) % kAlignment;
  }
  image.is_table_whole = offset == table.size();
}

}  // namespace

base::Result<Image> ParseImage(base::ByteSpan file) {
  const auto headers = ReadHeaders(file);
  if (!headers) {
    return headers.failure();
  }
  auto sections = ReadSections(file, *headers);
  if (!sections) {
    return sections.failure();
  }
  Image image;
  image.machine = headers->machine;
  for (const PlacedSection& placed : *sections) {
    image.sections.push_back(placed.section);
    // An address in front of the section gives a number that is too large.
    const std::uint32_t inside = headers->resources - placed.address;
    if (headers->resources >= placed.address && inside < placed.section.data.size() &&
        headers->resources != 0) {
      image.resources = placed.section.data.subspan(inside);
      image.resources_address = headers->resources;
    }
  }
  auto hashed = HashedParts(file, *headers, *std::move(sections));
  if (!hashed) {
    return hashed.failure();
  }
  image.hashed = *std::move(hashed);
  if (headers->table_bytes != 0) {
    base::ByteSpan table;
    base::Reader reader = At(file, headers->table);
    if (!reader.ReadBytes(headers->table_bytes, table)) {
      return Bad("its certificate table lies outside of the file");
    }
    image.is_signed = true;
    ReadCertificates(table, image);
  }
  return image;
}

base::Result<base::Bytes> DigestOf(const Image& image, crypto::DigestKind kind) {
  return crypto::Digest(kind, image.hashed);
}

std::optional<base::ByteSpan> FindResource(const Image& image, std::string_view name) {
  constexpr std::uint32_t kRawData = 10;  // RT_RCDATA
  const base::ByteSpan tree = image.resources;
  const auto folder_in = [tree](std::optional<std::uint32_t> folder,
                                const auto& fits) -> std::optional<std::uint32_t> {
    return folder && (*folder & kHighBit) != 0 ? FindEntry(tree, *folder & ~kHighBit, fits)
                                               : std::nullopt;
  };
  const auto type =
      folder_in(kHighBit, [](std::uint32_t one) { return one == kRawData; });  // the root
  const auto named = folder_in(type, [tree, name](std::uint32_t one) {
    return (one & kHighBit) != 0 && IsNamed(tree, one & ~kHighBit, name);
  });
  const auto entry = folder_in(named, [](std::uint32_t /*language*/) { return true; });
  if (!entry || (*entry & kHighBit) != 0) {
    return std::nullopt;
  }
  base::Reader reader = At(tree, *entry);
  std::uint32_t address = 0;
  std::uint32_t bytes = 0;
  if (!reader.ReadU32(address) || !reader.ReadU32(bytes) || address < image.resources_address) {
    return std::nullopt;
  }
  base::Reader data = At(tree, address - image.resources_address);
  base::ByteSpan content;
  return data.ReadBytes(bytes, content) ? std::optional(content) : std::nullopt;
}

std::optional<base::ByteSpan> FindSection(const Image& image, std::string_view name) {
  const auto found = std::find_if(image.sections.begin(), image.sections.end(),
                                  [name](const Section& section) { return section.name == name; });
  return found == image.sections.end() ? std::nullopt : std::optional(found->data);
}

}  // namespace varstored::boot
