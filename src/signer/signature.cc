#include "varstored/signer/signature.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <openssl/objects.h>
#include <openssl/pem.h>

#include "openssl.h"
#include "private_key.h"
#include "varstored/crypto/signed_data.h"

namespace varstored::signer {

namespace {

constexpr int kMinRsaBits = 2048;

/// Remembers that a passphrase was wanted, and gives none.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*for_writing*/, void* wanted) {
  *static_cast<bool*>(wanted) = true;
  return -1;
}

base::Result<void> CheckRsa(const EVP_PKEY* key) {
  if (key == nullptr) {
    return base::Fail("its public key cannot be read, or is of a kind or size that is not used");
  }
  const char* type = EVP_PKEY_get0_type_name(key);
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
    return base::Fail("its key is " + std::string(type != nullptr ? type : "of an unknown kind") +
                      ", where UEFI wants RSA (UEFI 2.10, 8.2.2)");
  }
  if (EVP_PKEY_get_bits(key) < kMinRsaBits) {
    return base::Fail("its key is RSA of " + std::to_string(EVP_PKEY_get_bits(key)) +
                      " bits, where UEFI wants at least " + std::to_string(kMinRsaBits));
  }
  return {};
}

/// The SignedData by itself, as DER.
base::Result<base::Bytes> EncodeSignedData(const PKCS7& message) {
  unsigned char* none = nullptr;
  const int size = i2d_PKCS7_SIGNED(message.d.sign, nullptr);
  base::Bytes bytes(size > 0 ? static_cast<std::size_t>(size) : 0);
  unsigned char* out = bytes.empty() ? none : bytes.data();
  if (size <= 0 || i2d_PKCS7_SIGNED(message.d.sign, &out) != size) {
    return base::Fail("the signature cannot be encoded");
  }
  return bytes;
}

/// The message of `der`, which is a SignedData, with a ContentInfo around it or without; null when
/// it is neither.
Pkcs7Ptr ParseMessage(base::ByteSpan der) {
  const auto size = static_cast<long>(der.size());
  const unsigned char* in = der.data();
  Pkcs7Ptr message(d2i_PKCS7(nullptr, &in, size));
  if (message != nullptr) {
    const bool is_signed = OBJ_obj2nid(message->type) == NID_pkcs7_signed;
    return is_signed && in == der.data() + der.size() ? std::move(message) : nullptr;
  }
  in = der.data();
  PKCS7_SIGNED* signed_data = d2i_PKCS7_SIGNED(nullptr, &in, size);
  message.reset(PKCS7_new());
  if (signed_data == nullptr || message == nullptr || in != der.data() + der.size()) {
    PKCS7_SIGNED_free(signed_data);
    return nullptr;
  }
  message->type = OBJ_nid2obj(NID_pkcs7_signed);
  message->d.sign = signed_data;
  return message;
}

std::string WhyNotVerified(crypto::VerifyError error) {
  switch (error) {
    case crypto::VerifyError::kSignature:
    case crypto::VerifyError::kSignedAttributes:
      return "it was made over other bytes (variable, inputs, time, owner and kind of the update "
             "have to be the same), or with another key than its certificate's";
    case crypto::VerifyError::kSignerCount:
      return "it does not have exactly one signer";
    case crypto::VerifyError::kDigestAlgorithm:
      return "its digest is none of SHA-256, SHA-384 and SHA-512";
    case crypto::VerifyError::kSignerCertificateMissing:
      return "the signer's certificate is not in it";
    default:
      return "it cannot be used (" + std::string(crypto::VerifyErrorName(error)) + ")";
  }
}

}  // namespace

base::Result<PrivateKey> PrivateKey::Parse(base::ByteSpan file) {
  const OpenSslCall call;
  auto impl = std::make_shared<Impl>();
  if (IsPem(file)) {
    bool passphrase_wanted = false;
    const BioPtr bio = ReaderOf(file);
    impl->key.reset(PEM_read_bio_PrivateKey_ex(bio.get(), nullptr, NoPassphrase, &passphrase_wanted,
                                               nullptr, nullptr));
    if (passphrase_wanted) {
      return base::Fail(
          "the key is protected by a passphrase, and is not decrypted here: sign with `openssl "
          "cms`, "
          "which asks for it, between -o and -s");
    }
  } else {
    const unsigned char* in = file.data();
    impl->key.reset(
        d2i_AutoPrivateKey_ex(nullptr, &in, static_cast<long>(file.size()), nullptr, nullptr));
  }
  if (impl->key == nullptr) {
    return base::Fail("not a private key in PEM or DER");
  }
  return PrivateKey(std::move(impl));
}

base::Result<void> CheckSignerKey(const crypto::Certificate& certificate) {
  const OpenSslCall call;
  const X509Ptr x509 = ToX509(certificate);
  return CheckRsa(x509 != nullptr ? X509_get0_pubkey(x509.get()) : nullptr);
}

base::Result<base::Bytes> Sign(base::ByteSpan content, const PrivateKey& key,
                               const std::vector<crypto::Certificate>& certificates) {
  const OpenSslCall call;
  constexpr int kFlags = PKCS7_BINARY | PKCS7_DETACHED | PKCS7_NOATTR;
  EVP_PKEY* pkey = key.impl().key.get();
  const X509Ptr signer = ToX509(certificates.front());
  if (signer == nullptr) {
    return CheckRsa(nullptr).failure();
  }
  if (X509_check_private_key(signer.get(), pkey) != 1) {
    return base::Fail("the key does not belong to the certificate");
  }
  if (auto fits = CheckRsa(pkey); !fits) {
    return fits.failure();
  }
  const BioPtr bio = ReaderOf(content);
  const Pkcs7Ptr message(PKCS7_sign(nullptr, nullptr, nullptr, bio.get(), kFlags | PKCS7_PARTIAL));
  bool ok = message != nullptr && PKCS7_sign_add_signer(message.get(), signer.get(), pkey,
                                                        EVP_sha256(), kFlags) != nullptr;
  for (std::size_t i = 1; ok && i < certificates.size(); ++i) {
    const X509Ptr further = ToX509(certificates[i]);
    ok = further != nullptr && PKCS7_add_certificate(message.get(), further.get()) == 1;
  }
  if (!ok || PKCS7_final(message.get(), bio.get(), kFlags) != 1) {
    return base::Fail("OpenSSL cannot sign with this key");
  }
  return EncodeSignedData(*message);
}

base::Result<DetachedSignature> ParseSignature(base::ByteSpan file, base::ByteSpan content) {
  const OpenSslCall call;
  base::Bytes der = base::ToBytes(file);
  if (IsPem(file)) {
    auto blocks = ReadPem(file);
    if (!blocks) {
      return blocks.failure();
    }
    der = std::move(blocks->front().content);
  }
  // The walk comes first: a message with a certificate that nobody should decode is refused unread.
  const Pkcs7Ptr message = crypto::MayBeDecoded(der) ? ParseMessage(der) : nullptr;
  if (message == nullptr) {
    return base::Fail("not a PKCS#7 or CMS signature in PEM or DER");
  }
  if (PKCS7_get_detached(message.get()) != 1) {
    return base::Fail("the signature holds what was signed: it has to be made detached");
  }
  auto signed_data = EncodeSignedData(*message);
  if (!signed_data) {
    return signed_data.failure();
  }
  const auto signer = crypto::VerifyDetached(*signed_data, {content}, {.any_signer = true});
  if (!signer) {
    return base::Fail("the signature does not fit: " + WhyNotVerified(signer.error()));
  }
  if (auto fits = CheckSignerKey(*signer); !fits) {
    return base::Fail("the signer: " + fits.error().message);
  }
  const PKCS7_SIGNER_INFO* info =
      sk_PKCS7_SIGNER_INFO_value(PKCS7_get_signer_info(message.get()), 0);
  return DetachedSignature{.signed_data = *std::move(signed_data),
                           .signer = *signer,
                           .has_attributes = info->auth_attr != nullptr};
}

}  // namespace varstored::signer
