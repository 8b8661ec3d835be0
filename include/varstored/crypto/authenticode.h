#pragma once

#include <optional>
#include <span>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/crypto/certificate.h"
#include "varstored/crypto/digest.h"
#include "varstored/crypto/signed_data.h"

/// Signatures inside of programs of EFI and Windows.
namespace varstored::crypto {

/// What an Authenticode signature says of its image (Microsoft's "Windows Authenticode Portable
/// Executable Signature Format": a SignedData over a SpcIndirectDataContent).
struct Authenticode {
  /// The first element of what was read: the signature without what fills its place up.
  base::ByteSpan signed_data;
  /// The contents of the SpcIndirectDataContent, which is what is signed.
  base::ByteSpan content;
  DigestKind digest_kind{};
  base::ByteSpan digest;  // of the image
  /// The certificate that the SignerInfo names by issuer and serial number; nothing when the
  /// message lacks it.
  std::optional<Certificate> signer;
};

/// Reads it: bytes behind its end are passed over, since a WIN_CERTIFICATE is filled up to 8 bytes.
/// The digest is of SHA-1, SHA-256, SHA-384 or SHA-512, as the first of digestAlgorithms says at
/// the place where edk2's HashPeImageByType looks (so a message of 64 KiB or more has none), else
/// the error is kDigestAlgorithm. More than one SignerInfo, or none, is kMalformed. No signature is
/// looked at. All views are of `bytes`.
[[nodiscard]] base::Result<Authenticode, VerifyError> ReadAuthenticode(base::ByteSpan bytes);

/// Verifies the signature over what it says of the image, by the rules of VerifyDetached, but that
/// contentType is SPC_INDIRECT_DATA. Whether that is the image's digest is the caller's to compare.
[[nodiscard]] base::Result<Certificate, VerifyError> VerifyAuthenticode(
    const Authenticode& signature, const Trust& trust);

/// Digest of the parts, one behind the other. It fails only when memory runs out.
[[nodiscard]] base::Result<base::Bytes> Digest(DigestKind kind,
                                               std::span<const base::ByteSpan> parts);

}  // namespace varstored::crypto
