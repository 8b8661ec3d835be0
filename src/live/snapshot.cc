#include "varstored/live/snapshot.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "varstored/base/reader.h"
#include "varstored/base/writer.h"

namespace varstored::live {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic = {'L', 'I', 'V', 'E'};
constexpr std::uint32_t kVersionWithoutFound = 1;
constexpr std::uint32_t kVersion = 2;
/// More than all numbers and texts of a daemon take.
constexpr std::size_t kUsualCountsBytes = 4096;

base::Failure<base::Error> Malformed(const base::Reader& reader, const std::string& reason) {
  return base::Fail("snapshot, offset " + std::to_string(reader.offset()) + ": " + reason);
}

void WriteText(base::Writer& writer, std::string_view text) {
  writer.WriteU8(static_cast<std::uint8_t>(text.size()));
  writer.WriteBytes(base::ToBytes(text));
}

bool ReadText(base::Reader& reader, std::string& text) {
  std::uint8_t size = 0;
  base::ByteSpan bytes;
  if (!reader.ReadU8(size) || size > kMaxTextBytes || !reader.ReadBytes(size, bytes) ||
      !std::ranges::all_of(bytes, [](std::uint8_t c) { return c >= ' ' && c <= '~'; })) {
    return false;
  }
  text = base::ToString(bytes);
  return true;
}

bool ReadRow(base::Reader& reader, AnswerCount& row) {
  return ReadText(reader, row.call) && ReadText(reader, row.reason) &&
         ReadText(reader, row.status) && reader.ReadU64(row.count);
}

bool ReadName(base::Reader& reader, std::string& name) {
  std::uint8_t size = 0;
  base::ByteSpan bytes;
  if (!reader.ReadU8(size) || size > kMaxNameBytes || !reader.ReadBytes(size, bytes)) {
    return false;
  }
  name = base::ToString(bytes);
  return true;
}

bool ReadLastError(base::Reader& reader, LastError& error) {
  return ReadText(reader, error.call) && ReadText(reader, error.reason) &&
         ReadText(reader, error.status) && reader.ReadU64(error.age_us) &&
         reader.ReadArray(error.vendor.bytes) && ReadName(reader, error.name);
}

bool ReadFound(base::Reader& reader, Found& found) {
  std::uint8_t secure_boot = 0;
  const bool is_read = reader.ReadU8(secure_boot) && secure_boot <= 1 && reader.ReadU32(found.pk) &&
                       reader.ReadU32(found.kek) && reader.ReadU32(found.db) &&
                       reader.ReadU32(found.dbx) && ReadText(reader, found.drift) &&
                       reader.ReadU64(found.waits_us);
  found.is_secure_boot_on = secure_boot == 1;
  return is_read;
}

}  // namespace

std::string ToText(const SocketName& name) {
  return std::to_string(name.domain) + (name.uuid ? "." + efi::ToText(*name.uuid) : "");
}

std::optional<SocketName> ParseSocketName(std::string_view text) {
  SocketName name;
  const std::string_view number = text.substr(0, text.find('.'));
  const char* end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, name.domain);
  if (error != std::errc() || stop != end) {
    return std::nullopt;
  }
  if (number.size() < text.size()) {
    name.uuid = efi::ParseGuid(text.substr(number.size() + 1));
  }
  return ToText(name) == text ? std::optional(name) : std::nullopt;
}

base::Bytes EncodeSnapshot(const Counts& counts, base::ByteSpan blob) {
  base::Writer writer(kUsualCountsBytes + blob.size());
  writer.WriteBytes(kMagic);
  writer.WriteU32(counts.found ? kVersion : kVersionWithoutFound);
  WriteText(writer, counts.version);
  WriteText(writer, counts.backend);
  for (const std::uint64_t number :
       {counts.uptime_us, counts.unmapped, counts.ignored_accesses, counts.backend_calls,
        counts.backend_us, counts.backend_longest_us}) {
    writer.WriteU64(number);
  }
  writer.WriteU32(static_cast<std::uint32_t>(counts.answers.size()));
  for (const AnswerCount& row : counts.answers) {
    WriteText(writer, row.call);
    WriteText(writer, row.reason);
    WriteText(writer, row.status);
    writer.WriteU64(row.count);
  }
  writer.WriteU8(counts.last_error ? 1 : 0);
  if (const auto& error = counts.last_error) {
    WriteText(writer, error->call);
    WriteText(writer, error->reason);
    WriteText(writer, error->status);
    writer.WriteU64(error->age_us);
    writer.WriteBytes(error->vendor.bytes);
    WriteText(writer, error->name);
  }
  if (const auto& found = counts.found) {
    writer.WriteU8(found->is_secure_boot_on ? 1 : 0);
    for (const std::uint32_t entries : {found->pk, found->kek, found->db, found->dbx}) {
      writer.WriteU32(entries);
    }
    WriteText(writer, found->drift);
    writer.WriteU64(found->waits_us);
  }
  writer.WriteBytes(blob);
  return writer.Take();
}

base::Result<Snapshot> DecodeSnapshot(base::ByteSpan bytes) {
  base::Reader reader(bytes);
  std::array<std::uint8_t, 4> magic{};
  std::uint32_t version = 0;
  if (!reader.ReadArray(magic) || magic != kMagic || !reader.ReadU32(version)) {
    return Malformed(reader, "it does not begin as one");
  }
  if (version != kVersion && version != kVersionWithoutFound) {
    return Malformed(reader,
                     "version " + std::to_string(version) +
                         " is not known; this program reads 1 and 2. Use the tools that came "
                         "with the daemon");
  }
  Snapshot snapshot;
  Counts& counts = snapshot.counts;
  std::uint32_t rows = 0;
  if (!ReadText(reader, counts.version) || !ReadText(reader, counts.backend) ||
      !reader.ReadU64(counts.uptime_us) || !reader.ReadU64(counts.unmapped) ||
      !reader.ReadU64(counts.ignored_accesses) || !reader.ReadU64(counts.backend_calls) ||
      !reader.ReadU64(counts.backend_us) || !reader.ReadU64(counts.backend_longest_us) ||
      !reader.ReadU32(rows) || rows > kMaxRows) {
    return Malformed(reader, "the numbers are malformed or cut off");
  }
  for (std::uint32_t i = 0; i < rows; ++i) {
    AnswerCount row;
    if (!ReadRow(reader, row)) {
      return Malformed(reader, "a row of counters is malformed or cut off");
    }
    counts.answers.push_back(std::move(row));
  }
  std::uint8_t has_error = 0;
  if (!reader.ReadU8(has_error) || has_error > 1 ||
      (has_error == 1 && !ReadLastError(reader, counts.last_error.emplace()))) {
    return Malformed(reader, "the last error is malformed or cut off");
  }
  if (version == kVersion && !ReadFound(reader, counts.found.emplace())) {
    return Malformed(reader, "what the boot found is malformed or cut off");
  }
  if (reader.remaining() > store::kMaxBlobBytes) {
    return Malformed(reader, "more variables than there can be");
  }
  snapshot.blob = base::ToBytes(reader.ReadRest());
  return snapshot;
}

}  // namespace varstored::live
