#pragma once

#include <optional>

#include "special_variables.h"
#include "varstored/base/bytes.h"
#include "varstored/engine/reason.h"

namespace varstored::engine {

/// The rules on the new content of PK, KEK, db, dbx, dbt or dbr (UEFI 2.10, 32.3 to 32.5), whatever
/// the mode: it is a sequence of at least one well-formed list, every X.509 entry is a certificate,
/// and PK holds exactly one entry, which is a certificate or says that the host manages the keys.
/// Nothing when all hold.
[[nodiscard]] std::optional<Reason> CheckSignatureDatabase(Special special, base::ByteSpan content);

/// What makes two entries of the same type the same.
enum class SameEntry {
  kOwnerAndData,
  /// For hashes the data alone: the same revocation list, published under two owners, means the
  /// same.
  kHashDataAlone,
};

/// `stored` with the entries of `incoming` behind it that are not in it yet (UEFI 2.10, 8.2.2,
/// APPEND_WRITE on a signature database). What is left of each incoming list keeps one header; a
/// list of which nothing is left, or that had no entry, goes. Nothing when `stored` leaves open
/// where its lists end; `incoming` is well-formed.
[[nodiscard]] std::optional<base::Bytes> AppendNewEntries(base::ByteSpan stored,
                                                          base::ByteSpan incoming, SameEntry same);

}  // namespace varstored::engine
