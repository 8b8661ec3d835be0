#pragma once

#include "certificate_form.h"
#include "openssl.h"
#include "varstored/base/bytes.h"
#include "varstored/crypto/certificate.h"

namespace varstored::crypto {

/// A certificate as bytes, and where its parts are.
class Certificate::Parsed {
 public:
  /// `form` is of `der`, and its views are of those very bytes. A vector keeps its buffer when it
  /// is moved, so they stay right.
  Parsed(base::Bytes der, const CertificateForm& form) : der_(std::move(der)), form_(form) {}

  [[nodiscard]] base::ByteSpan der() const { return der_; }
  [[nodiscard]] const CertificateForm& form() const { return form_; }

 private:
  base::Bytes der_;
  CertificateForm form_;
};

/// The name that the whole of `element` is; null when it is none, or when memory runs out. That
/// costs no more than a walk over the bytes.
[[nodiscard]] NamePtr DecodeName(base::ByteSpan element);

/// The certificate as OpenSSL's object, with its key. Null when it must not be decoded
/// (certificate_form.h), when OpenSSL finds a fault, or when memory runs out.
[[nodiscard]] X509Ptr Decode(const Certificate& certificate);

}  // namespace varstored::crypto
