#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/crypto/certificate.h"
#include "varstored/crypto/digest.h"
#include "varstored/efi/guid.h"
#include "varstored/engine/certificate_state.h"
#include "varstored/health/finding.h"

namespace varstored::health {

/// The SignatureOwner of everything that Microsoft publishes.
inline constexpr efi::Guid kMicrosoftOwner =
    *efi::ParseGuid("77fa9abd-0359-4d32-bd60-28f4e78f784b");

/// One of Microsoft's certificates for KEK or db.
struct KnownCertificate {
  engine::MicrosoftCertificate certificate;
  int year = 0;
};

/// The one with this digest; nothing when it is none of Microsoft's.
[[nodiscard]] std::optional<KnownCertificate> FindKnownCertificate(
    const crypto::Sha256Digest& digest);

/// The one for db of 2023 that follows none.
inline constexpr engine::MicrosoftCertificate kOptionRom2023 = {
    "Microsoft Option ROM UEFI CA 2023",
    crypto::DigestFromHex("e5be3e64c6e66a281457ecdece0d6d0787577aad2a3a0144262c10c14ba8d8f1")};

/// A revocation list of Microsoft's for x64, which is cumulative: each holds the one before it.
struct KnownList {
  std::string date;
  std::size_t hashes = 0;       // all of them, to this date
  crypto::Sha256Digest marker;  // one of those that came with it
};

/// What is known of Microsoft's revocation lists: by this program, and by what it was given.
class KnownRevocations {
 public:
  /// `given` is Context::microsoft_list: what is newer than the lists that this program knows is
  /// known, too.
  explicit KnownRevocations(const std::vector<ListedRevocation>& given);

  /// In the order of their dates, the newest last; never none.
  [[nodiscard]] const std::vector<KnownList>& lists() const { return lists_; }
  /// Whether the hash is in one of the lists, of whatever architecture.
  [[nodiscard]] bool Knows(base::ByteSpan sha256) const;

 private:
  std::vector<KnownList> lists_;
  std::set<base::Bytes> given_;
};

/// Why the private half of a certificate's key is known to everybody: its words for people; nothing
/// when that is not known of it.
[[nodiscard]] std::optional<std::string> WhyNotSecret(const crypto::Certificate& certificate);

}  // namespace varstored::health
