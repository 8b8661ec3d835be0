#pragma once

#include <memory>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/crypto/certificate.h"

namespace varstored::signer {

/// A private key. Copies share it.
class PrivateKey {
 public:
  /// A PEM or DER file with one unencrypted key. For one that a passphrase protects the error says
  /// what to do: asking for it would be one more way for it to leak.
  [[nodiscard]] static base::Result<PrivateKey> Parse(base::ByteSpan file);

  /// For this room's own use.
  struct Impl;
  explicit PrivateKey(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  [[nodiscard]] const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Whether a firmware can be expected to verify signatures of this certificate's key: RSA of at
/// least 2048 bits (UEFI 2.10, 8.2.2). The error says what it is instead.
[[nodiscard]] base::Result<void> CheckSignerKey(const crypto::Certificate& certificate);

/// Signs `content` as UEFI 2.10, 8.2.2 asks: a DER SignedData (PKCS#7 version 1.5) without a
/// ContentInfo around it and without the content, with one SHA-256 signature without attributes.
/// `certificates` are put into it; the first is the signer's, and `key` must be its key. The key
/// must do for CheckSignerKey.
[[nodiscard]] base::Result<base::Bytes> Sign(base::ByteSpan content, const PrivateKey& key,
                                             const std::vector<crypto::Certificate>& certificates);

/// A signature that was made elsewhere.
struct DetachedSignature {
  base::Bytes signed_data;      // DER, without a ContentInfo
  crypto::Certificate signer;   // whose signature it is
  bool has_attributes = false;  // signed ones, which UEFI 2.10, 8.2.2 does not want
};

/// Takes a PKCS#7 or CMS signature in PEM or DER, with or without a ContentInfo, and checks that it
/// is a good one over `content`, that its signer's certificate is inside, and that this one's key
/// does for CheckSignerKey. Who the signer is, is the caller's business.
[[nodiscard]] base::Result<DetachedSignature> ParseSignature(base::ByteSpan file,
                                                             base::ByteSpan content);

}  // namespace varstored::signer
