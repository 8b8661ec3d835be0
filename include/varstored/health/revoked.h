#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/crypto/digest.h"
#include "varstored/efi/signature_list.h"
#include "varstored/health/finding.h"
#include "varstored/health/report.h"
#include "varstored/health/state.h"

namespace varstored::health {

/// The SignatureOwner under which Microsoft puts minimum versions into dbx.
inline constexpr efi::Guid kVersionsOwner = *efi::ParseGuid("9d132b6c-59d5-4388-ab1c-185c3cb2eb92");

/// How MinimumVersion::program calls the boot manager of Windows.
inline constexpr std::string_view kWindowsBootManager = "Windows boot manager";

/// Whether an entry is a minimum version, and not the hash that its kind says.
[[nodiscard]] bool IsVersion(efi::SignatureKind kind, const efi::SignatureEntry& entry);

/// The minimum versions in these lists, in their order.
[[nodiscard]] std::vector<MinimumVersion> VersionsIn(const std::vector<efi::SignatureList>& lists);

/// How a certificate is revoked.
struct Revocation {
  RevokedBy by = RevokedBy::kNothing;
  /// The day of an entry that has a TimeOfRevocation, else empty: what was signed before it, and
  /// proves that under a certificate in dbt, is still taken.
  std::string since;
};

/// What dbx says of entries of db. To make it takes time in proportion to dbx (times a logarithm),
/// to ask it time in proportion to what is asked about.
class RevokedEntries {
 public:
  explicit RevokedEntries(const State& state);

  [[nodiscard]] Revocation Of(base::ByteSpan certificate) const;
  /// By the hash of a tbsCertificate alone, whose bytes are `tbs`.
  [[nodiscard]] Revocation OfTbs(base::ByteSpan tbs) const;
  /// Whether there is an entry of this kind, which is one without a time, with this digest.
  [[nodiscard]] bool Holds(efi::SignatureKind kind, base::ByteSpan digest) const;
  [[nodiscard]] bool has_dbx() const { return has_dbx_; }
  [[nodiscard]] bool has_dbt() const { return has_dbt_; }
  /// Whether an entry, of whatever kind, lets nothing start: it is revoked for all times, or a time
  /// cannot be proved since there is no dbt.
  [[nodiscard]] bool IsUseless(efi::SignatureKind kind, const efi::SignatureEntry& entry) const;

 private:
  using Digests = std::map<base::Bytes, std::string>;  // and the day, if there is one

  [[nodiscard]] Revocation Find(std::optional<base::ByteSpan> tbs,
                                std::optional<base::ByteSpan> whole) const;
  [[nodiscard]] std::optional<Revocation> Find(efi::SignatureKind kind, RevokedBy by,
                                               crypto::DigestKind digest,
                                               base::ByteSpan bytes) const;

  std::set<crypto::Sha256Digest> certificates_;
  /// By the kind of the entries.
  std::map<efi::SignatureKind, Digests> digests_;
  bool has_dbx_ = false;
  bool has_dbt_ = false;
};

/// What dbx holds, and how that compares with Microsoft's lists and with Context::dbx_update.
[[nodiscard]] Revocations RevocationsOf(const State& state, const Context& context);

}  // namespace varstored::health
