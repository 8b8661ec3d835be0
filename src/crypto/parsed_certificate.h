#pragma once

#include <memory>

#include "openssl.h"
#include "varstored/base/bytes.h"
#include "varstored/crypto/certificate.h"

namespace varstored::crypto {

/// A certificate as bytes and as OpenSSL's object.
class Certificate::Parsed {
 public:
  /// `der` must be what `x509` was made from, or its encoding. Returns nullptr when tbsCertificate
  /// has no definite length: then it is not DER, and its bytes would end nowhere.
  [[nodiscard]] static std::shared_ptr<const Parsed> Make(X509Ptr x509, base::Bytes der);

  /// For OpenSSL, which takes no const even where it changes nothing but its caches.
  [[nodiscard]] X509* x509() const { return x509_.get(); }
  [[nodiscard]] base::ByteSpan der() const { return der_; }
  [[nodiscard]] base::ByteSpan tbs_der() const { return tbs_der_; }

 private:
  Parsed(X509Ptr x509, base::Bytes der, base::ByteSpan tbs_der)
      : x509_(std::move(x509)), der_(std::move(der)), tbs_der_(tbs_der) {}

  X509Ptr x509_;
  base::Bytes der_;
  base::ByteSpan tbs_der_;  // a part of der_
};

}  // namespace varstored::crypto
