#include "sqlite_history.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <unordered_map>
#include <utility>

#include "varstored/base/bytes.h"
#include "varstored/crypto/digest.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"

namespace varstored::backend {
namespace {

// The columns of both statements.
enum Column : std::uint8_t {
  kPlace,
  kNumber,
  kTime,
  kWho,
  kWhat,
  kName,
  kNameText,
  kVendor,
  kBytesBefore,
  kDigestBefore,
  kBytesAfter,
  kDigestAfter,
  kReason
};
constexpr const char* kRead =
    "SELECT place, number, time, who, what, name, name_text, vendor, bytes_before, digest_before,"
    " bytes_after, digest_after, reason FROM history ORDER BY number DESC";
constexpr const char* kPut =
    "INSERT OR REPLACE INTO history VALUES"
    " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

std::int64_t Now() {
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch());
  return std::clamp(std::int64_t{now.count()}, std::int64_t{0}, store::kMaxHistoryTime);
}

base::Result<store::DataMark> MarkOf(const store::Entry* entry) {
  store::DataMark mark;
  if (entry == nullptr) {
    return mark;
  }
  const auto digest = crypto::Sha256({entry->data()});
  if (!digest) {
    return digest.failure();
  }
  mark.bytes = static_cast<std::uint32_t>(entry->data().size());
  mark.sha256 = *digest;
  return mark;
}

bool IsBeginning(const base::Bytes& beginning, const base::Bytes& whole) {
  return beginning.size() < whole.size() &&
         std::equal(beginning.begin(), beginning.end(), whole.begin());
}

store::Deed DeedOf(const store::Entry* before, const store::Entry* after) {
  if (after == nullptr) {
    return store::Deed::kDeleted;
  }
  // engine::SecureBootMode is what the mark holds.
  constexpr std::array kModes = {store::Deed::kModeSetup, store::Deed::kModeUser,
                                 store::Deed::kModeAudit, store::Deed::kModeDeployed};
  if (efi::kModeMark.Is(after->name(), after->vendor()) && after->data().size() == 1 &&
      after->data().front() < kModes.size()) {
    return kModes.at(after->data().front());
  }
  return before != nullptr && IsBeginning(before->data(), after->data()) ? store::Deed::kAppended
                                                                         : store::Deed::kWritten;
}

const store::Entry* WithHistory(const store::Entry* entry) {
  return entry != nullptr && store::HasHistory(*entry) ? entry : nullptr;
}

/// Whether the columns of a mark are one that varstored writes, which goes to `mark`.
bool ReadMark(const Statement& row, int bytes, int digest, store::DataMark& mark) {
  const std::int64_t count = row.Number(bytes);
  const base::ByteSpan sha256 = row.Blob(digest);
  if (count < 0 || count > std::numeric_limits<std::uint32_t>::max() ||
      sha256.size() != (count == 0 ? 0 : mark.sha256.size())) {
    return false;
  }
  mark.bytes = static_cast<std::uint32_t>(count);
  std::copy(sha256.begin(), sha256.end(), mark.sha256.begin());
  return true;
}

base::ByteSpan DigestOf(const store::DataMark& mark) {
  return mark.bytes == 0 ? base::ByteSpan() : base::ByteSpan(mark.sha256);
}

/// A row as an entry, or what is wrong with it.
base::Result<store::HistoryEntry> EntryOf(const Statement& row) {
  const auto actor = store::ParseActor(row.Text(kWho));
  const auto deed = store::ParseDeed(row.Text(kWhat));
  const std::string vendor_text = row.Text(kVendor);
  const auto vendor = efi::ParseGuid(vendor_text);
  if (!actor || !deed || row.Number(kNumber) < 0) {
    return base::Fail(!actor  ? "its who is none"
                      : !deed ? "its what is none"
                              : "its number is < 0");
  }
  if (!vendor || efi::ToText(*vendor) != vendor_text) {
    return base::Fail("its vendor is no GUID in lower case");
  }
  store::HistoryEntry entry;
  entry.number = static_cast<std::uint64_t>(row.Number(kNumber));
  entry.time = row.Number(kTime);
  entry.actor = *actor;
  entry.deed = *deed;
  entry.name = row.Text(kName);
  entry.vendor = *vendor;
  entry.reason = row.Text(kReason);
  if (!ReadMark(row, kBytesBefore, kDigestBefore, entry.before) ||
      !ReadMark(row, kBytesAfter, kDigestAfter, entry.after)) {
    return base::Fail("it has sizes and digests that are none");
  }
  if (auto fault = store::Fault(entry)) {
    return base::Fail(*std::move(fault));
  }
  if (row.Text(kNameText) != efi::NameToUtf8(entry.name)) {
    return base::Fail("its name_text is not what its name says");
  }
  const store::HistoryKind& kind = store::KindOf(entry);
  const std::int64_t place = row.Number(kPlace) - static_cast<std::int64_t>(kind.first);
  if (place < 0 || place >= static_cast<std::int64_t>(kind.count)) {
    return base::Fail("its place is not one of its kind's");
  }
  return entry;
}

}  // namespace

base::Result<std::vector<store::HistoryEntry>> SqliteHistory::ReadAll() const {
  std::vector<store::HistoryEntry> entries;
  const auto table = connection_.Query("SELECT count(*) FROM sqlite_schema WHERE name = 'history'");
  if (!table) {
    return table.failure();
  }
  if (table->Number(0) == 0) {
    return entries;
  }
  auto row = connection_.Prepare(kRead);
  if (!row) {
    return row.failure();
  }
  while (true) {
    const auto stepped = row->Step();
    if (!stepped) {
      return stepped.failure();
    }
    if (!*stepped) {
      return entries;
    }
    auto entry = EntryOf(*row);
    if (entry && !entries.empty() && entries.back().number == entry->number) {
      entry = base::Fail("its number is another one's too");
    }
    if (!entry) {
      return base::Fail(connection_.file_name() + ": damaged: history, place " +
                        std::to_string(row->Number(kPlace)) + ": " + entry.error().message);
    }
    entries.push_back(*std::move(entry));
  }
}

base::Result<void> SqliteHistory::Know() {
  if (!put_) {
    auto put = connection_.Prepare(kPut);
    if (!put) {
      return put.failure();
    }
    put_ = *std::move(put);
  }
  if (numbers_) {
    return {};
  }
  const auto entries = ReadAll();
  const bool has_end =
      entries && (entries->empty() || entries->front().number < store::kMaxHistoryNumber);
  // As with the variables of a file that is taken over without being read: what is wrong goes.
  if (!has_end) {
    if (auto emptied = connection_.Execute("DELETE FROM history"); !emptied) {
      return emptied;
    }
  }
  numbers_.emplace();
  auto row = connection_.Prepare("SELECT place, number FROM history");
  if (!row) {
    return row.failure();
  }
  while (true) {
    const auto stepped = row->Step();
    if (!stepped || !*stepped) {
      return stepped ? base::Result<void>() : stepped.failure();
    }
    numbers_->at(static_cast<std::size_t>(row->Number(0))) =
        static_cast<std::uint64_t>(row->Number(1));
  }
}

base::Result<void> SqliteHistory::Put(store::HistoryEntry entry, const Author& author) {
  if (auto known = Know(); !known) {
    return known;
  }
  entry.actor = author.actor;
  entry.reason = author.reason.substr(0, store::kMaxReasonBytes);
  entry.number = *std::max_element(numbers_->begin(), numbers_->end()) + 1;
  entry.time = Now();
  // The oldest of its kind makes room; a free place is older than all.
  const store::HistoryKind& kind = store::KindOf(entry);
  auto* const first = numbers_->begin() + kind.first;
  auto* const place = std::min_element(first, first + kind.count);
  *place = entry.number;
  const std::string name_text = efi::NameToUtf8(entry.name);
  const std::string vendor = efi::ToText(entry.vendor);
  const base::Bytes name = base::ToBytes(entry.name);
  // Parameters are counted from 1.
  const auto bind = [this](Column column, const auto& value) { put_->Bind(column + 1, value); };
  bind(kPlace, std::int64_t{place - numbers_->begin()});
  bind(kNumber, static_cast<std::int64_t>(entry.number));
  bind(kTime, entry.time);
  bind(kWho, store::ActorText(entry.actor));
  bind(kWhat, store::DeedText(entry.deed));
  bind(kName, base::ByteSpan(name));
  bind(kNameText, std::string_view(name_text));
  bind(kVendor, std::string_view(vendor));
  bind(kBytesBefore, std::int64_t{entry.before.bytes});
  bind(kDigestBefore, DigestOf(entry.before));
  bind(kBytesAfter, std::int64_t{entry.after.bytes});
  bind(kDigestAfter, DigestOf(entry.after));
  bind(kReason, std::string_view(entry.reason));
  return put_->Run();
}

base::Result<void> SqliteHistory::Add(const std::vector<store::StagedStore::Change>& changes,
                                      const Author& author) {
  for (const auto& change : changes) {
    const store::Entry* before = WithHistory(change.before);
    const store::Entry* after = WithHistory(change.after);
    if (before == nullptr && after == nullptr) {
      continue;
    }
    const auto mark_before = MarkOf(before);
    const auto mark_after = MarkOf(after);
    if (!mark_before || !mark_after) {
      return mark_before ? mark_after.failure() : mark_before.failure();
    }
    const store::Entry& named = after != nullptr ? *after : *before;
    auto put = Put({.deed = DeedOf(before, after),
                    .name = store::ShortName(named.name()),
                    .vendor = named.vendor(),
                    .before = *mark_before,
                    .after = *mark_after,
                    .reason = {}},
                   author);
    if (!put) {
      return put;
    }
  }
  return {};
}

base::Result<void> SqliteHistory::Add(const std::vector<store::Entry>& before,
                                      const store::StagedStore& staged, const Author& author) {
  std::unordered_map<store::Key, const store::Entry*, store::KeyHash> rows;
  for (const store::Entry& row : before) {
    rows.emplace(store::KeyOf(row), &row);
  }
  std::vector<store::StagedStore::Change> changes;
  staged.ForEach([&](const store::Entry& entry) {
    const auto row = rows.find(store::KeyOf(entry));
    const store::Entry* was = row != rows.end() ? row->second : nullptr;
    if (was == nullptr || *was != entry) {
      changes.push_back({was, &entry});
    }
  });
  for (const store::Entry& row : before) {
    if (staged.Find(store::KeyOf(row)) == nullptr) {
      changes.push_back({&row, nullptr});
    }
  }
  return Add(changes, author);
}

base::Result<void> SqliteHistory::AddWish(bool wants_secure_boot, const Author& author) {
  return Put({.deed = wants_secure_boot ? store::Deed::kWanted : store::Deed::kNotWanted,
              .name = {},
              .before = {},
              .after = {},
              .reason = {}},
             author);
}

}  // namespace varstored::backend
