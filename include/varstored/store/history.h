#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/efi/guid.h"
#include "varstored/store/store.h"
#include "varstored/store/variable.h"

/// What changed of a VM's keys, when and by whom, without the data (docs/backends.md, "The
/// history"). What is kept of it can have come with an imported VM, so every reader checks it.
namespace varstored::store {

/// Who changed something.
enum class Actor : std::uint8_t {
  kGuest,       // a call of the guest's
  kFirstBoot,   // the host's keys, at the start of a VM that had no state
  kBootUpdate,  // the host's newer certificates, at a start
  kStart,       // a start at which the host wants Secure Boot, and did not before, or the reverse
  kResume,      // the state of a VM that goes on from elsewhere
  kTool,        // a program of the host's; the reason is its name
  kRepair,      // varstore-repair
};
inline constexpr std::size_t kActors = 7;

/// What was done.
enum class Deed : std::uint8_t {
  kWritten,   // made, or given other data
  kAppended,  // what was there stayed, and more came behind it
  kDeleted,
  kModeSetup,  // Secure Boot's mode; the data of the mark says which
  kModeUser,
  kModeAudit,
  kModeDeployed,
  kWanted,  // the host wants Secure Boot
  kNotWanted,
};
inline constexpr std::size_t kDeeds = 9;

/// The stable spellings, such as "first-boot" and "appended"; the reverse is nothing for any other
/// text.
[[nodiscard]] std::string_view ActorText(Actor actor);
[[nodiscard]] std::string_view DeedText(Deed deed);
[[nodiscard]] std::optional<Actor> ParseActor(std::string_view text);
[[nodiscard]] std::optional<Deed> ParseDeed(std::string_view text);

/// The data of a variable, as far as the history has it.
struct DataMark {
  std::uint32_t bytes = 0;                   // 0: there was no such variable
  std::array<std::uint8_t, 32> sha256 = {};  // zeros then

  [[nodiscard]] bool operator==(const DataMark&) const = default;
};

struct HistoryEntry {
  std::uint64_t number = 0;  // counts up from 1
  std::int64_t time = 0;     // seconds since 1970, UTC, by the host's clock
  Actor actor = Actor::kGuest;
  Deed deed = Deed::kWritten;
  /// UTF-16LE bytes, held in characters, as a guest chose them: ShortName. Empty for kWanted and
  /// kNotWanted.
  std::string name;
  efi::Guid vendor = {};
  DataMark before;
  DataMark after;
  /// A word such as "setup-mode", or the name of a program: printable ASCII.
  std::string reason;

  [[nodiscard]] bool operator==(const HistoryEntry&) const = default;
};

/// The most bytes of a name and of a reason that a history has, and its largest number.
inline constexpr std::size_t kMaxHistoryNameBytes = 512;
inline constexpr std::size_t kMaxReasonBytes = 32;
inline constexpr std::uint64_t kMaxHistoryNumber = std::uint64_t{1} << 48U;
/// The last second of the year 9999.
inline constexpr std::int64_t kMaxHistoryTime = 253402300799;

/// The name as the history has it: the whole one, or the beginning of it and an ellipsis (U+2026).
[[nodiscard]] std::string ShortName(std::string_view name);

/// Each kind has room of its own, so that a guest that writes all day pushes out neither what the
/// host did nor, by its private variables, what became of the keys.
struct HistoryKind {
  std::size_t first;  // its places: this one and the next ones
  std::size_t count;
};
inline constexpr HistoryKind kHostHistory = {0, 60};
inline constexpr HistoryKind kKeysHistory = {60, 100};
inline constexpr HistoryKind kOtherHistory = {160, 40};
inline constexpr std::size_t kMostHistory = 200;

/// The host's; of the guest's those of PK, KEK, db, dbx, dbt, dbr and the mode; all others.
[[nodiscard]] const HistoryKind& KindOf(const HistoryEntry& entry);

/// What is wrong with an entry that somebody else wrote; nothing when it is one that varstored
/// writes.
[[nodiscard]] std::optional<std::string> Fault(const HistoryEntry& entry);

/// Whether the history has changes of this variable: a non-volatile authenticated one, one of
/// Secure Boot's keys, or the mark of its mode.
[[nodiscard]] bool HasHistory(const Entry& entry);

/// A history as bytes, for the way between processes, and the reverse, which checks each entry.
[[nodiscard]] base::Bytes EncodeHistory(const std::vector<HistoryEntry>& entries);
[[nodiscard]] base::Result<std::vector<HistoryEntry>> DecodeHistory(base::ByteSpan bytes);

}  // namespace varstored::store
