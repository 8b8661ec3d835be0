#pragma once

#include <cstdint>
#include <string>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/crypto/certificate.h"
#include "varstored/signer/signature.h"

namespace varstored::signer {

/// A private key that was made just now, and its certificate.
struct NewKey {
  PrivateKey key;
  crypto::Certificate certificate;
};

/// Makes an RSA key of 2048 bits, which every firmware takes (UEFI 2.10, 8.2.2), and a certificate
/// of it that signs itself: SHA-256, the subject `common_name`, valid from `now` (seconds since
/// 1970) for twenty years. It takes some tenths of a second.
[[nodiscard]] base::Result<NewKey> MakeKey(const std::string& common_name, std::int64_t now);

/// The key as PEM (PKCS #8), not encrypted: PrivateKey::Parse reads it. Whoever gets the bytes
/// clears them (crypto::Cleanse).
[[nodiscard]] base::Result<base::Bytes> KeyToPem(const PrivateKey& key);

/// The certificate as PEM.
[[nodiscard]] base::Result<base::Bytes> CertificateToPem(const crypto::Certificate& certificate);

}  // namespace varstored::signer
