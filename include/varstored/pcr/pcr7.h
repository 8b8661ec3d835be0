#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/crypto/digest.h"
#include "varstored/efi/guid.h"
#include "varstored/store/store.h"
#include "varstored/store/variable.h"

/// What a firmware measures into PCR 7 of a TPM because of a VM's variables (TCG PC Client Platform
/// Firmware Profile 1.06, 3.3.4.8), as EDK II does it. Pure functions.
namespace varstored::pcr {

/// The banks that are computed, each a TPM's registers for one digest.
inline constexpr std::array<crypto::DigestKind, 3> kBanks = {
    crypto::DigestKind::kSha1, crypto::DigestKind::kSha256, crypto::DigestKind::kSha384};

/// "sha1", "sha256" or "sha384", as tpm2-tools and systemd write it; one of kBanks.
[[nodiscard]] std::string_view BankName(crypto::DigestKind bank);
/// The reverse; nothing for another name.
[[nodiscard]] std::optional<crypto::DigestKind> BankOf(std::string_view name);

/// The events of PCR 7 by their number in an event log (TCG PC Client Platform Firmware Profile
/// 1.06, table 27).
enum class EventType : std::uint32_t {
  kSeparator = 0x00000004,
  kVariableDriverConfig = 0x80000001,
  kVariableAuthority = 0x800000E0,
};

/// "EV_SEPARATOR" and the like.
[[nodiscard]] std::string_view ToText(EventType type);

/// One measurement. All of its data are what is digested, for each of the three types.
struct Event {
  EventType type{};
  /// UTF-16LE bytes, held in characters; empty for a separator, which has no vendor either.
  std::string name = {};
  efi::Guid vendor = {};
  base::Bytes data = {};

  [[nodiscard]] bool operator==(const Event&) const = default;
};

/// What let a boot loader start: the entry of a key variable by which the firmware trusted it.
struct Authority {
  std::string name;  // of the variable, db: UTF-16LE bytes, held in characters
  efi::Guid vendor;
  /// The EFI_SIGNATURE_DATA (UEFI 2.10, 32.4.1): the owner's GUID, and a certificate or a hash.
  base::Bytes signature_data;

  [[nodiscard]] bool operator==(const Authority&) const = default;
};

/// What is measured from `entries`, of which the last with the same name and GUID counts, before a
/// boot loader is looked for, in order: SecureBoot, PK, KEK, db, dbx, then dbt where it is there,
/// and the separator. A variable that is absent is measured with no data, but for dbt; dbr never
/// is. SecureBoot is 1 where the host wants Secure Boot and there is a PK, whatever is stored under
/// that name: the firmware asks varstored, which computes it.
[[nodiscard]] std::vector<Event> PcrEvents(std::span<const store::Entry> entries,
                                           bool wants_secure_boot);
/// The same of a store.
[[nodiscard]] std::vector<Event> PcrEvents(const store::Store& store, bool wants_secure_boot);

/// What is measured behind the separator for loaders that these authorities let start, in the order
/// in which they start. Each different one is measured once. A firmware whose Secure Boot is off
/// measures none.
[[nodiscard]] std::vector<Event> AuthorityEvents(std::span<const Authority> authorities);

/// The authority that the entry of db with these digits is: the SHA-256 of its certificate, or the
/// hash that it is, in hexadecimal digits, with or without colons. The error says that none has
/// them, or that db is malformed.
[[nodiscard]] base::Result<Authority> AuthorityInDb(std::span<const store::Entry> entries,
                                                    std::string_view digits);

/// The digest of `event` in a bank. It fails only when memory runs out.
[[nodiscard]] base::Result<base::Bytes> DigestOf(const Event& event, crypto::DigestKind bank);

/// PCR 7 of a bank after these events: it begins with zeros, and each extends it (TPM 2.0 Library,
/// part 1, 11.4.7). It fails only when memory runs out.
[[nodiscard]] base::Result<base::Bytes> ValueAfter(std::span<const Event> events,
                                                   crypto::DigestKind bank);

/// What an administrator is told of a change of variables, as one line without its end: whether a
/// start after it gives PCR 7 another value than one before it. These are the same value exactly
/// when they are the same events, since each event is digested whole, and in this order.
[[nodiscard]] std::string WordsOnChange(std::span<const Event> before,
                                        std::span<const Event> after);
/// The same of what is known otherwise, as of keys that were lost.
[[nodiscard]] std::string WordsOnChange(bool changes);

}  // namespace varstored::pcr
