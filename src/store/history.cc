#include "varstored/store/history.h"

#include <algorithm>
#include <utility>

#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"

namespace varstored::store {
namespace {

constexpr std::array<std::string_view, kActors> kActorTexts = {
    "guest", "first-boot", "boot-update", "start", "resume", "tool", "repair"};
constexpr std::array<std::string_view, kDeeds> kDeedTexts = {
    "written",    "appended",      "deleted", "mode-setup", "mode-user",
    "mode-audit", "mode-deployed", "wanted",  "not-wanted"};

template <class Word, std::size_t N>
std::optional<Word> Find(const std::array<std::string_view, N>& texts, std::string_view text) {
  const auto* const found = std::find(texts.begin(), texts.end(), text);
  return found != texts.end() ? std::optional(static_cast<Word>(found - texts.begin()))
                              : std::nullopt;
}

/// U+2026 as UTF-16LE.
constexpr std::string_view kEllipsis{"\x26\x20", 2};

bool IsKey(std::string_view name, const efi::Guid& vendor) {
  constexpr std::array kKeys = {efi::kPk,  efi::kKek, efi::kDb,      efi::kDbx,
                                efi::kDbt, efi::kDbr, efi::kModeMark};
  return std::any_of(kKeys.begin(), kKeys.end(),
                     [&](const auto& key) { return key.Is(name, vendor); });
}

bool IsWish(Deed deed) { return deed == Deed::kWanted || deed == Deed::kNotWanted; }

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

void Write(base::Writer& writer, const DataMark& mark) {
  writer.WriteU32(mark.bytes);
  writer.WriteBytes(mark.sha256);
}

bool Read(base::Reader& reader, DataMark& mark) {
  return reader.ReadU32(mark.bytes) && reader.ReadArray(mark.sha256);
}

void Write(base::Writer& writer, std::string_view text) {
  writer.WriteU16(static_cast<std::uint16_t>(text.size()));
  writer.WriteBytes(base::ToBytes(text));
}

bool Read(base::Reader& reader, std::string& text) {
  std::uint16_t size = 0;
  base::ByteSpan bytes;
  if (!reader.ReadU16(size) || !reader.ReadBytes(size, bytes)) {
    return false;
  }
  text = base::ToString(bytes);
  return true;
}

bool Read(base::Reader& reader, HistoryEntry& entry) {
  std::uint64_t time = 0;
  std::uint8_t actor = 0;
  std::uint8_t deed = 0;
  if (!reader.ReadU64(entry.number) || !reader.ReadU64(time) || !reader.ReadU8(actor) ||
      !reader.ReadU8(deed) || actor >= kActors || deed >= kDeeds) {
    return false;
  }
  entry.time = static_cast<std::int64_t>(time);
  entry.actor = static_cast<Actor>(actor);
  entry.deed = static_cast<Deed>(deed);
  return Read(reader, entry.name) && reader.ReadArray(entry.vendor.bytes) &&
         Read(reader, entry.before) && Read(reader, entry.after) && Read(reader, entry.reason);
}

}  // namespace

std::string_view ActorText(Actor actor) { return kActorTexts[static_cast<std::size_t>(actor)]; }
std::string_view DeedText(Deed deed) { return kDeedTexts[static_cast<std::size_t>(deed)]; }
std::optional<Actor> ParseActor(std::string_view text) { return Find<Actor>(kActorTexts, text); }
std::optional<Deed> ParseDeed(std::string_view text) { return Find<Deed>(kDeedTexts, text); }

std::string ShortName(std::string_view name) {
  if (name.size() <= kMaxHistoryNameBytes) {
    return std::string(name);
  }
  return std::string(name.substr(0, kMaxHistoryNameBytes - kEllipsis.size())) +
         std::string(kEllipsis);
}

const HistoryKind& KindOf(const HistoryEntry& entry) {
  if (entry.actor != Actor::kGuest) {
    return kHostHistory;
  }
  return IsKey(entry.name, entry.vendor) ? kKeysHistory : kOtherHistory;
}

std::optional<std::string> Fault(const HistoryEntry& entry) {
  if (entry.number == 0 || entry.number > kMaxHistoryNumber) {
    return "its number is " + std::to_string(entry.number);
  }
  if (entry.time < 0 || entry.time > kMaxHistoryTime) {
    return "its time is " + std::to_string(entry.time);
  }
  if (entry.name.size() > kMaxHistoryNameBytes || entry.name.empty() != IsWish(entry.deed)) {
    return "its name has " + std::to_string(entry.name.size()) + " bytes";
  }
  for (const DataMark* mark : {&entry.before, &entry.after}) {
    if (mark->bytes == 0 && *mark != DataMark()) {
      return "it has a digest of no data";
    }
  }
  if (entry.reason.size() > kMaxReasonBytes || !IsPrintable(entry.reason)) {
    return "its reason is no word of " + std::to_string(kMaxReasonBytes) + " characters at most";
  }
  return std::nullopt;
}

bool HasHistory(const Entry& entry) {
  return entry.Has(efi::kNonVolatile) && (entry.Has(efi::kTimeBasedAuthenticatedWriteAccess) ||
                                          IsKey(entry.name(), entry.vendor()));
}

base::Bytes EncodeHistory(const std::vector<HistoryEntry>& entries) {
  base::Writer writer;
  for (const HistoryEntry& entry : entries) {
    writer.WriteU64(entry.number);
    writer.WriteU64(static_cast<std::uint64_t>(entry.time));
    writer.WriteU8(static_cast<std::uint8_t>(entry.actor));
    writer.WriteU8(static_cast<std::uint8_t>(entry.deed));
    Write(writer, entry.name);
    writer.WriteBytes(entry.vendor.bytes);
    Write(writer, entry.before);
    Write(writer, entry.after);
    Write(writer, entry.reason);
  }
  return writer.Take();
}

base::Result<std::vector<HistoryEntry>> DecodeHistory(base::ByteSpan bytes) {
  base::Reader reader(bytes);
  std::vector<HistoryEntry> entries;
  while (!reader.empty()) {
    if (entries.size() == kMostHistory) {
      return base::Fail("the history has more than " + std::to_string(kMostHistory) + " entries");
    }
    const std::string where = "the history, entry " + std::to_string(entries.size());
    HistoryEntry entry;
    if (!Read(reader, entry)) {
      return base::Fail(where + ": it is cut off, or has a word that nobody knows");
    }
    if (const auto fault = Fault(entry)) {
      return base::Fail(where + ": " + *fault);
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace varstored::store
