#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "varstored/base/bytes.h"
#include "varstored/crypto/digest.h"

namespace varstored::engine {

/// The variables that hold certificates which expire.
enum class CertificateHolder : std::uint8_t { kKek, kDb };

/// A certificate of Microsoft's, known by the SHA-256 of its DER form.
struct MicrosoftCertificate {
  std::string_view name;  // its commonName
  crypto::Sha256Digest digest{};
};

/// A certificate of 2011, which expires in 2026, and the one of 2023 that takes its place.
struct Succession {
  CertificateHolder holder{};
  MicrosoftCertificate old_certificate;
  MicrosoftCertificate successor;
};

/// All of them.
[[nodiscard]] std::span<const Succession> Successions();

/// Whether these signature lists of that variable hold a certificate of 2011. A variable that holds
/// none is its owner's own affair.
[[nodiscard]] bool HoldsCertificateOf2011(CertificateHolder holder, base::ByteSpan lists);

/// Whether a VM follows the change of Microsoft's certificates in 2026 (docs/engine.md,
/// "Certificates of 2011 and 2023").
enum class CertificateState : std::uint8_t {
  kUpToDate,        // "update_ok"
  kUpdateRequired,  // "update_required"
};

/// The state of a VM whose KEK and db hold these signature lists; empty for a variable that is
/// absent. An update is required when a certificate of 2011 is in its variable and its successor of
/// 2023 is not. A VM without these variables, or with keys of its own only, is up to date.
[[nodiscard]] CertificateState CertificateStateOf(base::ByteSpan kek, base::ByteSpan db);

/// The same as a yes or no.
[[nodiscard]] bool AreCertificatesUpToDate(base::ByteSpan kek, base::ByteSpan db);

/// Whether these contents of KEK and db hold a certificate of 2011, and no successor of any.
[[nodiscard]] bool HoldOnlyCertificatesOf2011(base::ByteSpan kek, base::ByteSpan db);

}  // namespace varstored::engine
