#include "varstored/store/store.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace varstored::store {
std::size_t KeyHash::operator()(const Key& key) const noexcept {
  constexpr std::hash<std::string_view> kHash;
  const auto& vendor = key.vendor.bytes;
  return kHash(key.name) * 31 +
         kHash({static_cast<const char*>(static_cast<const void*>(vendor.data())), vendor.size()});
}

Store::Store() { index_.reserve(kMaxEntries); }

const Entry* Store::Find(const Key& key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &*found->second;
}

const Entry* Store::First() const { return entries_.empty() ? nullptr : &entries_.front(); }

const Entry* Store::After(const Entry& entry) const {
  const auto found = index_.find(KeyOf(entry));
  if (found == index_.end()) {
    return nullptr;
  }
  const auto next = std::next(found->second);
  return next == entries_.end() ? nullptr : &*next;
}

void Store::Append(Entry entry) {
  auto place = entries_.end();
  const auto old = index_.find(KeyOf(entry));
  if (old != index_.end()) {
    const auto replaced = old->second;
    used_bytes_ -= replaced->used_bytes();
    // The index goes first, because its key's name belongs to the entry.
    index_.erase(old);
    place = entries_.erase(replaced);
  }
  used_bytes_ += entry.used_bytes();
  place = entries_.insert(place, std::move(entry));
  index_.emplace(KeyOf(*place), place);
}

void Store::Apply(StagedStore&& staged) noexcept {
  for (StagedStore::Prepared& change : staged.prepared_) {
    auto place = entries_.begin();
    if (change.before != nullptr) {
      // The index goes first, because its key's name belongs to the entry.
      const auto old = index_.find(KeyOf(*change.before));
      const auto entry = old->second;
      index_.erase(old);
      place = entries_.erase(entry);
    }
    if (!change.entry.empty()) {
      // Neither call takes memory: the nodes exist, and the table has room (kMaxEntries).
      entries_.splice(place, change.entry);
      index_.insert(std::move(change.node));
    }
  }
  if (staged.ancillary_) {
    ancillary_ = *staged.ancillary_;
  }
  used_bytes_ = staged.used_bytes_;
  staged.prepared_.clear();
}

StagedStore::StagedStore(const Store& base)
    : base_(&base), size_(base.size()), used_bytes_(base.used_bytes()) {}

std::vector<StagedStore::Prepared>::iterator StagedStore::FindPrepared(const Key& key) {
  return std::find_if(prepared_.begin(), prepared_.end(),
                      [&key](const Prepared& change) { return change.key() == key; });
}

std::vector<StagedStore::Prepared>::const_iterator StagedStore::FindPrepared(const Key& key) const {
  return std::find_if(prepared_.begin(), prepared_.end(),
                      [&key](const Prepared& change) { return change.key() == key; });
}

const Entry* StagedStore::Find(const Key& key) const {
  const auto change = FindPrepared(key);
  return change != prepared_.end() ? change->after() : base_->Find(key);
}

void StagedStore::Put(Entry entry) {
  const Entry* current = Find(KeyOf(entry));
  if (current != nullptr && *current == entry) {
    return;
  }
  const Entry* before = base_->Find(KeyOf(entry));
  Prepared next{{}, {}, before};
  const std::size_t used = entry.used_bytes();
  const Key key = KeyOf(next.entry.emplace_back(std::move(entry)));
  Store::Index scratch;
  scratch.emplace(key, next.entry.begin());
  next.node = scratch.extract(scratch.begin());

  prepared_.reserve(prepared_.size() + 1);
  // Nothing fails from here on.
  if (current != nullptr) {
    used_bytes_ -= current->used_bytes();
    --size_;
  }
  used_bytes_ += used;
  ++size_;
  const auto staged = FindPrepared(key);
  if (staged == prepared_.end()) {
    prepared_.push_back(std::move(next));
  } else if (before != nullptr && *before == next.entry.front()) {
    prepared_.erase(staged);
  } else {
    *staged = std::move(next);
  }
}

void StagedStore::Erase(const Key& key) {
  const Entry* current = Find(key);
  if (current == nullptr) {
    return;
  }
  const Entry* before = base_->Find(key);
  prepared_.reserve(prepared_.size() + 1);
  used_bytes_ -= current->used_bytes();
  --size_;
  const auto staged = FindPrepared(key);
  if (staged != prepared_.end()) {
    prepared_.erase(staged);
  }
  if (before != nullptr) {
    prepared_.push_back(Prepared{{}, {}, before});
  }
}

void StagedStore::SetAncillary(const Ancillary& ancillary) {
  if (ancillary == base_->ancillary()) {
    ancillary_.reset();
  } else {
    ancillary_ = ancillary;
  }
}

bool StagedStore::changed() const { return !prepared_.empty() || changes_ancillary(); }

std::vector<StagedStore::Change> StagedStore::Changes() const {
  std::vector<Change> changes;
  changes.reserve(prepared_.size());
  for (const Prepared& change : prepared_) {
    changes.push_back({change.before, change.after()});
  }
  return changes;
}

void StagedStore::ForEach(const std::function<void(const Entry&)>& visit) const {
  std::for_each(prepared_.rbegin(), prepared_.rend(), [&visit](const Prepared& change) {
    if (change.before == nullptr) {
      visit(*change.after());
    }
  });
  for (const Entry& entry : base_->entries_) {
    const Entry* now = Find(KeyOf(entry));
    if (now != nullptr) {
      visit(*now);
    }
  }
}

base::ByteSpan ContentOf(const StagedStore& staged, const efi::WellKnownVariable& variable) {
  const Entry* entry = staged.Find(KeyOf(variable));
  return entry != nullptr ? base::ByteSpan(entry->data()) : base::ByteSpan();
}

}  // namespace varstored::store
