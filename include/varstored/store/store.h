#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/well_known.h"
#include "varstored/store/variable.h"

namespace varstored::store {

/// State that lives beside the variables: the key of the MOR lock, and the physical presence
/// interface's index register and volatile bytes (docs/formats.md).
struct Ancillary {
  std::array<std::uint8_t, 8> mor_key{};
  std::uint32_t ppi_index = 0;
  std::array<std::uint8_t, 256> ppi_volatile{};

  [[nodiscard]] bool operator==(const Ancillary&) const = default;
};

/// The address of an entry. `name` belongs to somebody else.
struct Key {
  std::string_view name;
  efi::Guid vendor;

  [[nodiscard]] bool operator==(const Key&) const = default;
};

[[nodiscard]] inline Key KeyOf(const Entry& entry) { return {entry.name(), entry.vendor()}; }
[[nodiscard]] inline Key KeyOf(const efi::WellKnownVariable& known) {
  return {known.name, known.vendor};
}

struct KeyHash {
  [[nodiscard]] std::size_t operator()(const Key& key) const noexcept;
};

class StagedStore;

/// The variables in memory. Lookup and the step of a walk take the same time whatever the number of
/// entries. A change is built aside, in a StagedStore, kept by the backend, and only then applied,
/// which cannot fail.
class Store {
 public:
  Store();
  Store(Store&&) noexcept = default;
  Store& operator=(Store&&) noexcept = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store() = default;

  /// The entry, or null. It stays where it is until it is replaced or erased.
  [[nodiscard]] const Entry* Find(const Key& key) const;
  /// The first entry of a walk, or null. The newest comes first.
  [[nodiscard]] const Entry* First() const;
  /// The entry that follows `entry`, which is one of this store's; null at the end.
  [[nodiscard]] const Entry* After(const Entry& entry) const;

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// The sum of Entry::used_bytes over all entries.
  [[nodiscard]] std::size_t used_bytes() const { return used_bytes_; }
  [[nodiscard]] const Ancillary& ancillary() const { return ancillary_; }

  /// An entry at the end of the walk, while a store is loaded; one of the same name and GUID is
  /// replaced in its place.
  void Append(Entry entry);
  void SetAncillary(const Ancillary& ancillary) { ancillary_ = ancillary; }

  /// Makes `staged`, which was built on this very store as it is now, the content. Entries that are
  /// replaced keep their place in the walk; new ones come first, the last staged before the others.
  /// No memory is taken as long as the store has room for its index: kMaxEntries.
  void Apply(StagedStore&& staged) noexcept;

 private:
  friend class StagedStore;

  using Entries = std::list<Entry>;
  // The names in the keys belong to the entries, which never move.
  using Index = std::unordered_map<Key, Entries::iterator, KeyHash>;

  Entries entries_;
  Index index_;
  std::size_t used_bytes_ = 0;
  Ancillary ancillary_;
};

/// A store as it will be: the store that it was built on, plus changes. Nothing of it can be seen
/// in that store before Store::Apply. It must not outlive the store, nor be used once that has
/// changed.
class StagedStore {
 public:
  /// One difference. `before` or `after` is null when there is no such entry; they differ.
  struct Change {
    const Entry* before;
    const Entry* after;
  };

  explicit StagedStore(const Store& base);
  StagedStore(StagedStore&&) noexcept = default;
  StagedStore& operator=(StagedStore&&) = delete;
  StagedStore(const StagedStore&) = delete;
  StagedStore& operator=(const StagedStore&) = delete;
  ~StagedStore() = default;

  [[nodiscard]] const Entry* Find(const Key& key) const;
  /// Puts `entry` under its name and GUID, whatever was there. An entry equal to the one of the
  /// store that this was built on is no change.
  void Put(Entry entry);
  /// Removes the entry; nothing happens when there is none.
  void Erase(const Key& key);

  [[nodiscard]] const Ancillary& ancillary() const {
    return ancillary_ ? *ancillary_ : base_->ancillary();
  }
  void SetAncillary(const Ancillary& ancillary);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t used_bytes() const { return used_bytes_; }

  /// Whether Apply would change what lies beside the entries.
  [[nodiscard]] bool changes_ancillary() const { return ancillary_.has_value(); }
  /// Whether Apply would change anything.
  [[nodiscard]] bool changed() const;
  /// Every difference to the store that this was built on, in the order in which they were staged.
  [[nodiscard]] std::vector<Change> Changes() const;
  /// Calls `visit` with every entry as it will be, in the order of a walk.
  void ForEach(const std::function<void(const Entry&)>& visit) const;

 private:
  friend class Store;

  // All memory that Store::Apply needs, so that it takes none itself: a list of one entry and the
  // node of the index that points to it, or neither for an erasure.
  struct Prepared {
    Store::Entries entry;
    Store::Index::node_type node;
    const Entry* before;

    [[nodiscard]] const Entry* after() const { return entry.empty() ? nullptr : &entry.front(); }
    [[nodiscard]] Key key() const {
      const Entry* now = after();
      return KeyOf(now != nullptr ? *now : *before);
    }
  };

  [[nodiscard]] std::vector<Prepared>::iterator FindPrepared(const Key& key);
  [[nodiscard]] std::vector<Prepared>::const_iterator FindPrepared(const Key& key) const;

  const Store* base_;
  // A request changes a handful of variables at most, so these are searched one by one.
  std::vector<Prepared> prepared_;
  std::optional<Ancillary> ancillary_;
  std::size_t size_;
  std::size_t used_bytes_;
};

/// The data of that variable as it will be, empty when it is absent. The bytes belong to `staged`
/// or to the store below it, until the variable is changed.
[[nodiscard]] base::ByteSpan ContentOf(const StagedStore& staged,
                                       const efi::WellKnownVariable& variable);

}  // namespace varstored::store
