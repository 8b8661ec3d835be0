#pragma once

#include <memory>
#include <string>
#include <vector>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/crypto/certificate.h"

/// What this room needs of OpenSSL: owners for its objects, its initialisation, and PEM.
namespace varstored::signer {

template <auto kFree>
struct OpenSslDeleter {
  template <class T>
  void operator()(T* object) const noexcept {
    kFree(object);
  }
};

using BioPtr = std::unique_ptr<BIO, OpenSslDeleter<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpenSslDeleter<EVP_PKEY_free>>;
using Pkcs7Ptr = std::unique_ptr<PKCS7, OpenSslDeleter<PKCS7_free>>;
using X509Ptr = std::unique_ptr<X509, OpenSslDeleter<X509_free>>;

/// Keeps OpenSSL from reading the host's configuration, as the room crypto does: the host's
/// settings are not to change what is signed. The error queue is empty at the end.
class OpenSslCall {
 public:
  OpenSslCall();
  ~OpenSslCall();
  OpenSslCall(const OpenSslCall&) = delete;
  OpenSslCall& operator=(const OpenSslCall&) = delete;
};

/// A BIO that reads `bytes`, which outlive it.
[[nodiscard]] BioPtr ReaderOf(base::ByteSpan bytes);

/// The same certificate as OpenSSL's object; null when it must not be decoded, or cannot be.
[[nodiscard]] X509Ptr ToX509(const crypto::Certificate& certificate);

/// One block of a PEM file.
struct PemBlock {
  std::string name;  // such as CERTIFICATE
  base::Bytes content;
};

/// Whether a PEM block begins somewhere.
[[nodiscard]] bool IsPem(base::ByteSpan file);

/// Every block of a PEM file, of which there is one. The text around them is passed over.
[[nodiscard]] base::Result<std::vector<PemBlock>> ReadPem(base::ByteSpan file);

}  // namespace varstored::signer
