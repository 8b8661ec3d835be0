#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/crypto/digest.h"
#include "varstored/engine/certificate_state.h"
#include "varstored/health/finding.h"
#include "varstored/health/known_certificates.h"

namespace varstored::health {

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

}  // namespace varstored::health
