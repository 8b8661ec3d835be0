#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "varstored/base/bytes.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/time.h"
#include "varstored/efi/variable_name.h"

namespace varstored::store {

/// SHA-256 over the identity of the certificate that may write a private authenticated variable;
/// all zero for every other variable (docs/engine.md, "Authority").
using SignerDigest = std::array<std::uint8_t, 32>;

/// The most bytes that one variable's data may have, also after an append.
inline constexpr std::size_t kMaxDataBytes = 57344;
/// The most variables that a guest can fill a store up to, computed and volatile ones too; and the
/// most that are loaded besides the engine's own.
inline constexpr std::size_t kMaxVariables = 1024;
/// The most that a store holds: one that was full before this program saw it has the engine's own
/// variables beside that, nine of them. What is kept or saved of it can be loaded again.
inline constexpr std::size_t kMaxEntries = kMaxVariables + 16;
/// What one variable costs besides its name and its data, in bytes.
inline constexpr std::size_t kOverheadBytes = 128;

/// A variable that keeps today's rules.
struct Variable {
  efi::VariableName name;
  efi::Guid vendor;
  efi::Attributes attributes;  // never APPEND_WRITE
  base::Bytes data;            // 1 to kMaxDataBytes bytes
  efi::Time timestamp = {};
  SignerDigest signer = {};

  [[nodiscard]] bool operator==(const Variable&) const = default;
};

/// A record that an older daemon stored and that breaks a rule of today: a name of odd length or
/// with a NUL inside, attributes that no call takes, data over kMaxDataBytes. A guest may read it,
/// delete it and shrink it, so that no VM is lost to its own variables; it never grows
/// (docs/formats.md, "Records of older daemons").
struct LegacyRecord {
  std::string name;  // bytes, 1 to efi::kMaxNameBytes
  efi::Guid vendor;
  std::uint32_t attributes = 0;
  base::Bytes data;  // at least 1 byte
  efi::Time timestamp = {};
  SignerDigest signer = {};

  [[nodiscard]] bool operator==(const LegacyRecord&) const = default;
};

/// What a store holds under one name and GUID.
class Entry {
 public:
  // Implicit: an entry is nothing more than one of the two.
  Entry(Variable variable)  // NOLINT(google-explicit-constructor)
      : held_(std::move(variable)) {}
  Entry(LegacyRecord record)  // NOLINT(google-explicit-constructor)
      : held_(std::move(record)) {}

  /// The variable, or null for a record that breaks today's rules.
  [[nodiscard]] const Variable* variable() const { return std::get_if<Variable>(&held_); }
  [[nodiscard]] bool is_legacy() const { return variable() == nullptr; }

  /// UTF-16LE bytes, held in characters.
  [[nodiscard]] std::string_view name() const;
  [[nodiscard]] const efi::Guid& vendor() const;
  /// All bits as they are stored.
  [[nodiscard]] std::uint32_t raw_attributes() const;
  [[nodiscard]] bool Has(efi::AttributeBit bit) const { return (raw_attributes() & bit) != 0; }
  [[nodiscard]] const base::Bytes& data() const;
  [[nodiscard]] const efi::Time& timestamp() const;
  [[nodiscard]] const SignerDigest& signer() const;

  /// What it takes of the store's quota: name + data + kOverheadBytes.
  [[nodiscard]] std::size_t used_bytes() const {
    return name().size() + data().size() + kOverheadBytes;
  }

  [[nodiscard]] bool operator==(const Entry&) const = default;

 private:
  std::variant<Variable, LegacyRecord> held_;
};

/// An entry of the fields that a stored record has: a Variable when they keep today's rules, else a
/// LegacyRecord. `name` has 1 to efi::kMaxNameBytes bytes and `record.data` is not empty; callers
/// check that, because a record without name or data is refused.
[[nodiscard]] Entry MakeEntry(LegacyRecord record);

}  // namespace varstored::store
