#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/efi/guid.h"
#include "varstored/store/store.h"
#include "varstored/store/variable.h"

/// What is known of a VM's variables as a whole: what is in them, what is wrong, and how it is put
/// right. Pure functions; reading, writing and asking are other rooms'.
namespace varstored::health {

/// The address of a variable.
struct VariableId {
  std::string name;  // UTF-16LE bytes, held in characters
  efi::Guid vendor;

  [[nodiscard]] bool operator==(const VariableId&) const = default;
};

/// Something of a `VARS` blob that could not be read, or does not fit the rest.
struct Damage {
  /// Where in the blob, and how many bytes are lost there; 0 where only a number is wrong.
  std::size_t offset = 0;
  std::size_t bytes = 0;
  std::string reason;
  /// The variable that is left out, where a record is.
  std::optional<VariableId> left_out = {};
};

/// The variables of a VM as they are kept, with all that is wrong with them.
struct State {
  /// In the order in which they are kept. Of records with the same name and GUID the last one
  /// counts; all of them are here.
  std::vector<store::Entry> entries;
  store::Ancillary ancillary;
  /// Empty when everything could be read.
  std::vector<Damage> damage;
};

/// Reads a `VARS` blob, raw, record by record (docs/formats.md, "The VARS blob"). There is no
/// damage exactly when store::DecodeVarsBlob takes the blob. Otherwise as much as can be told apart
/// is saved: the records before the damage, and behind it those that look like records. Keys and
/// other authenticated variables behind damage are left out, because the bytes of another variable,
/// which a guest wrote, may look like one. Takes time in proportion to the size.
[[nodiscard]] State ReadState(base::ByteSpan blob);

/// The same from base64, as a toolstack keeps it. Of text that is no base64 what stands in front of
/// the fault is read, and the fault is damage.
[[nodiscard]] State ReadStateFromText(std::string_view base64);

/// `state` as a `VARS` blob of version 2, raw: every entry, in order.
[[nodiscard]] base::Bytes EncodeState(const State& state);

}  // namespace varstored::health
