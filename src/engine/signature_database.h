#pragma once

#include <optional>

#include "special_variables.h"
#include "varstored/base/bytes.h"
#include "varstored/engine/reason.h"

namespace varstored::engine {

/// The rules on the new content of PK, KEK, db, dbx, dbt or dbr (UEFI 2.10, 32.3 to 32.5), whatever
/// the mode: it is a sequence of well-formed lists with at least one entry each, every X.509 entry
/// is a certificate, and PK holds exactly one of those and nothing else. Nothing when all hold.
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
/// list of which nothing is left goes. Nothing when `stored` is no sequence of lists; `incoming` is
/// one.
[[nodiscard]] std::optional<base::Bytes> AppendNewEntries(base::ByteSpan stored,
                                                          base::ByteSpan incoming, SameEntry same);

}  // namespace varstored::engine
