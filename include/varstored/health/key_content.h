#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"
#include "varstored/health/finding.h"
#include "varstored/health/state.h"

namespace varstored::health {

/// One of the keys and databases of Secure Boot, and its name for people.
struct KeyRow {
  efi::WellKnownVariable variable;
  std::string_view name;
};

/// PK, KEK, db, dbx, dbt, dbr.
[[nodiscard]] std::span<const KeyRow> KeyRows();

/// PKDefault, KEKDefault, dbDefault, dbxDefault: what the daemon of a running VM shows of the
/// host's keys (docs/engine.md, "Keys of the host").
[[nodiscard]] std::span<const KeyRow> DefaultRows();
/// Whether the record is one of these, or VendorKeys: it takes none of the guest's room.
[[nodiscard]] bool IsServed(const store::Entry& entry);

/// Attributes that each of them has: non-volatile, both accesses, authenticated.
inline constexpr std::uint32_t kKeyAttributes = 0x27;

[[nodiscard]] VariableId IdOf(const store::Entry& entry);
[[nodiscard]] VariableId IdOf(const efi::WellKnownVariable& variable);
[[nodiscard]] bool IsKey(const VariableId& id);
[[nodiscard]] inline bool IsKey(const store::Entry& entry) { return IsKey(IdOf(entry)); }

/// The names of the keys and databases that the records left out would have set, in the order of
/// KeyRows, each once.
[[nodiscard]] std::vector<std::string> KeysLeftOut(const State& state);

/// The record that counts under this name and GUID: the last one. Null when there is none.
[[nodiscard]] const store::Entry* FindEntry(const State& state, std::string_view name,
                                            const efi::Guid& vendor);
[[nodiscard]] inline const store::Entry* FindEntry(const State& state,
                                                   const efi::WellKnownVariable& variable) {
  return FindEntry(state, variable.name, variable.vendor);
}

/// Its data; empty when there is none.
[[nodiscard]] base::ByteSpan DataOf(const State& state, const efi::WellKnownVariable& variable);

/// Such as "SHA-256".
[[nodiscard]] std::string_view KindText(efi::SignatureKind kind);

/// "db" and the like, or the name in UTF-8.
[[nodiscard]] std::string NameOf(const VariableId& id);

/// The lists in `bytes` with each hash once, whoever owns it: the copy of Microsoft's if there is
/// one, else the first. Other entries stay once for each owner. Nothing when the form is broken.
[[nodiscard]] std::optional<base::Bytes> WithoutDoubles(base::ByteSpan bytes);

/// The lists in `bytes` with Microsoft as the owner of Microsoft's certificates, each once. Nothing
/// when the form is broken.
[[nodiscard]] std::optional<base::Bytes> WithOwnerMicrosoft(base::ByteSpan bytes);

/// Whether the content keeps the form that this key wants (UEFI 2.10, 32.3 to 32.5): at least one
/// list, every X.509 entry a certificate, PK exactly one entry, which is a certificate or says that
/// the host manages the keys.
[[nodiscard]] bool HasRightForm(const store::Entry& key);

/// The lists in front of the first whose form is broken, without X.509 entries that are no
/// certificates. Empty when nothing is left.
[[nodiscard]] base::Bytes WithRightForm(base::ByteSpan bytes);

/// The attributes that a record has or, when no call takes those, the nearest that one does.
[[nodiscard]] std::uint32_t ValidAttributes(const store::Entry& entry);

/// Whether a guest can give the record's name: an even number of bytes, no NUL.
[[nodiscard]] bool HasValidName(const store::Entry& entry);

}  // namespace varstored::health
