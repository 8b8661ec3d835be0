#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/crypto/digest.h"
#include "varstored/health/state.h"
#include "varstored/live/snapshot.h"

namespace varstored::health {

/// What can be wrong with a VM's variables. docs/findings.md explains each.
enum class FindingKind : std::uint8_t {
  kBlobUnreadable,
  kRecordDuplicate,
  kRecordMalformed,
  kListsMalformed,
  kVariableOversized,
  kRevocationsDoubled,
  kOwnerNotMicrosoft,
  kOwnerMicrosoftNot,
  kSecureBootWithoutPk,
  kSecureBootWithoutDb,
  kDbAllRevoked,
  kDbRevokedWithoutSuccessor,
  kKeyNotSecret,
  kCertificates2011Only,
  kKekWithout2011,
  kRevocationsMissing,
  kStoreOverfull,
  kStoreNearlyFull,
  kBootOrderDangling,
  kBootOrderRepeats,
  kBootOptionsRepeat,
  kKeyUnderWrongGuid,
  // Of the boot loaders on a VM's disk (room boot): FindingsOf gives none of these.
  kLoaderMissing,
  kLoaderNotTrusted,
  kLoaderRevoked,
  kLoaderNeeds2023,
  kLoaderSignedBy2011Only,
};

enum class Severity : std::uint8_t {
  kError,    // the VM may not start, or is not protected as it is meant to be
  kWarning,  // it will come to that, or something does not have its effect
};

/// Who has to do what a repair leaves.
enum class Who : std::uint8_t { kHost, kGuest, kOwner };

/// What is the same for every finding of a kind.
struct FindingType {
  FindingKind kind{};
  /// Stable: for scripts.
  std::string_view name;
  /// Of the worst of its kind.
  Severity severity{};
  /// What Fix does, as a sentence; empty where there is nothing that it may decide.
  std::string_view fix;
  /// Who has to do what Fix leaves (docs/findings.md, "Who has to do what is left").
  Who left_to{};
};

/// All kinds, in the order of FindingKind, which is the one in which they are reported and fixed.
[[nodiscard]] std::span<const FindingType> FindingTypes();
[[nodiscard]] const FindingType& TypeOf(FindingKind kind);
/// "the host's administrator", "the guest's administrator" or "the owner of the keys".
[[nodiscard]] std::string_view ToText(Who who);
/// "error" or "warning".
[[nodiscard]] std::string_view ToText(Severity severity);

/// One thing that is wrong.
struct Finding {
  FindingKind kind{};
  /// Its type's; or less, where its kind is not always as bad.
  Severity severity{};
  /// Which variable; nothing where it is the state as a whole.
  std::optional<VariableId> variable;
  /// What is wrong, in sentences. Names of the guest's are in it as valid UTF-8 and otherwise as
  /// they are: escape it for where it goes (text.h).
  std::string explanation;
  /// Whether Fix mends it. Of some kinds only a part can be.
  bool is_fixable = false;
  /// The command that mends it, as one line for a shell; empty where there is none.
  std::string command;
  /// Where one finding is of several certificates, each of them, in words: with another one among
  /// them it is another finding.
  std::vector<std::string> about = {};
};

/// What the daemon of a running VM tells of its work.
struct Running {
  live::SocketName name;
  live::Counts counts;
};

/// A hash of Microsoft's published list of revocations, and the day on which it came into it.
struct ListedRevocation {
  std::string date;  // such as "2026-04-09"
  crypto::Sha256Digest hash{};
};

/// What the state itself does not say.
struct Context {
  /// Whether the host wants Secure Boot for the VM; nothing when nobody can tell.
  std::optional<bool> secure_boot;
  /// Whether it did when the VM was last started. It may be otherwise by now.
  std::optional<bool> secure_boot_at_last_start;
  /// Nothing was ever kept: the VM's next start is its first, and brings the host's keys.
  bool is_first_boot = false;
  /// Seconds since 1970, UTC.
  std::int64_t now = 0;
  /// How the tools name these variables, for Finding::command: a VM's uuid or a file's path.
  std::string target;
  /// `target` is a uuid that the toolstack knows.
  bool is_vm = false;
  /// The signature lists of the newest dbx update, if somebody has given one.
  std::optional<base::Bytes> dbx_update;
  /// Microsoft's list of revocations for x64, if somebody has one that may be newer than what this
  /// program knows; else empty.
  std::vector<ListedRevocation> microsoft_list;
  /// The state is that of a VM which runs.
  std::optional<Running> running;
};

/// All that is wrong with `state`, in the order of FindingKind and, for each, of the entries.
[[nodiscard]] std::vector<Finding> FindingsOf(const State& state, const Context& context);

}  // namespace varstored::health
