#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/crypto/certificate.h"

namespace varstored::crypto {

/// Whom to believe. Any one of the three is enough, and nobody is believed when all are empty.
struct Trust {
  /// The signer's certificate is one of these, byte for byte. No chain is built.
  std::vector<Certificate> equals = {};
  /// The signer's certificate is one of these, or chains to one of these through certificates of
  /// the message. The chain ends at the anchor, whoever issued that.
  std::vector<Certificate> anchors = {};
  /// Whoever signed.
  bool any_signer = false;
};

/// Why a SignedData was refused.
enum class VerifyError {
  kMalformed,                 // not a SignedData, or bytes behind it
  kTooManyCertificates,       // more than kMaxCertificates
  kSignerCount,               // not exactly one SignerInfo
  kDigestAlgorithm,           // the SignerInfo's digest is none of SHA-256, SHA-384, SHA-512
  kSignedAttributes,          // there are some, but they do not fit the content
  kSignerCertificateMissing,  // the certificate that the SignerInfo names is not in the message
  kCertificateNotAllowed,     // the signer's certificate must not be decoded
  kSignatureAlgorithm,        // does not fit the signer's key or the digest
  kSignature,                 // is not the signer's over this content
  kUntrusted,                 // a good signature of somebody who is not in Trust
  kOutOfMemory,
};

/// The error's name for logs and counters, such as "signer_untrusted". These names are stable.
[[nodiscard]] std::string_view VerifyErrorName(VerifyError error);

/// How many certificates a message may bring. Signed updates bring one or two; each further one is
/// a candidate when a chain is built.
inline constexpr std::size_t kMaxCertificates = 16;

/// Verifies a detached signature (UEFI 2.10, 8.2.2: PKCS#7 version 1.5 SignedData, RFC 2315) over
/// the concatenated parts of `content`, and returns the signer's certificate. Of kUntrusted
/// `untrusted`, when there is one, is set to it.
///
/// The message: SignedData by itself or inside of a ContentInfo, in every form of the lengths that
/// BER knows, without trailing bytes. Content inside of it is ignored: the signature counts for
/// `content` only. There is exactly one SignerInfo. The signer's certificate is the one that it
/// names by issuer and serial number, which must be in the message, at any position; where several
/// answer to that name, it is the one whose key made the signature.
/// Its digest is SHA-256, SHA-384 or SHA-512. Signed attributes, when there, must hold contentType
/// (data) and messageDigest once each. Keys are those of Certificate::may_be_decoded, RSA with the
/// padding of PKCS #1 v1.5 or PSS.
///
/// The signer: who `trust` says. Time, extended key usage, revocation lists and the strength of
/// keys and digests play no part. Certificates between the signer and an anchor, and an anchor that
/// is not the signer itself, must be allowed to issue others (RFC 5280: basicConstraints, key
/// usage, critical extensions); an anchor's own signature is not looked at.
///
/// Work is bounded for every message: it is walked first, only certificates with a name that is
/// looked for are decoded, and a fixed number of signatures is checked (src/crypto/chain.h).
[[nodiscard]] base::Result<Certificate, VerifyError> VerifyDetached(
    base::ByteSpan signed_data, std::initializer_list<base::ByteSpan> content, const Trust& trust,
    std::optional<Certificate>* untrusted = nullptr);

/// Whether `signed_data` is a SignedData, of however many signers, and each certificate in it may
/// be decoded: for whoever hands the message to a library that decodes all of them.
[[nodiscard]] bool MayBeDecoded(base::ByteSpan signed_data);

}  // namespace varstored::crypto
