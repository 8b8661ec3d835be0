#pragma once

#include <cstddef>
#include <optional>

#include "varstored/base/bytes.h"

/// What a certificate is made of, read by ourselves and without decoding its key. It decides what
/// OpenSSL may see at all (docs/engine.md, "What a certificate may cost").
namespace varstored::crypto {

/// The parts of a certificate (RFC 5280, 4.1), as whole elements. Views of its bytes.
struct CertificateForm {
  base::ByteSpan tbs;  // always of definite length
  base::ByteSpan serial;
  base::ByteSpan issuer;
  base::ByteSpan not_after;
  base::ByteSpan subject;
  base::ByteSpan key;  // SubjectPublicKeyInfo
  bool has_costly_extension = false;
};

/// The largest certificate that is decoded. Those of signed updates have up to 2 KiB.
inline constexpr std::size_t kMaxDecodedBytes = 8192;
inline constexpr std::size_t kMaxRsaBits = 8192;
inline constexpr std::size_t kMaxExponentBytes = 8;

/// The certificate that the whole of `der` is; nothing when it is not well-formed. Its elements are
/// walked down to the parts of a name, a key's algorithm and each extension, and no further. Linear
/// in the size.
[[nodiscard]] std::optional<CertificateForm> ReadCertificateForm(base::ByteSpan der);

/// How many octets the exponent of its RSA key has; 0 for another key.
[[nodiscard]] std::size_t ExponentBytes(const CertificateForm& form);

/// Whether the certificate may be handed to OpenSSL: its size is bounded, its key is RSA (also for
/// RSASSA-PSS only) of up to kMaxRsaBits with an odd modulus and an exponent of up to
/// kMaxExponentBytes, or one of P-256, P-384 and P-521 by name and as an uncompressed point, and it
/// has none of the extensions whose check takes a time that grows with a product of sizes.
[[nodiscard]] bool MayBeDecoded(base::ByteSpan der, const CertificateForm& form);

}  // namespace varstored::crypto
