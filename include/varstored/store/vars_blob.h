#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/store/store.h"
#include "varstored/store/variable.h"

namespace varstored::store {

/// The largest input that is looked at, in bytes.
inline constexpr std::size_t kMaxBlobBytes = std::size_t{1024} * 1024;

/// The content of a `VARS` blob (docs/formats.md).
struct VarsBlob {
  std::uint32_t version = 2;
  /// All zero in version 1, which has no such part.
  Ancillary ancillary;
  /// In the order of the blob. Of records with the same name and GUID the last one, in the place of
  /// the first.
  std::vector<Entry> entries;
  /// The records that a later one of the same name and GUID took the place of.
  std::vector<Entry> replaced;
};

/// Reads versions 1 and 2. The error names the offset of the field that is wrong, and the reason.
/// Entries that break today's rules are no error (see LegacyRecord).
[[nodiscard]] base::Result<VarsBlob> DecodeVarsBlob(base::ByteSpan bytes);

/// Writes version 2: `ancillary`, and every entry of `entries` in that order.
[[nodiscard]] base::Bytes EncodeVarsBlob(const Ancillary& ancillary,
                                         const std::vector<const Entry*>& entries);

}  // namespace varstored::store
