#include "varstored/health/state.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "varstored/base/base64.h"
#include "varstored/base/reader.h"
#include "varstored/efi/variable_name.h"
#include "varstored/store/vars_blob.h"

namespace varstored::health {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic = {'V', 'A', 'R', 'S'};
constexpr std::size_t kHeaderBytes = 24;
constexpr std::size_t kAncillaryBytes = 268;

/// Bits of a stored variable, and APPEND_WRITE, which belongs to a call but is no sign of damage.
constexpr std::uint32_t kPlausibleAttributes = 0x7F;

std::string Text(std::uint64_t number) { return std::to_string(number); }

struct Record {
  store::LegacyRecord fields;
  std::size_t end = 0;
};

/// Where a record ends and what it says of itself, as views.
struct RecordView {
  base::ByteSpan name;
  base::ByteSpan data;
  efi::Guid vendor;
  std::uint32_t attributes = 0;
  efi::Time timestamp;
  store::SignerDigest signer{};
  std::size_t end = 0;
};

/// The record at `offset`, if its lengths are right.
std::optional<RecordView> ViewAt(base::ByteSpan blob, std::size_t offset) {
  base::Reader reader(blob.subspan(offset));
  RecordView view;
  std::uint64_t size = 0;
  if (!reader.ReadU64(size) || size == 0 || size > efi::kMaxNameBytes ||
      !reader.ReadBytes(size, view.name) || !reader.ReadU64(size) || size == 0 ||
      !reader.ReadBytes(size, view.data) || !reader.ReadArray(view.vendor.bytes) ||
      !reader.ReadU32(view.attributes) || !efi::ReadTime(reader, view.timestamp) ||
      !reader.ReadArray(view.signer)) {
    return std::nullopt;
  }
  view.end = offset + reader.offset();
  return view;
}

/// Whether the bytes at `offset` look like a record that somebody meant.
std::optional<RecordView> PlausibleAt(base::ByteSpan blob, std::size_t offset) {
  auto view = ViewAt(blob, offset);
  const bool is_plausible =
      view && efi::VariableName::FromBytes(view->name) && view->vendor != efi::Guid{} &&
      (view->attributes & ~kPlausibleAttributes) == 0 &&
      (view->attributes & (efi::kBootServiceAccess | efi::kRuntimeAccess)) != 0;
  return is_plausible ? view : std::nullopt;
}

/// The first place in [from, to) where a record begins that ends with the blob, or where another
/// one begins.
std::optional<std::size_t> FindRecord(base::ByteSpan blob, std::size_t from, std::size_t to) {
  for (std::size_t offset = from; offset < to; ++offset) {
    const auto view = PlausibleAt(blob, offset);
    if (view && (view->end == blob.size() || PlausibleAt(blob, view->end))) {
      return offset;
    }
  }
  return std::nullopt;
}

store::Entry EntryOf(const RecordView& view) {
  return store::MakeEntry({.name = base::ToString(view.name),
                           .vendor = view.vendor,
                           .attributes = view.attributes,
                           .data = base::ToBytes(view.data),
                           .timestamp = view.timestamp,
                           .signer = view.signer});
}

/// Reads the records from `start` on.
class Records {
 public:
  Records(base::ByteSpan blob, State& state) : blob_(blob), state_(state) {}

  void ReadFrom(std::size_t start) {
    std::size_t offset = start;
    while (offset < blob_.size()) {
      offset = ReadOne(offset);
    }
  }

  /// Records whose lengths are right, those that were left out included.
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  /// Gives where to go on.
  std::size_t ReadOne(std::size_t offset) {
    const auto view = ViewAt(blob_, offset);
    if (!view) {
      return Skip(offset, blob_.size(), "no record begins here");
    }
    const bool is_followed = view->end == blob_.size() || ViewAt(blob_, view->end).has_value();
    if (!is_followed && FindRecord(blob_, offset + 1, view->end)) {
      // It would swallow others, and leaves nothing readable behind: its length is wrong.
      return Skip(offset, view->end, "a record with a wrong length");
    }
    ++count_;
    Take(*view, offset);
    return view->end;
  }

  /// Passes over what is damaged, to the next record before `limit`, if there is one.
  std::size_t Skip(std::size_t offset, std::size_t limit, const std::string& what) {
    const std::size_t next = FindRecord(blob_, offset + 1, limit).value_or(blob_.size());
    state_.damage.push_back({offset, next - offset, what});
    has_lost_track_ = true;
    return next;
  }

  void Take(const RecordView& view, std::size_t offset) {
    const std::size_t bytes = view.end - offset;
    const VariableId id = {base::ToString(view.name), view.vendor};
    if (has_lost_track_ && (view.attributes & efi::kTimeBasedAuthenticatedWriteAccess) != 0) {
      state_.damage.push_back(
          {offset, bytes,
           "the authenticated variable " + efi::EscapeName(id.name) +
               " behind the damage: it may be a part of another variable, so it is left out",
           id});
      return;
    }
    if (const auto fits = limits_.Add({id.name, id.vendor}, view.data.size()); !fits) {
      state_.damage.push_back({offset, bytes, fits.error().message + ": this one is left out", id});
      return;
    }
    state_.entries.push_back(EntryOf(view));
  }

  base::ByteSpan blob_;
  State& state_;
  std::size_t count_ = 0;
  store::LoadLimits limits_;
  bool has_lost_track_ = false;
};

struct Header {
  std::uint32_t version = 0;
  std::uint64_t count = 0;
  std::uint64_t data_bytes = 0;
  std::size_t records_at = 0;
};

/// Reads what stands before the records; nothing when the blob ends in it.
std::optional<Header> ReadHeader(base::ByteSpan blob, State& state) {
  base::Reader reader(blob);
  std::array<std::uint8_t, 4> magic{};
  Header header;
  if (!reader.ReadArray(magic) || !reader.ReadU32(header.version) ||
      !reader.ReadU64(header.count) || !reader.ReadU64(header.data_bytes)) {
    state.damage.push_back({0, blob.size(), "the blob ends inside of its header"});
    return std::nullopt;
  }
  if (magic != kMagic) {
    state.damage.push_back({0, magic.size(), "it does not begin with VARS"});
  }
  header.records_at = kHeaderBytes;
  if (header.version == 1) {
    return header;
  }
  if (header.version != 2) {
    state.damage.push_back({4, 0, "version " + Text(header.version) + " is not known"});
  }
  store::Ancillary ancillary;
  if (!reader.ReadArray(ancillary.mor_key) || !reader.ReadU32(ancillary.ppi_index) ||
      !reader.ReadArray(ancillary.ppi_volatile)) {
    state.damage.push_back(
        {kHeaderBytes, blob.size() - kHeaderBytes, "the blob ends inside of the MOR and PPI part"});
    return std::nullopt;
  }
  state.ancillary = ancillary;
  header.records_at += kAncillaryBytes;
  return header;
}

}  // namespace

State ReadState(base::ByteSpan blob) {
  State state;
  const base::ByteSpan all = blob;
  blob = blob.first(std::min(blob.size(), store::kMaxBlobBytes));
  const auto header = ReadHeader(blob, state);
  if (!header) {
    return state;
  }
  Records records(blob, state);
  records.ReadFrom(header->records_at);
  if (all.size() > blob.size()) {
    state.damage.push_back({blob.size(), all.size() - blob.size(),
                            Text(all.size()) + " bytes, the limit is " + Text(blob.size())});
  }
  if (header->count != records.count()) {
    state.damage.push_back({8, 0,
                            "the header says " + Text(header->count) + " variables, there are " +
                                Text(records.count())});
  }
  if (header->data_bytes != blob.size() - header->records_at) {
    state.damage.push_back({16, 0,
                            "the header says " + Text(header->data_bytes) +
                                " bytes of variables, there are " +
                                Text(blob.size() - header->records_at)});
  }
  return state;
}

State ReadStateFromText(std::string_view base64) {
  if (const auto blob = base::DecodeBase64(base64)) {
    return ReadState(*blob);
  }
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string front;
  std::size_t read = 0;
  for (; read < base64.size(); ++read) {
    const char c = base64[read];
    if (kAlphabet.find(c) != std::string_view::npos) {
      front.push_back(c);
    } else if (c != '\n' && c != '\r' && c != ' ' && c != '\t') {
      break;
    }
  }
  front.resize(front.size() / 4 * 4);
  const auto blob = base::DecodeBase64(front);
  State state = blob ? ReadState(*blob) : State();
  state.damage.insert(state.damage.begin(), {read, base64.size() - read, "the base64 is broken"});
  return state;
}

base::Bytes EncodeState(const State& state) {
  std::vector<const store::Entry*> entries;
  entries.reserve(state.entries.size());
  for (const store::Entry& entry : state.entries) {
    entries.push_back(&entry);
  }
  return store::EncodeVarsBlob(state.ancillary, entries);
}

}  // namespace varstored::health
