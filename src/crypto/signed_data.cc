// The message is walked by ourselves (signed_data_form.h), its SignerInfo is parsed with OpenSSL's
// PKCS7 types, which have no certificate in them, and the signature is verified with EVP. Not
// PKCS7_verify(), nor any parser of whole messages: they decode the key of every certificate first,
// whatever that costs. PKCS7_verify() also makes one digest of the content for each algorithm that
// the message lists, which may be thousands; it does not look at digestEncryptionAlgorithm and at
// the contentType attribute; and it takes the first certificate that has the signer's name.

#include "varstored/crypto/signed_data.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include <openssl/asn1t.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>

#include "ber.h"
#include "chain.h"
#include "openssl.h"
#include "parsed_certificate.h"
#include "signed_data_form.h"
#include "varstored/crypto/authenticode.h"

namespace varstored::crypto {
namespace {

using IntegerPtr = std::unique_ptr<ASN1_INTEGER, OpenSslDeleter<ASN1_INTEGER_free>>;
using Parts = std::span<const base::ByteSpan>;

// PKCS #7, 14: id-data; and SPC_INDIRECT_DATA_OBJID of Microsoft's format.
constexpr std::array<std::uint8_t, 9> kData = {0x2A, 0x86, 0x48, 0x86, 0xF7,
                                               0x0D, 0x01, 0x07, 0x01};
constexpr std::array<std::uint8_t, 10> kSpcIndirectData = {0x2B, 0x06, 0x01, 0x04, 0x01,
                                                           0x82, 0x37, 0x02, 0x01, 0x04};

// What was signed, and the object identifier of its type.
struct Content {
  base::ByteSpan type;
  Parts parts;
};

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

// Of an image; SHA-1 only to name what is in a list.
struct ImageDigest {
  int nid;
  DigestKind kind;
};

constexpr std::array<ImageDigest, 4> kImageDigests = {{
    {NID_sha1, DigestKind::kSha1},
    {NID_sha256, DigestKind::kSha256},
    {NID_sha384, DigestKind::kSha384},
    {NID_sha512, DigestKind::kSha512},
}};

// The digest of an image by the first of the SignedData's digestAlgorithms, whose object identifier
// firmware looks for at one place: there it is when all lengths in front of it have two bytes.
// Null: firmware does not know it.
const ImageDigest* FindImageDigest(base::ByteSpan bytes) {
  constexpr std::size_t kPlace = 32;
  constexpr std::uint8_t kTwoBytes = 0x82;
  if (bytes.size() < kPlace || (bytes[1] & kTwoBytes) != kTwoBytes) {
    return nullptr;
  }
  const base::ByteSpan rest = bytes.subspan(kPlace);
  const auto* found = std::ranges::find_if(kImageDigests, [rest](const ImageDigest& one) {
    const ASN1_OBJECT* object = OBJ_nid2obj(one.nid);
    const base::ByteSpan oid(OBJ_get0_data(object), OBJ_length(object));
    return rest.size() >= oid.size() && std::ranges::equal(rest.first(oid.size()), oid);
  });
  return found == kImageDigests.end() ? nullptr : found;
}

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

SignerInfoPtr ParseSignerInfo(base::ByteSpan bytes) {
  const unsigned char* in = bytes.data();
  SignerInfoPtr info(d2i_PKCS7_SIGNER_INFO(nullptr, &in, static_cast<long>(bytes.size())));
  return in == bytes.data() + bytes.size() ? std::move(info) : nullptr;
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
                          const Content& content) {
  const auto* type = OnlyValue<ASN1_OBJECT>(attributes, NID_pkcs9_contentType, V_ASN1_OBJECT);
  const auto* digest =
      OnlyValue<ASN1_STRING>(attributes, NID_pkcs9_messageDigest, V_ASN1_OCTET_STRING);
  if (type == nullptr ||
      !std::ranges::equal(base::ByteSpan(OBJ_get0_data(type), OBJ_length(type)), content.type) ||
      digest == nullptr) {
    return false;
  }
  const std::optional<DigestValue> computed = DigestOf(digest_name, content.parts);
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

bool IsNamedBy(const PKCS7_SIGNER_INFO& signer, const CertificateForm& certificate) {
  const PKCS7_ISSUER_AND_SERIAL* name = signer.issuer_and_serial;
  const unsigned char* in = certificate.serial.data();
  const IntegerPtr serial(
      d2i_ASN1_INTEGER(nullptr, &in, static_cast<long>(certificate.serial.size())));
  if (serial == nullptr || ASN1_INTEGER_cmp(name->serial, serial.get()) != 0) {
    return false;
  }
  const NamePtr issuer = DecodeName(certificate.issuer);
  return issuer != nullptr && X509_NAME_cmp(name->issuer, issuer.get()) == 0;
}

struct Signer {
  std::size_t index;  // among the message's certificates
  X509Ptr decoded;
};

// The certificate that the SignerInfo names and whose key made the signature.
base::Result<Signer, VerifyError> FindSigner(const std::vector<Certificate>& certificates,
                                             const PKCS7_SIGNER_INFO& signer,
                                             const Content& content, int& checks_left) {
  const DigestAlgorithm* digest = FindDigestAlgorithm(signer);
  if (digest == nullptr) {
    return Refuse(VerifyError::kDigestAlgorithm);
  }
  Parts signed_parts = content.parts;
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
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    if (!IsNamedBy(signer, certificates[i].parsed().form())) {
      continue;
    }
    if (!certificates[i].may_be_decoded()) {
      error = VerifyError::kCertificateNotAllowed;
      continue;
    }
    const int cost = CheckCost(certificates[i].parsed().form());
    if (cost > checks_left) {
      break;
    }
    X509Ptr decoded = Decode(certificates[i]);
    EVP_PKEY* key = decoded != nullptr ? X509_get0_pubkey(decoded.get()) : nullptr;
    const std::optional<Padding> padding =
        key != nullptr ? PaddingFor(signer, digest->nid, key) : std::nullopt;
    if (!padding.has_value()) {
      error = VerifyError::kSignatureAlgorithm;
      continue;
    }
    checks_left -= cost;
    if (SignatureVerifies(key, *padding, digest->name, signed_parts, Octets(signer.enc_digest))) {
      return Signer{.index = i, .decoded = std::move(decoded)};
    }
    error = VerifyError::kSignature;
  }
  return Refuse(error);
}

// The message's certificates; nothing when one is not well-formed.
std::optional<std::vector<Certificate>> ReadCertificates(
    const std::vector<base::ByteSpan>& elements) {
  std::vector<Certificate> certificates;
  for (const base::ByteSpan element : elements) {
    auto certificate = Certificate::Parse(element);
    if (!certificate) {
      return std::nullopt;
    }
    certificates.push_back(*std::move(certificate));
  }
  return certificates;
}

bool IsOneOf(const Certificate& signer, const std::vector<Certificate>& certificates) {
  return std::ranges::any_of(certificates, [&signer](const Certificate& certificate) {
    return std::ranges::equal(certificate.der(), signer.der());
  });
}

bool IsTrusted(const std::vector<Certificate>& certificates, const Signer& signer,
               const Trust& trust, int& checks_left) {
  const Certificate& certificate = certificates[signer.index];
  return trust.any_signer || IsOneOf(certificate, trust.equals) ||
         IsOneOf(certificate, trust.anchors) ||
         ChainsToAnchor(certificate, signer.decoded.get(), certificates, trust.anchors,
                        checks_left);
}

// Both kinds of signatures, from a message to its signer.
base::Result<Certificate, VerifyError> Verify(base::ByteSpan signed_data, const Content& content,
                                              const Trust& trust,
                                              std::optional<Certificate>* untrusted) {
  const OpenSslCall call;
  if (!call.ready()) {
    return base::Failure<VerifyError>{VerifyError::kOutOfMemory};
  }
  const auto form = ReadSignedDataForm(signed_data);
  if (!form) {
    return form.failure();
  }
  if (form->signer_count != 1) {
    return Refuse(VerifyError::kSignerCount);
  }
  const auto certificates = ReadCertificates(form->certificates);
  const SignerInfoPtr signer_info = certificates ? ParseSignerInfo(form->signer_info) : nullptr;
  if (signer_info == nullptr) {
    return Refuse(VerifyError::kMalformed);
  }
  int checks_left = kMaxSignatureChecks;
  const auto signer = FindSigner(*certificates, *signer_info, content, checks_left);
  if (!signer) {
    return signer.failure();
  }
  if (!IsTrusted(*certificates, *signer, trust, checks_left)) {
    if (untrusted != nullptr) {
      *untrusted = (*certificates)[signer->index];
    }
    return Refuse(VerifyError::kUntrusted);
  }
  return (*certificates)[signer->index];
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
    case VerifyError::kCertificateNotAllowed:
      return "certificate_not_allowed";
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
                                                      const Trust& trust,
                                                      std::optional<Certificate>* untrusted) {
  return Verify(signed_data, {kData, {content.begin(), content.size()}}, trust, untrusted);
}

base::Result<Authenticode, VerifyError> ReadAuthenticode(base::ByteSpan bytes) {
  const OpenSslCall call;
  if (!call.ready()) {
    return base::Failure<VerifyError>{VerifyError::kOutOfMemory};
  }
  const ImageDigest* row = FindImageDigest(bytes);
  if (row == nullptr) {
    return Refuse(VerifyError::kDigestAlgorithm);
  }
  BerReader reader(bytes);
  const auto whole = reader.NextIf(ber::kSequence);
  if (!whole) {
    return Refuse(VerifyError::kMalformed);
  }
  const auto form = ReadSignedDataForm(whole->whole);
  if (!form) {
    return form.failure();
  }
  // contentInfo: contentType OBJECT IDENTIFIER, content [0] EXPLICIT SpcIndirectDataContent
  BerReader content_info(form->content_info);
  const auto type = content_info.NextIf(ber::kOid);
  const auto content = content_info.NextIf(ber::Context(0));
  const auto indirect =
      content ? OnlyElement(content->contents, ber::kSequence) : std::optional<BerElement>();
  if (!type || !std::ranges::equal(type->contents, kSpcIndirectData) || !indirect ||
      !indirect->definite) {
    return Refuse(VerifyError::kMalformed);
  }
  // SpcIndirectDataContent ::= SEQUENCE { data, messageDigest DigestInfo }
  BerReader parts(indirect->contents);
  const auto data = parts.NextIf(ber::kSequence);
  const auto digest_info = parts.NextIf(ber::kSequence);
  BerReader digest_parts(digest_info ? digest_info->contents : base::ByteSpan());
  digest_parts.SkipIf(ber::kSequence);  // its algorithm: row has what firmware goes by
  const auto digest = digest_parts.NextIf(ber::kOctetString);
  if (!data || !digest || !digest_parts.empty() || !parts.empty()) {
    return Refuse(VerifyError::kMalformed);
  }
  Authenticode signature = {.signed_data = whole->whole,
                            .content = indirect->contents,
                            .digest_kind = row->kind,
                            .digest = digest->contents,
                            .signer = {}};
  const auto certificates = ReadCertificates(form->certificates);
  const SignerInfoPtr signer_info = certificates ? ParseSignerInfo(form->signer_info) : nullptr;
  if (signer_info == nullptr || form->signer_count != 1) {
    return Refuse(VerifyError::kMalformed);
  }
  const auto named = std::ranges::find_if(*certificates, [&](const Certificate& certificate) {
    return IsNamedBy(*signer_info, certificate.parsed().form());
  });
  if (named != certificates->end()) {
    signature.signer = *named;
  }
  return signature;
}

base::Result<Certificate, VerifyError> VerifyAuthenticode(const Authenticode& signature,
                                                          const Trust& trust) {
  return Verify(signature.signed_data, {kSpcIndirectData, {&signature.content, 1}}, trust, nullptr);
}

bool MayBeDecoded(base::ByteSpan signed_data) {
  const auto form = ReadSignedDataForm(signed_data);
  const auto certificates = form ? ReadCertificates(form->certificates) : std::nullopt;
  return certificates && std::ranges::all_of(*certificates, &Certificate::may_be_decoded);
}

}  // namespace varstored::crypto
