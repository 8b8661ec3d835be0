#include "varstored/store/vars_blob.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"

namespace varstored::store {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic = {'V', 'A', 'R', 'S'};
constexpr std::uint32_t kOldestVersion = 1;
constexpr std::uint32_t kNewestVersion = 2;
constexpr std::size_t kHeaderBytes = 24;
/// One record without its name and its data.
constexpr std::size_t kRecordBytes = 84;
/// What stands in front of the records in version 2, which is the one that is written.
constexpr std::size_t kFrontBytes = 292;

/// What the engine makes anew at every start, so that it is counted as there already.
constexpr std::array kOwnVariables = {
    efi::kSetupMode, efi::kAuditMode,        efi::kDeployedMode, efi::kSecureBoot, efi::kMorControl,
    efi::kMorLock,   efi::kSignatureSupport, efi::kPpiFlagsLock, efi::kPpiBuffer,
};

bool IsOwn(const Key& key) {
  return std::any_of(kOwnVariables.begin(), kOwnVariables.end(),
                     [&key](const auto& own) { return own.Is(key.name, key.vendor); });
}

base::Failure<base::Error> Malformed(std::size_t offset, const std::string& reason) {
  return base::Fail("VARS blob, offset " + std::to_string(offset) + ": " + reason);
}

std::string Text(std::uint64_t number) { return std::to_string(number); }

/// A length field and as many bytes, of a name or of data.
base::Result<base::ByteSpan> ReadSized(base::Reader& reader, const std::string& what,
                                       std::uint64_t max_bytes) {
  const std::size_t at = reader.offset();
  std::uint64_t size = 0;
  if (!reader.ReadU64(size)) {
    return Malformed(at, "the blob ends before the length of " + what);
  }
  if (size == 0) {
    return Malformed(at, what + " has length 0");
  }
  if (size > max_bytes) {
    return Malformed(at, what + " has " + Text(size) + " bytes, the limit is " + Text(max_bytes));
  }
  base::ByteSpan bytes;
  if (!reader.ReadBytes(size, bytes)) {
    return Malformed(at, what + " has " + Text(size) + " bytes, but only " +
                             Text(reader.remaining()) + " are left");
  }
  return bytes;
}

base::Result<LegacyRecord> ReadRecord(base::Reader& reader, std::uint64_t number) {
  const std::string variable = "variable " + Text(number);
  const auto name = ReadSized(reader, "the name of " + variable, efi::kMaxNameBytes);
  if (!name) {
    return name.failure();
  }
  const auto data = ReadSized(reader, "the data of " + variable, kMaxBlobBytes);
  if (!data) {
    return data.failure();
  }
  LegacyRecord record;
  record.name = base::ToString(*name);
  record.data = base::ToBytes(*data);
  if (!reader.ReadArray(record.vendor.bytes) || !reader.ReadU32(record.attributes) ||
      !efi::ReadTime(reader, record.timestamp) || !reader.ReadArray(record.signer)) {
    return Malformed(reader.offset(), "the blob ends inside of " + variable);
  }
  return record;
}

}  // namespace

base::Result<void> LoadLimits::Add(const Key& key, std::size_t data_bytes) {
  const std::size_t bytes = kRecordBytes + key.name.size() + data_bytes;
  const auto with_it = [bytes](const Sum& sum) -> Sum {
    return {sum.variables + 1, sum.bytes + bytes};
  };
  const auto check = [](const Sum& sum, std::size_t max_variables, std::size_t max_bytes,
                        const std::string& of_what) -> base::Result<void> {
    if (sum.variables > max_variables) {
      return base::Fail("more than " + Text(max_variables) + " variables" + of_what);
    }
    if (sum.bytes > max_bytes) {
      return base::Fail("more than " + Text(max_bytes) + " bytes of variables" + of_what);
    }
    return {};
  };
  const Sum all = with_it(all_);
  const Sum others = IsOwn(key) ? others_ : with_it(others_);
  auto checked = check(others, kMaxVariables, kMaxLoadedBytes, " besides the daemon's own");
  if (checked) {
    checked = check(all, kMaxEntries, kMaxBlobBytes - kFrontBytes, "");
  }
  if (checked) {
    all_ = all;
    others_ = others;
  }
  return checked;
}

base::Result<VarsBlob> DecodeVarsBlob(base::ByteSpan bytes) {
  if (bytes.size() > kMaxBlobBytes) {
    return Malformed(0, Text(bytes.size()) + " bytes, the limit is " + Text(kMaxBlobBytes));
  }
  base::Reader reader(bytes);
  std::array<std::uint8_t, 4> magic{};
  if (!reader.ReadArray(magic) || magic != kMagic) {
    return Malformed(0, "it does not begin with VARS");
  }
  VarsBlob blob;
  std::uint64_t count = 0;
  std::uint64_t data_bytes = 0;
  if (!reader.ReadU32(blob.version) || !reader.ReadU64(count) || !reader.ReadU64(data_bytes)) {
    return Malformed(reader.offset(), "the blob ends inside of its header");
  }
  if (blob.version < kOldestVersion || blob.version > kNewestVersion) {
    return Malformed(4,
                     "version " + Text(blob.version) + " is not known; this program reads 1 and 2");
  }
  if (count > kMaxEntries) {
    return Malformed(8, Text(count) + " variables, the limit is " + Text(kMaxEntries));
  }
  if (blob.version >= 2 &&
      (!reader.ReadArray(blob.ancillary.mor_key) || !reader.ReadU32(blob.ancillary.ppi_index) ||
       !reader.ReadArray(blob.ancillary.ppi_volatile))) {
    return Malformed(reader.offset(), "the blob ends inside of the MOR and PPI part");
  }
  if (data_bytes != reader.remaining()) {
    return Malformed(16, "the header says " + Text(data_bytes) + " bytes of variables, there are " +
                             Text(reader.remaining()));
  }
  std::map<std::pair<std::string, efi::Guid>, std::size_t> seen;
  blob.entries.reserve(
      std::min(static_cast<std::size_t>(count), reader.remaining() / kRecordBytes));
  LoadLimits limits;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::size_t at = reader.offset();
    auto record = ReadRecord(reader, i);
    if (!record) {
      return record.failure();
    }
    if (const auto fits = limits.Add({record->name, record->vendor}, record->data.size()); !fits) {
      return Malformed(at, fits.error().message);
    }
    const auto [place, is_new] =
        seen.try_emplace({record->name, record->vendor}, blob.entries.size());
    Entry entry = MakeEntry(*std::move(record));
    if (is_new) {
      blob.entries.push_back(std::move(entry));
    } else {
      blob.replaced.push_back(std::exchange(blob.entries[place->second], std::move(entry)));
    }
  }
  if (!reader.empty()) {
    return Malformed(reader.offset(),
                     Text(reader.remaining()) + " bytes are left behind the last variable");
  }
  return blob;
}

base::Bytes EncodeVarsBlob(const Ancillary& ancillary, const std::vector<const Entry*>& entries) {
  std::size_t data_bytes = 0;
  for (const Entry* entry : entries) {
    data_bytes += kRecordBytes + entry->name().size() + entry->data().size();
  }
  const std::size_t ancillary_bytes = ancillary.mor_key.size() + 4 + ancillary.ppi_volatile.size();
  base::Writer writer(kHeaderBytes + ancillary_bytes + data_bytes);
  writer.WriteBytes(kMagic);
  writer.WriteU32(kNewestVersion);
  writer.WriteU64(entries.size());
  writer.WriteU64(data_bytes);
  writer.WriteBytes(ancillary.mor_key);
  writer.WriteU32(ancillary.ppi_index);
  writer.WriteBytes(ancillary.ppi_volatile);
  for (const Entry* entry : entries) {
    writer.WriteU64(entry->name().size());
    writer.WriteBytes(base::ToBytes(entry->name()));
    writer.WriteU64(entry->data().size());
    writer.WriteBytes(entry->data());
    writer.WriteBytes(entry->vendor().bytes);
    writer.WriteU32(entry->raw_attributes());
    efi::WriteTime(writer, entry->timestamp());
    writer.WriteBytes(entry->signer());
  }
  return writer.Take();
}

}  // namespace varstored::store
