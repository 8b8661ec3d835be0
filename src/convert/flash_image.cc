#include "varstored/convert/flash_image.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/time.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"

// The layouts are those of the Platform Initialization specification 1.8, volume 3, 3.2 (firmware
// volume) and of EDK II's headers Guid/VariableFormat.h, Guid/FaultTolerantWrite.h and
// Guid/SystemNvDataGuid.h.

namespace varstored::convert {
namespace {

/// gEfiSystemNvDataFvGuid: a firmware volume that holds variables.
constexpr efi::Guid kNvDataGuid = *efi::ParseGuid("fff12b8d-7696-4c8b-a985-2747075b4f50");
constexpr efi::Guid kAuthenticatedStoreGuid =
    *efi::ParseGuid("aaf32c78-947b-439a-a180-2e144ec37792");
constexpr efi::Guid kPlainStoreGuid = *efi::ParseGuid("ddcf3616-3275-4164-98b6-fe85707ffe7d");
/// gEdkiiWorkingBlockSignatureGuid: the log of fault tolerant writes.
constexpr efi::Guid kWorkingBlockGuid = *efi::ParseGuid("9e58292b-7c68-497d-a0ce-6500fd9f1b95");

/// Where EDK II keeps the digests of signers.
constexpr efi::WellKnownVariable kCertDb = {
    {"c\0e\0r\0t\0d\0b\0", 12}, *efi::ParseGuid("d9bee56e-75dc-49d9-b4d7-b534210f637a")};
constexpr std::uint32_t kCertDbAttributes = efi::kNonVolatile | efi::kBootServiceAccess |
                                            efi::kRuntimeAccess |
                                            efi::kTimeBasedAuthenticatedWriteAccess;

constexpr std::uint32_t kErasePolarity = 0x800;  // EFI_FVB2_ERASE_POLARITY: erased bits are 1
constexpr std::uint8_t kErased = 0xFF;

constexpr std::size_t kStoreHeaderBytes = 28;
constexpr std::uint8_t kStoreFormatted = 0x5A;
constexpr std::uint8_t kStoreHealthy = 0xFE;

constexpr std::uint16_t kRecordStart = 0x55AA;
constexpr std::size_t kRecordAlignment = 4;
constexpr std::size_t kStateOffset = 2;
// Bits of a record's state go from 1 to 0, one after the other.
constexpr std::uint8_t kAdded = 0x3F;
constexpr std::uint8_t kAddedInTransition = 0x3E;  // a newer one was about to be written

constexpr std::size_t kBlockAlignment = 4096;
constexpr std::size_t kWorkingBlockHeaderBytes = 32;
constexpr std::size_t kWriteHeaderBytes = 40;
constexpr std::size_t kWriteRecordBytes = 40;

base::Failure<base::Error> Malformed(std::size_t offset, const std::string& reason) {
  return base::Fail("flash image, offset " + std::to_string(offset) + ": " + reason);
}

constexpr std::size_t Aligned(std::size_t offset, std::size_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

/// Where things are in an image.
struct Layout {
  std::size_t volume_end = 0;
  std::size_t records_begin = 0;
  std::size_t store_end = 0;
  bool authenticated = false;

  [[nodiscard]] std::size_t record_header_bytes() const { return authenticated ? 60 : 32; }
};

bool ReadGuid(base::Reader& reader, efi::Guid& guid) { return reader.ReadArray(guid.bytes); }

struct VolumeHeader {
  efi::Guid file_system;
  std::uint64_t volume_bytes = 0;
  std::array<std::uint8_t, 4> signature{};
  std::uint32_t attributes = 0;
  std::uint16_t header_bytes = 0;
};

bool ReadVolumeHeader(base::ByteSpan image, VolumeHeader& header) {
  base::Reader reader(image);
  base::ByteSpan zero_vector;
  return reader.ReadBytes(16, zero_vector) && ReadGuid(reader, header.file_system) &&
         reader.ReadU64(header.volume_bytes) && reader.ReadArray(header.signature) &&
         reader.ReadU32(header.attributes) && reader.ReadU16(header.header_bytes);
}

/// The sum of the header's 16-bit words, which is 0 in a whole one.
std::uint16_t ChecksumOf(base::ByteSpan header) {
  base::Reader reader(header);
  std::uint16_t sum = 0;
  std::uint16_t word = 0;
  while (reader.ReadU16(word)) {
    sum = static_cast<std::uint16_t>(sum + word);
  }
  return sum;
}

base::Result<Layout> ReadLayout(base::ByteSpan image) {
  if (!IsFlashImage(image)) {
    return Malformed(0, "no firmware volume of variables begins here");
  }
  VolumeHeader volume;
  if (!ReadVolumeHeader(image, volume)) {
    return Malformed(image.size(), "the image ends inside of the volume's header");
  }
  if (volume.volume_bytes > image.size()) {
    return Malformed(32, "the volume has " + std::to_string(volume.volume_bytes) +
                             " bytes, the image " + std::to_string(image.size()));
  }
  if ((volume.attributes & kErasePolarity) == 0) {
    return Malformed(44, "erased bytes are 0 in this volume, and only volumes with 0xFF are known");
  }
  Layout layout;
  layout.volume_end = static_cast<std::size_t>(volume.volume_bytes);
  const std::size_t store = volume.header_bytes;
  if (store % kRecordAlignment != 0 || store > layout.volume_end) {
    return Malformed(48, "the volume's header cannot have " + std::to_string(store) + " bytes");
  }
  if (ChecksumOf(image.first(store)) != 0) {
    return Malformed(50, "the checksum of the volume's header is wrong");
  }
  base::Reader reader(image.first(layout.volume_end).subspan(store));
  efi::Guid signature;
  std::uint32_t store_bytes = 0;
  std::uint8_t format = 0;
  std::uint8_t state = 0;
  base::ByteSpan reserved;
  if (!ReadGuid(reader, signature) || !reader.ReadU32(store_bytes) || !reader.ReadU8(format) ||
      !reader.ReadU8(state) || !reader.ReadBytes(6, reserved)) {
    return Malformed(store, "the volume ends inside of the variable store's header");
  }
  layout.authenticated = signature == kAuthenticatedStoreGuid;
  if (!layout.authenticated && signature != kPlainStoreGuid) {
    return Malformed(store, "no variable store begins here");
  }
  if (store_bytes < kStoreHeaderBytes || store_bytes > layout.volume_end - store) {
    return Malformed(store + 16,
                     "the variable store cannot have " + std::to_string(store_bytes) + " bytes");
  }
  if (format != kStoreFormatted || state != kStoreHealthy) {
    return Malformed(store + 20, "the variable store is not formatted, or not healthy");
  }
  layout.records_begin = store + kStoreHeaderBytes;
  layout.store_end = store + store_bytes;
  return layout;
}

/// Whether the writes at the reader's position, of the log's entry with this header, wait to be
/// repeated: whole in the spare area, and not at their place.
bool HasWaitingWrites(base::Reader& reader, std::uint8_t header_flags, std::uint64_t writes,
                      std::uint64_t private_bytes) {
  constexpr std::uint8_t kComplete = 0x04;
  constexpr std::uint8_t kSpareComplete = 0x02;
  constexpr std::uint8_t kDestinationComplete = 0x04;
  bool waiting = false;
  for (std::uint64_t i = 0; i < writes; ++i) {
    base::ByteSpan record;
    base::ByteSpan private_data;
    if (!reader.ReadBytes(kWriteRecordBytes, record) ||
        !reader.ReadBytes(private_bytes, private_data)) {
      break;
    }
    // A flag is set when its bit is 0.
    waiting =
        waiting || ((record[0] & kSpareComplete) == 0 && (record[0] & kDestinationComplete) != 0);
  }
  return waiting && (header_flags & kComplete) != 0;
}

/// Fails when the firmware was interrupted while it rewrote the variables: at its next start it
/// copies the spare area over them.
base::Result<void> CheckNoWriteIsWaiting(base::ByteSpan image, const Layout& layout) {
  constexpr std::uint8_t kHeaderAllocated = 0x01;
  for (std::size_t block = Aligned(layout.store_end, kBlockAlignment);
       block + kWorkingBlockHeaderBytes <= layout.volume_end; block += kBlockAlignment) {
    base::Reader reader(image.first(layout.volume_end).subspan(block));
    efi::Guid signature;
    base::ByteSpan rest_of_header;
    if (!ReadGuid(reader, signature) || signature != kWorkingBlockGuid ||
        !reader.ReadBytes(kWorkingBlockHeaderBytes - 16, rest_of_header)) {
      continue;
    }
    while (reader.remaining() >= kWriteHeaderBytes) {
      const std::size_t at = block + reader.offset();
      std::uint8_t flags = 0;
      base::ByteSpan caller;
      std::uint64_t writes = 0;
      std::uint64_t private_bytes = 0;
      if (!reader.ReadU8(flags) || !reader.ReadBytes(23, caller) || !reader.ReadU64(writes) ||
          !reader.ReadU64(private_bytes) || (flags & kHeaderAllocated) != 0) {
        break;
      }
      if (HasWaitingWrites(reader, flags, writes, private_bytes)) {
        return Malformed(at,
                         "the firmware was interrupted while it wrote; let it start once with this "
                         "image, and shut it down");
      }
    }
    break;
  }
  return {};
}

/// A record of the store, of which there may be several with one name.
struct Record {
  std::size_t offset = 0;
  std::size_t size_bytes = 0;  // without what aligns the next one
  std::uint8_t state = 0;
  std::uint64_t monotonic_count = 0;
  std::uint32_t public_key_index = 0;
  store::LegacyRecord variable;
};

/// The fields of a record's header between its state and its GUID.
struct RecordSizes {
  std::uint32_t name_bytes = 0;
  std::uint32_t data_bytes = 0;
};

bool ReadRecordHeader(base::Reader& reader, const Layout& layout, Record& record,
                      RecordSizes& sizes) {
  std::uint16_t start = 0;
  std::uint8_t reserved = 0;
  if (!reader.ReadU16(start) || start != kRecordStart || !reader.ReadU8(record.state) ||
      !reader.ReadU8(reserved) || !reader.ReadU32(record.variable.attributes)) {
    return false;
  }
  if (layout.authenticated && (!reader.ReadU64(record.monotonic_count) ||
                               !efi::ReadTime(reader, record.variable.timestamp) ||
                               !reader.ReadU32(record.public_key_index))) {
    return false;
  }
  return reader.ReadU32(sizes.name_bytes) && reader.ReadU32(sizes.data_bytes) &&
         ReadGuid(reader, record.variable.vendor);
}

/// The name without its terminator. A name without one is as long as it is.
std::string NameOf(base::ByteSpan name) {
  const bool terminated =
      name.size() >= 2 && name[name.size() - 1] == 0 && name[name.size() - 2] == 0;
  return base::ToString(name.first(name.size() - (terminated ? 2 : 0)));
}

/// All records whose write was finished, deleted ones too, up to the first place where none begins.
base::Result<std::vector<Record>> ReadRecords(base::ByteSpan image, const Layout& layout) {
  std::vector<Record> records;
  std::size_t offset = layout.records_begin;
  while (offset < layout.store_end) {
    base::Reader reader(image.first(layout.store_end).subspan(offset));
    Record record;
    RecordSizes sizes;
    if (!ReadRecordHeader(reader, layout, record, sizes)) {
      break;
    }
    if (record.state == kErased) {
      // Not even its header was finished, so that its sizes are not to be believed.
      sizes = {};
    }
    base::ByteSpan name;
    base::ByteSpan data;
    if (!reader.ReadBytes(sizes.name_bytes, name) || !reader.ReadBytes(sizes.data_bytes, data)) {
      return Malformed(offset, "a variable of " + std::to_string(sizes.name_bytes) + " and " +
                                   std::to_string(sizes.data_bytes) +
                                   " bytes goes past the end of the store");
    }
    record.offset = offset;
    record.size_bytes = reader.offset();
    if (record.state == kAdded || record.state == kAddedInTransition) {
      if (records.size() == kMaxRecords) {
        return Malformed(offset, TooManyRecords().error.message);
      }
      record.variable.name = NameOf(name);
      record.variable.data = base::ToBytes(data);
      records.push_back(std::move(record));
    }
    offset = Aligned(offset + reader.offset(), kRecordAlignment);
  }
  return records;
}

using Name = std::pair<std::string, efi::Guid>;

Name NameOf(const Record& record) { return {record.variable.name, record.variable.vendor}; }
Name NameOf(const store::Entry& entry) { return {std::string(entry.name()), entry.vendor()}; }

/// Drops the older of two records of one name: the one that a newer one was about to replace.
void DropReplaced(std::vector<Record>& records) {
  std::map<Name, bool> added;
  for (const Record& record : records) {
    added[NameOf(record)] |= record.state == kAdded;
  }
  std::erase_if(records, [&added](const Record& record) {
    return record.state == kAddedInTransition && added[NameOf(record)];
  });
}

using Signers = std::map<Name, store::SignerDigest>;

/// One entry of certdb; false when none begins at the reader's position.
bool ReadSigner(base::Reader& reader, Name& name, base::ByteSpan& digest) {
  constexpr std::uint32_t kFixedBytes = 28;
  std::uint32_t node_bytes = 0;
  std::uint32_t name_characters = 0;
  std::uint32_t digest_bytes = 0;
  base::ByteSpan name_bytes;
  if (!ReadGuid(reader, name.second) || !reader.ReadU32(node_bytes) ||
      !reader.ReadU32(name_characters) || !reader.ReadU32(digest_bytes) ||
      !reader.ReadBytes(std::uint64_t{2} * name_characters, name_bytes) ||
      !reader.ReadBytes(digest_bytes, digest)) {
    return false;
  }
  name.first = base::ToString(name_bytes);
  return node_bytes == kFixedBytes + std::uint64_t{2} * name_characters + digest_bytes;
}

/// What certdb says. It is a whole, with its size in front.
Signers ReadSigners(base::ByteSpan certdb, Losses& lost) {
  Signers signers;
  base::Reader reader(certdb);
  std::uint32_t size = 0;
  if (!reader.ReadU32(size) || size != certdb.size()) {
    lost.push_back(Describe(kCertDb.name, kCertDb.vendor) +
                   ": malformed, so that no private variable has a signer");
    return signers;
  }
  while (!reader.empty()) {
    Name name;
    base::ByteSpan bytes;
    if (signers.size() + lost.size() == kMaxRecords || !ReadSigner(reader, name, bytes)) {
      lost.push_back(Describe(kCertDb.name, kCertDb.vendor) + ": malformed after " +
                     std::to_string(signers.size()) + " signers");
      break;
    }
    base::Reader digest(bytes);
    store::SignerDigest signer{};
    if (!digest.ReadArray(signer) || !digest.empty()) {
      lost.push_back(Describe(name.first, name.second) +
                     ": its signer, whom the firmware noted in a form that is no SHA-256");
      continue;
    }
    signers.insert_or_assign(std::move(name), signer);
  }
  return signers;
}

bool IsCertDb(const Record& record) {
  return kCertDb.Is(record.variable.name, record.variable.vendor);
}

/// What an image holds: its variables, and the records that they are made of.
struct Image {
  Layout layout;
  std::vector<Record> records;  // certdb too
  Content content;
};

base::Result<Image> ReadImage(base::ByteSpan bytes) {
  Image image;
  auto layout = ReadLayout(bytes);
  if (!layout) {
    return layout.failure();
  }
  image.layout = *layout;
  if (auto idle = CheckNoWriteIsWaiting(bytes, *layout); !idle) {
    return idle.failure();
  }
  auto records = ReadRecords(bytes, *layout);
  if (!records) {
    return records.failure();
  }
  DropReplaced(*records);
  image.records = *std::move(records);

  ContentBuilder builder;
  Signers signers;
  for (const Record& record : image.records) {
    if (IsCertDb(record)) {
      Losses lost;
      signers = ReadSigners(record.variable.data, lost);
      std::for_each(lost.begin(), lost.end(), [&builder](auto& what) { builder.Lose(what); });
    }
  }
  for (const Record& record : image.records) {
    if (IsCertDb(record)) {
      continue;
    }
    store::LegacyRecord variable = record.variable;
    if (const auto signer = signers.find(NameOf(record)); signer != signers.end()) {
      variable.signer = signer->second;
      signers.erase(signer);
    }
    if (record.monotonic_count != 0 || record.public_key_index != 0) {
      builder.Lose(
          Describe(variable.name, variable.vendor) +
          ": the count and the key number of authentication by count, which is deprecated");
    }
    builder.Add(std::move(variable));
  }
  for (const auto& [name, signer] : signers) {
    builder.Lose(Describe(name.first, name.second) +
                 ": its signer, since there is no such variable");
  }
  auto content = builder.Take();
  if (!content) {
    return Malformed(image.layout.records_begin, content.error().message);
  }
  image.content = *std::move(content);
  return image;
}

/// The data of certdb for these entries.
base::Bytes CertDbOf(const std::vector<const store::Entry*>& entries) {
  constexpr std::size_t kFixedBytes = 28;
  base::Writer nodes;
  for (const store::Entry* entry : entries) {
    if (entry->signer() == store::SignerDigest{}) {
      continue;
    }
    const std::size_t size = kFixedBytes + entry->name().size() + entry->signer().size();
    nodes.WriteBytes(entry->vendor().bytes);
    nodes.WriteU32(static_cast<std::uint32_t>(size));
    nodes.WriteU32(static_cast<std::uint32_t>(entry->name().size() / 2));
    nodes.WriteU32(static_cast<std::uint32_t>(entry->signer().size()));
    nodes.WriteBytes(base::ToBytes(entry->name()));
    nodes.WriteBytes(entry->signer());
  }
  base::Writer certdb(nodes.size() + 4);
  certdb.WriteU32(static_cast<std::uint32_t>(nodes.size() + 4));
  certdb.WriteBytes(nodes.Take());
  return certdb.Take();
}

/// Appends records, each where the alignment wants it.
class StoreWriter {
 public:
  explicit StoreWriter(const Layout& layout) : layout_(layout) {}

  void AddRecord(base::ByteSpan record) {
    Align();
    // Whatever it was in the template, it is the only one of its name now.
    writer_.WriteBytes(record.first(kStateOffset));
    writer_.WriteU8(kAdded);
    writer_.WriteBytes(record.subspan(kStateOffset + 1));
  }

  void AddVariable(const store::LegacyRecord& variable) {
    base::Writer record(layout_.record_header_bytes() + variable.name.size() + 2 +
                        variable.data.size());
    record.WriteU16(kRecordStart);
    record.WriteU8(kAdded);
    record.WriteU8(0);
    record.WriteU32(variable.attributes);
    if (layout_.authenticated) {
      record.WriteU64(0);
      efi::WriteTime(record, variable.timestamp);
      record.WriteU32(0);
    }
    record.WriteU32(static_cast<std::uint32_t>(variable.name.size() + 2));
    record.WriteU32(static_cast<std::uint32_t>(variable.data.size()));
    record.WriteBytes(variable.vendor.bytes);
    record.WriteBytes(base::ToBytes(variable.name));
    record.WriteU16(0);
    record.WriteBytes(variable.data);
    AddRecord(record.Take());
  }

  [[nodiscard]] base::Bytes Take() {
    Align();
    return writer_.Take();
  }

 private:
  void Align() {
    while ((layout_.records_begin + writer_.size()) % kRecordAlignment != 0) {
      writer_.WriteU8(kErased);
    }
  }

  const Layout& layout_;
  base::Writer writer_;
};

store::LegacyRecord RecordOf(const store::Entry& entry) {
  return {std::string(entry.name()), entry.vendor(), entry.raw_attributes(), entry.data(),
          entry.timestamp(),         entry.signer()};
}

/// The entries that a store of this kind takes.
std::vector<const store::Entry*> WritableEntries(const Content& content, const Layout& layout,
                                                 Losses& lost) {
  std::vector<const store::Entry*> writable = KeptEntries(content, lost);
  std::erase_if(writable, [&layout, &lost](const store::Entry* entry) {
    if (kCertDb.Is(entry->name(), entry->vendor())) {
      lost.push_back(Describe(*entry) + ": the firmware's list of signers, which is made anew");
      return true;
    }
    if (!efi::VariableName::FromBytes(base::ToBytes(entry->name()))) {
      lost.push_back(Describe(*entry) +
                     ": its name has an odd length or a NUL inside, and firmware "
                     "would not find it");
      return true;
    }
    if (!layout.authenticated &&
        (entry->timestamp() != efi::Time{} || entry->signer() != store::SignerDigest{})) {
      lost.push_back(Describe(*entry) +
                     ": its time and its signer, since the template's variable "
                     "store is not an authenticated one");
    }
    return false;
  });
  return writable;
}

/// What an entry looks like when it is read back from a store of this kind.
store::LegacyRecord StoredForm(const store::Entry& entry, const Layout& layout) {
  store::LegacyRecord record = RecordOf(entry);
  if (!layout.authenticated) {
    record.timestamp = {};
    record.signer = {};
  }
  return record;
}

}  // namespace

bool IsFlashImage(base::ByteSpan bytes) {
  VolumeHeader header;
  constexpr std::array<std::uint8_t, 4> kSignature = {'_', 'F', 'V', 'H'};
  return ReadVolumeHeader(bytes, header) && header.signature == kSignature &&
         header.file_system == kNvDataGuid;
}

bool IsBlankImage(base::ByteSpan bytes) {
  return bytes.size() >= kBlockAlignment && (bytes[0] == 0 || bytes[0] == kErased) &&
         std::all_of(bytes.begin(), bytes.end(),
                     [first = bytes[0]](std::uint8_t byte) { return byte == first; });
}

base::Result<Content> ReadFlashImage(base::ByteSpan image) {
  auto read = ReadImage(image);
  if (!read) {
    return read.failure();
  }
  return std::move(read->content);
}

base::Result<Written> WriteFlashImage(const Content& content, base::ByteSpan flash_template) {
  const auto old = ReadImage(flash_template);
  if (!old) {
    return base::Fail("the template: " + old.error().message);
  }
  const Layout& layout = old->layout;
  Written written;
  const auto entries = WritableEntries(content, layout, written.lost);
  std::map<Name, store::LegacyRecord> wanted;
  for (const store::Entry* entry : entries) {
    wanted.emplace(NameOf(*entry), StoredForm(*entry, layout));
  }
  const auto is_wanted = [&wanted](const store::Entry& entry) {
    const auto found = wanted.find(NameOf(entry));
    return found != wanted.end() && found->second == RecordOf(entry);
  };
  const auto& had = old->content.entries;
  if (had.size() == wanted.size() && std::all_of(had.begin(), had.end(), is_wanted)) {
    written.bytes = base::ToBytes(flash_template);
    return written;
  }

  StoreWriter store(layout);
  const auto keep = [&store, flash_template](const Record& record) {
    store.AddRecord(flash_template.subspan(record.offset, record.size_bytes));
  };
  if (layout.authenticated) {
    store::LegacyRecord certdb{std::string(kCertDb.name), kCertDb.vendor, kCertDbAttributes,
                               CertDbOf(entries)};
    const auto same =
        std::find_if(old->records.begin(), old->records.end(), [&certdb](const Record& record) {
          return IsCertDb(record) && record.variable.data == certdb.data;
        });
    if (same != old->records.end()) {
      keep(*same);
    } else {
      store.AddVariable(certdb);
    }
  }
  for (const Record& record : old->records) {
    const auto found = wanted.find(NameOf(record));
    if (found == wanted.end() || IsCertDb(record)) {
      continue;
    }
    // The signer of a variable is not in its record.
    store::LegacyRecord stored = record.variable;
    stored.signer = found->second.signer;
    if (stored == found->second) {
      keep(record);
      wanted.erase(found);
    }
  }
  for (const store::Entry* entry : entries) {
    if (const auto left = wanted.find(NameOf(*entry)); left != wanted.end()) {
      store.AddVariable(left->second);
    }
  }

  const base::Bytes records = store.Take();
  const std::size_t room = layout.store_end - layout.records_begin;
  if (records.size() > room) {
    return base::Fail("the variables take " + std::to_string(records.size()) +
                      " bytes, the template's variable store has " + std::to_string(room));
  }
  base::Writer image(flash_template.size());
  image.WriteBytes(flash_template.first(layout.records_begin));
  image.WriteBytes(records);
  image.WriteBytes(base::Bytes(room - records.size(), kErased));
  image.WriteBytes(flash_template.subspan(layout.store_end));
  written.bytes = image.Take();
  return written;
}

}  // namespace varstored::convert
