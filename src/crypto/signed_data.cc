// The message is parsed with OpenSSL's PKCS7 types and verified with EVP. PKCS7 and not CMS: the
// specification asks for PKCS#7 version 1.5, and a bare SignedData is a type of its own there, so
// that nothing has to be wrapped by hand. Not PKCS7_verify(): it makes one digest of the content
// for each algorithm that the message lists, which may be thousands; it does not look at
// digestEncryptionAlgorithm and at the contentType attribute; and it takes the first certificate
// that has the signer's name.

#include "varstored/crypto/signed_data.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include <openssl/asn1t.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>

#include "chain.h"
#include "openssl.h"
#include "parsed_certificate.h"

namespace varstored::crypto {
namespace {

using Parts = std::span<const base::ByteSpan>;

base::Failure<VerifyError> Refuse(VerifyError error) {
  return {OpenSslCall::RanOutOfMemory() ? VerifyError::kOutOfMemory : error};
}

struct DigestAlgorithm {
  int nid;
  const char* name;
};

// UEFI 2.10, 8.2.2 names SHA-256; current firmware also takes SHA-384 and SHA-512.
constexpr std::array<DigestAlgorithm, 3> kDigestAlgorithms = {{
    {NID_sha256, "SHA256"},
    {NID_sha384, "SHA384"},
    {NID_sha512, "SHA512"},
}};

int AlgorithmNid(const X509_ALGOR* algorithm) {
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
  return OBJ_obj2nid(object);
}

const DigestAlgorithm* FindDigestAlgorithm(const PKCS7_SIGNER_INFO& signer) {
  const int nid = AlgorithmNid(signer.digest_alg);
  const auto* found = std::ranges::find(kDigestAlgorithms, nid, &DigestAlgorithm::nid);
  return found != kDigestAlgorithms.end() ? found : nullptr;
}

base::ByteSpan Octets(const ASN1_STRING* string) {
  return {ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string))};
}

SignedDataPtr ParseBare(base::ByteSpan bytes) {
  const unsigned char* in = bytes.data();
  SignedDataPtr message(d2i_PKCS7_SIGNED(nullptr, &in, static_cast<long>(bytes.size())));
  return in == bytes.data() + bytes.size() ? std::move(message) : nullptr;
}

SignedDataPtr ParseWrapped(base::ByteSpan bytes) {
  const unsigned char* in = bytes.data();
  const Pkcs7Ptr wrapped(d2i_PKCS7(nullptr, &in, static_cast<long>(bytes.size())));
  if (wrapped == nullptr || in != bytes.data() + bytes.size() ||
      OBJ_obj2nid(wrapped->type) != NID_pkcs7_signed) {
    return nullptr;
  }
  return SignedDataPtr(std::exchange(wrapped->d.sign, nullptr));
}

// The two begin with different types, INTEGER and OBJECT IDENTIFIER, so at most one parses.
SignedDataPtr ParseSignedData(base::ByteSpan bytes) {
  SignedDataPtr message = ParseBare(bytes);
  return message != nullptr ? std::move(message) : ParseWrapped(bytes);
}

// The value of the attribute, which must be there once and have one value of this ASN.1 type.
template <class T>
const T* OnlyValue(const STACK_OF(X509_ATTRIBUTE) * attributes, int attribute_nid, int type) {
  constexpr int kOnceWithOneValue = -3;
  return static_cast<const T*>(
      X509at_get0_data_by_OBJ(attributes, OBJ_nid2obj(attribute_nid), kOnceWithOneValue, type));
}

// RFC 2315, 9.2: with attributes, there must be the type of the content and its digest.
bool AttributesFitContent(const STACK_OF(X509_ATTRIBUTE) * attributes, const char* digest_name,
                          Parts content) {
  const auto* type = OnlyValue<ASN1_OBJECT>(attributes, NID_pkcs9_contentType, V_ASN1_OBJECT);
  const auto* digest =
      OnlyValue<ASN1_STRING>(attributes, NID_pkcs9_messageDigest, V_ASN1_OCTET_STRING);
  if (type == nullptr || OBJ_obj2nid(type) != NID_pkcs7_data || digest == nullptr) {
    return false;
  }
  const std::optional<DigestValue> computed = DigestOf(digest_name, content);
  return computed.has_value() && std::ranges::equal(computed->bytes(), Octets(digest));
}

// What is signed when there are attributes: their DER encoding as a SET OF (RFC 2315, 9.3).
std::optional<base::Bytes> EncodeAttributes(const STACK_OF(X509_ATTRIBUTE) * attributes) {
  const void* untyped = attributes;
  const auto* value = static_cast<const ASN1_VALUE*>(untyped);
  const ASN1_ITEM* item = ASN1_ITEM_rptr(PKCS7_ATTR_VERIFY);
  const int size = ASN1_item_i2d(value, nullptr, item);
  if (size <= 0) {
    return std::nullopt;
  }
  base::Bytes bytes(static_cast<std::size_t>(size));
  unsigned char* out = bytes.data();
  return ASN1_item_i2d(value, &out, item) == size ? std::optional(std::move(bytes)) : std::nullopt;
}

enum class Padding { kOfTheKey, kPss };

// How digestEncryptionAlgorithm wants to be verified with `key`; nothing when it does not fit. It
// is the key's own algorithm (rsaEncryption) or one that names a digest too
// (sha256WithRSAEncryption), which must then be the one of digestAlgorithm.
std::optional<Padding> PaddingFor(const PKCS7_SIGNER_INFO& signer, int digest_nid,
                                  const EVP_PKEY* key) {
  const int algorithm = AlgorithmNid(signer.digest_enc_alg);
  int named_digest = NID_undef;
  int named_key = algorithm;
  if (OBJ_find_sigid_algs(algorithm, &named_digest, &named_key) == 1 && named_digest != NID_undef &&
      named_digest != digest_nid) {
    return std::nullopt;
  }
  const int key_type = EVP_PKEY_get_base_id(key);
  // RSASSA-PSS names its digest and mask in parameters. They are not read: with anything else than
  // the SignerInfo's digest for both, the signature does not verify. A key that is for PSS only
  // pads so by itself.
  if (algorithm == NID_rsassaPss && key_type == EVP_PKEY_RSA) {
    return Padding::kPss;
  }
  return named_key == key_type ? std::optional(Padding::kOfTheKey) : std::nullopt;
}

bool SignatureVerifies(EVP_PKEY* key, Padding padding, const char* digest_name, Parts signed_parts,
                       base::ByteSpan signature) {
  const MdContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;  // belongs to context
  if (context == nullptr || EVP_DigestVerifyInit_ex(context.get(), &parameters, digest_name,
                                                    nullptr, nullptr, key, nullptr) != 1) {
    return false;
  }
  if (padding == Padding::kPss &&
      EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1) {
    return false;
  }
  for (const base::ByteSpan part : signed_parts) {
    if (EVP_DigestVerifyUpdate(context.get(), part.data(), part.size()) != 1) {
      return false;
    }
  }
  return EVP_DigestVerifyFinal(context.get(), signature.data(), signature.size()) == 1;
}

bool IsNamedBy(const PKCS7_SIGNER_INFO& signer, const X509* certificate) {
  const PKCS7_ISSUER_AND_SERIAL* name = signer.issuer_and_serial;
  return X509_NAME_cmp(name->issuer, X509_get_issuer_name(certificate)) == 0 &&
         ASN1_INTEGER_cmp(name->serial, X509_get0_serialNumber(certificate)) == 0;
}

// The certificate that the SignerInfo names and whose key made the signature. It belongs to
// `certificates`.
base::Result<X509*, VerifyError> FindSigner(const STACK_OF(X509) * certificates,
                                            const PKCS7_SIGNER_INFO& signer, Parts content) {
  const DigestAlgorithm* digest = FindDigestAlgorithm(signer);
  if (digest == nullptr) {
    return Refuse(VerifyError::kDigestAlgorithm);
  }
  Parts signed_parts = content;
  std::optional<base::Bytes> attributes;
  base::ByteSpan attributes_part;
  if (signer.auth_attr != nullptr) {
    attributes = EncodeAttributes(signer.auth_attr);
    if (!attributes.has_value() || !AttributesFitContent(signer.auth_attr, digest->name, content)) {
      return Refuse(VerifyError::kSignedAttributes);
    }
    attributes_part = *attributes;
    signed_parts = Parts(&attributes_part, 1);
  }

  VerifyError error = VerifyError::kSignerCertificateMissing;
  for (int i = 0; i < sk_X509_num(certificates); ++i) {
    X509* candidate = sk_X509_value(certificates, i);
    if (!IsNamedBy(signer, candidate)) {
      continue;
    }
    EVP_PKEY* key = X509_get0_pubkey(candidate);
    const std::optional<Padding> padding =
        key != nullptr ? PaddingFor(signer, digest->nid, key) : std::nullopt;
    if (!padding.has_value()) {
      error = VerifyError::kSignatureAlgorithm;
    } else if (SignatureVerifies(key, *padding, digest->name, signed_parts,
                                 Octets(signer.enc_digest))) {
      return candidate;
    } else {
      error = VerifyError::kSignature;
    }
  }
  return Refuse(error);
}

std::optional<Certificate> ToCertificate(X509* x509) {
  const int size = i2d_X509(x509, nullptr);
  if (size <= 0 || X509_up_ref(x509) != 1) {
    return std::nullopt;
  }
  X509Ptr owned(x509);
  base::Bytes der(static_cast<std::size_t>(size));
  unsigned char* out = der.data();
  if (i2d_X509(x509, &out) != size) {
    return std::nullopt;
  }
  auto parsed = Certificate::Parsed::Make(std::move(owned), std::move(der));
  return parsed != nullptr ? std::optional(Certificate(std::move(parsed))) : std::nullopt;
}

bool IsOneOf(const Certificate& signer, const std::vector<Certificate>& certificates) {
  return std::ranges::any_of(certificates, [&signer](const Certificate& certificate) {
    return std::ranges::equal(certificate.der(), signer.der());
  });
}

bool IsTrusted(const Certificate& signer, STACK_OF(X509) * intermediates, const Trust& trust) {
  return trust.any_signer || IsOneOf(signer, trust.equals) || IsOneOf(signer, trust.anchors) ||
         (!trust.anchors.empty() &&
          ChainsToAnchor(signer.parsed().x509(), intermediates, trust.anchors));
}

}  // namespace

std::string_view VerifyErrorName(VerifyError error) {
  switch (error) {
    case VerifyError::kMalformed:
      return "signed_data_malformed";
    case VerifyError::kTooManyCertificates:
      return "too_many_certificates";
    case VerifyError::kSignerCount:
      return "signer_count";
    case VerifyError::kDigestAlgorithm:
      return "digest_algorithm";
    case VerifyError::kSignedAttributes:
      return "signed_attributes";
    case VerifyError::kSignerCertificateMissing:
      return "signer_certificate_missing";
    case VerifyError::kSignatureAlgorithm:
      return "signature_algorithm";
    case VerifyError::kSignature:
      return "signature_bad";
    case VerifyError::kUntrusted:
      return "signer_untrusted";
    case VerifyError::kOutOfMemory:
      break;
  }
  return "out_of_memory";
}

base::Result<Certificate, VerifyError> VerifyDetached(base::ByteSpan signed_data,
                                                      std::initializer_list<base::ByteSpan> content,
                                                      const Trust& trust) {
  const OpenSslCall call;
  if (!call.ready()) {
    return base::Failure<VerifyError>{VerifyError::kOutOfMemory};
  }
  const SignedDataPtr message = ParseSignedData(signed_data);
  if (message == nullptr) {
    return Refuse(VerifyError::kMalformed);
  }
  if (sk_X509_num(message->cert) > static_cast<int>(kMaxCertificates)) {
    return Refuse(VerifyError::kTooManyCertificates);
  }
  if (sk_PKCS7_SIGNER_INFO_num(message->signer_info) != 1) {
    return Refuse(VerifyError::kSignerCount);
  }
  const base::Result<X509*, VerifyError> found =
      FindSigner(message->cert, *sk_PKCS7_SIGNER_INFO_value(message->signer_info, 0),
                 {content.begin(), content.size()});
  if (!found) {
    return found.failure();
  }
  std::optional<Certificate> signer = ToCertificate(*found);
  if (!signer.has_value()) {
    return Refuse(VerifyError::kMalformed);
  }
  if (!IsTrusted(*signer, message->cert, trust)) {
    return Refuse(VerifyError::kUntrusted);
  }
  return *std::move(signer);
}

}  // namespace varstored::crypto
