#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/store/store.h"
#include "varstored/store/variable.h"

namespace varstored::store {

/// The most bytes that are loaded as records, those of the engine's own variables left out.
inline constexpr std::size_t kMaxLoadedBytes = std::size_t{1024} * 1024;
/// The largest input that is looked at, in bytes: there is room for the engine's own beside that.
inline constexpr std::size_t kMaxBlobBytes = kMaxLoadedBytes + 4096;

/// The limits of what is loaded, record by record. The engine puts nine variables of its own beside
/// what was loaded, in the place of older ones, and they are saved and kept with it. They have room
/// of their own: whatever keeps these limits keeps them again after it was served.
class LoadLimits {
 public:
  /// Counts a record. The error says which limit it is over; then it is not counted.
  [[nodiscard]] base::Result<void> Add(const Key& key, std::size_t data_bytes);

 private:
  struct Sum {
    std::size_t variables = 0;
    std::size_t bytes = 0;
  };

  Sum all_;
  Sum others_;
};

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
