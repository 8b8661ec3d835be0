#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "varstored/crypto/certificate.h"
#include "varstored/crypto/digest.h"
#include "varstored/efi/guid.h"
#include "varstored/engine/certificate_state.h"

/// What everybody knows of certificates: Microsoft's, and those whose private key is public.
namespace varstored::health {

/// The SignatureOwner of everything that Microsoft publishes.
inline constexpr efi::Guid kMicrosoftOwner =
    *efi::ParseGuid("77fa9abd-0359-4d32-bd60-28f4e78f784b");

/// One of Microsoft's certificates for KEK or db.
struct KnownCertificate {
  engine::MicrosoftCertificate certificate;
  int year = 0;
  engine::CertificateHolder holder{};
  /// Where Microsoft publishes it, as DER.
  std::string_view url;
  /// For the firmware of adapters alone: most VMs do without.
  bool is_optional = false;
};

/// All of them: those of KEK first, each of 2011 in front of its successor.
[[nodiscard]] std::span<const KnownCertificate> MicrosoftCertificates();

/// The one with this digest; nothing when it is none of Microsoft's.
[[nodiscard]] std::optional<KnownCertificate> FindKnownCertificate(
    const crypto::Sha256Digest& digest);

/// Why the private half of a certificate's key is known to everybody: its words for people; nothing
/// when that is not known of it.
[[nodiscard]] std::optional<std::string> WhyNotSecret(const crypto::Certificate& certificate);

}  // namespace varstored::health
