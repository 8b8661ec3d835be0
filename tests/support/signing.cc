#include "support/signing.h"

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>

#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "varstored/base/writer.h"

namespace varstored::test {

struct Key::Impl {
  explicit Impl(EVP_PKEY* owned) : pkey(owned) {}
  ~Impl() { EVP_PKEY_free(pkey); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  EVP_PKEY* pkey;
};

namespace {

template <auto kFree>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using X509Ptr = std::unique_ptr<X509, Deleter<X509_free>>;
using NamePtr = std::unique_ptr<X509_NAME, Deleter<X509_NAME_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
using MdContextPtr = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;

void Check(bool ok, const char* what) {
  if (!ok) {
    throw std::runtime_error(std::string("test support: ") + what);
  }
}

// The host's configuration of OpenSSL is none of the tests' business.
void Initialise() {
  Check(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) == 1, "OPENSSL_init_crypto");
}

struct DigestRow {
  const char* name;
  int nid;
  int with_rsa_nid;
  int with_ecdsa_nid;
};

const DigestRow& Row(Digest digest) {
  static constexpr DigestRow kMd5 = {"MD5", NID_md5, NID_md5WithRSAEncryption, NID_undef};
  static constexpr DigestRow kSha1 = {"SHA1", NID_sha1, NID_sha1WithRSAEncryption,
                                      NID_ecdsa_with_SHA1};
  static constexpr DigestRow kSha224 = {"SHA224", NID_sha224, NID_sha224WithRSAEncryption,
                                        NID_ecdsa_with_SHA224};
  static constexpr DigestRow kSha256 = {"SHA256", NID_sha256, NID_sha256WithRSAEncryption,
                                        NID_ecdsa_with_SHA256};
  static constexpr DigestRow kSha384 = {"SHA384", NID_sha384, NID_sha384WithRSAEncryption,
                                        NID_ecdsa_with_SHA384};
  static constexpr DigestRow kSha512 = {"SHA512", NID_sha512, NID_sha512WithRSAEncryption,
                                        NID_ecdsa_with_SHA512};
  switch (digest) {
    case Digest::kMd5:
      return kMd5;
    case Digest::kSha1:
      return kSha1;
    case Digest::kSha224:
      return kSha224;
    case Digest::kSha384:
      return kSha384;
    case Digest::kSha512:
      return kSha512;
    case Digest::kSha256:
      break;
  }
  return kSha256;
}

const EVP_MD* Md(Digest digest) { return EVP_get_digestbyname(Row(digest).name); }

int Asn1Type(StringType type) {
  switch (type) {
    case StringType::kPrintable:
      return V_ASN1_PRINTABLESTRING;
    case StringType::kTeletex:
      return V_ASN1_T61STRING;
    case StringType::kUniversal:
      return V_ASN1_UNIVERSALSTRING;
    case StringType::kBmp:
      return V_ASN1_BMPSTRING;
    case StringType::kIa5:
      return V_ASN1_IA5STRING;
    case StringType::kUtf8:
      break;
  }
  return V_ASN1_UTF8STRING;
}

// The DER of an OpenSSL object.
template <auto kEncode, class T>
Bytes Der(const T* object) {
  const int size = kEncode(object, nullptr);
  Check(size > 0, "cannot encode");
  Bytes der(static_cast<std::size_t>(size));
  unsigned char* out = der.data();
  Check(kEncode(object, &out) == size, "cannot encode");
  return der;
}

NamePtr MakeName(const Name& parts) {
  NamePtr name(X509_NAME_new());
  for (const NamePart& part : parts) {
    const Bytes octets = base::ToBytes(part.octets);
    Check(X509_NAME_add_entry_by_txt(name.get(), part.field.c_str(), Asn1Type(part.type),
                                     octets.data(), static_cast<int>(octets.size()), -1,
                                     part.joins ? -1 : 0) == 1,
          "X509_NAME_add_entry_by_txt");
  }
  return name;
}

EVP_PKEY* MakeRsaPssKey() {
  const std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new_from_name(nullptr, "RSA-PSS", nullptr));
  EVP_PKEY* pkey = nullptr;
  Check(EVP_PKEY_keygen_init(context.get()) == 1 && EVP_PKEY_generate(context.get(), &pkey) == 1,
        "RSA-PSS key");
  return pkey;
}

X509Ptr ParseCertificate(ByteSpan der) {
  const unsigned char* in = der.data();
  X509Ptr certificate(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
  Check(certificate != nullptr, "d2i_X509");
  return certificate;
}

// The parts of ASN.1 that SignedData needs, with lengths in any form.
constexpr std::uint8_t kInteger = 0x02;
constexpr std::uint8_t kOctetString = 0x04;
constexpr std::uint8_t kNull = 0x05;
constexpr std::uint8_t kSequence = 0x30;
constexpr std::uint8_t kSet = 0x31;
constexpr std::uint8_t kContext0 = 0xA0;

Bytes Join(std::initializer_list<ByteSpan> parts) {
  base::Writer writer;
  for (const ByteSpan part : parts) {
    writer.WriteBytes(part);
  }
  return writer.Take();
}

Bytes Tlv(std::uint8_t tag, ByteSpan contents, LengthForm form = LengthForm::kMinimal) {
  base::Writer writer;
  writer.WriteU8(tag);
  constexpr std::uint8_t kConstructed = 0x20;
  if (form == LengthForm::kIndefinite && (tag & kConstructed) != 0) {
    writer.WriteU8(0x80);
    writer.WriteBytes(contents);
    writer.WriteU16(0);
    return writer.Take();
  }
  std::size_t octets = form == LengthForm::kIndefinite ? 0 : static_cast<std::size_t>(form);
  if (octets > 0 || contents.size() >= 0x80) {
    while (octets == 0 || (contents.size() >> (8 * octets)) != 0) {
      ++octets;
    }
    writer.WriteU8(static_cast<std::uint8_t>(0x80 + octets));
    for (std::size_t i = octets; i > 0; --i) {
      writer.WriteU8(static_cast<std::uint8_t>(contents.size() >> (8 * (i - 1))));
    }
  } else {
    writer.WriteU8(static_cast<std::uint8_t>(contents.size()));
  }
  writer.WriteBytes(contents);
  return writer.Take();
}

Bytes Oid(const ASN1_OBJECT* object) { return Der<i2d_ASN1_OBJECT>(object); }

Bytes Oid(int nid) { return Oid(OBJ_nid2obj(nid)); }

Bytes AlgorithmIdentifier(int nid, LengthForm form) {
  return Tlv(kSequence, Join({Oid(nid), Tlv(kNull, {})}), form);
}

// RSASSA-PSS-params (RFC 4055): hash, MGF1 with the same hash, and the hash's length as salt.
Bytes PssAlgorithmIdentifier(Digest digest, LengthForm form) {
  const Bytes hash = AlgorithmIdentifier(Row(digest).nid, LengthForm::kMinimal);
  const Bytes salt = {static_cast<std::uint8_t>(EVP_MD_get_size(Md(digest)))};
  const Bytes parameters = Tlv(
      kSequence,
      Join({Tlv(kContext0, hash), Tlv(kContext0 + 1, Tlv(kSequence, Join({Oid(NID_mgf1), hash}))),
            Tlv(kContext0 + 2, Tlv(kInteger, salt))}));
  return Tlv(kSequence, Join({Oid(NID_rsassaPss), parameters}), form);
}

Bytes HashOf(Digest digest, ByteSpan content) {
  Bytes hash(EVP_MAX_MD_SIZE);
  unsigned int size = 0;
  Check(EVP_Digest(content.data(), content.size(), hash.data(), &size, Md(digest), nullptr) == 1,
        "EVP_Digest");
  hash.resize(size);
  return hash;
}

Bytes Signature(const Key& key, Digest digest, bool pss, ByteSpan content) {
  const MdContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;
  Check(EVP_DigestSignInit_ex(context.get(), &parameters, Row(digest).name, nullptr, nullptr,
                              key.impl().pkey, nullptr) == 1,
        "EVP_DigestSignInit_ex");
  if (pss) {
    Check(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) > 0 &&
              EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) > 0,
          "RSASSA-PSS");
  }
  std::size_t size = 0;
  Check(EVP_DigestSign(context.get(), nullptr, &size, content.data(), content.size()) == 1,
        "EVP_DigestSign");
  Bytes signature(size);
  Check(EVP_DigestSign(context.get(), signature.data(), &size, content.data(), content.size()) == 1,
        "EVP_DigestSign");
  signature.resize(size);
  return signature;
}

Bytes SignatureAlgorithmOf(const Identity& signer, const SignOptions& options) {
  if (options.algorithm == SignatureAlgorithm::kRsaPss) {
    return PssAlgorithmIdentifier(options.digest, options.length_form);
  }
  const bool rsa = (EVP_PKEY_is_a(signer.key().impl().pkey, "RSA") == 1) !=
                   (options.algorithm == SignatureAlgorithm::kOtherKey);
  int nid = rsa ? NID_rsaEncryption : NID_X9_62_id_ecPublicKey;
  if (options.algorithm == SignatureAlgorithm::kKeyWithDigest) {
    const DigestRow& row = Row(options.algorithm_digest.value_or(options.digest));
    nid = rsa ? row.with_rsa_nid : row.with_ecdsa_nid;
  }
  return AlgorithmIdentifier(nid, options.length_form);
}

Bytes Attribute(int nid, ByteSpan value, LengthForm form) {
  return Tlv(kSequence, Join({Oid(nid), Tlv(kSet, value, form)}), form);
}

// The members of SignedAttributes, without the tag around them.
Bytes SignedAttributes(ByteSpan content, const SignOptions& options, LengthForm form) {
  base::Writer attributes;
  if (options.content_type_attribute) {
    const std::unique_ptr<ASN1_OBJECT, Deleter<ASN1_OBJECT_free>> spc_indirect_data(
        OBJ_txt2obj("1.3.6.1.4.1.311.2.1.4", 1));
    attributes.WriteBytes(Attribute(
        NID_pkcs9_contentType,
        options.authenticode_content_type ? Oid(spc_indirect_data.get()) : Oid(NID_pkcs7_data),
        form));
  }
  const Bytes digest = Attribute(NID_pkcs9_messageDigest,
                                 Tlv(kOctetString, HashOf(options.digest, content), form), form);
  attributes.WriteBytes(digest);
  if (options.message_digest_twice) {
    attributes.WriteBytes(digest);
  }
  return attributes.Take();
}

Bytes SignerInfo(ByteSpan content, const Identity& signer, const SignOptions& options) {
  const LengthForm form = options.length_form;
  const X509Ptr certificate = ParseCertificate(signer.certificate());
  const Bytes issuer_and_serial =
      Join({Der<i2d_X509_NAME>(X509_get_issuer_name(certificate.get())),
            Der<i2d_ASN1_INTEGER>(X509_get0_serialNumber(certificate.get()))});
  Bytes attributes;
  Bytes to_sign = base::ToBytes(content);
  if (options.signed_attributes) {
    attributes = Tlv(kContext0, SignedAttributes(content, options, form), form);
    // RFC 5652, 5.4: what is signed is the DER encoding, with a SET OF's own tag.
    to_sign = Tlv(kSet, SignedAttributes(content, options, LengthForm::kMinimal));
  }
  const bool pss = options.algorithm == SignatureAlgorithm::kRsaPss;
  const Digest named_digest = options.named_digest.value_or(options.digest);
  return Tlv(kSequence,
             Join({Tlv(kInteger, Bytes{1}, form), Tlv(kSequence, issuer_and_serial, form),
                   AlgorithmIdentifier(Row(named_digest).nid, form), attributes,
                   SignatureAlgorithmOf(signer, options),
                   Tlv(kOctetString, Signature(signer.key(), options.digest, pss, to_sign), form)}),
             form);
}

void WriteTime(base::Writer& writer, const Time& time) {
  writer.WriteU16(time.year);
  writer.WriteU8(time.month);
  writer.WriteU8(time.day);
  writer.WriteU8(time.hour);
  writer.WriteU8(time.minute);
  writer.WriteU8(time.second);
  writer.WriteU8(0);   // Pad1
  writer.WriteU32(0);  // Nanosecond
  writer.WriteU16(0);  // TimeZone
  writer.WriteU8(0);   // Daylight
  writer.WriteU8(0);   // Pad2
}

}  // namespace

Name CommonName(std::string_view common_name) { return {{"CN", std::string(common_name)}}; }

Key Key::Make(KeyType type) {
  Initialise();
  EVP_PKEY* pkey = nullptr;
  switch (type) {
    case KeyType::kRsa1024:
      pkey = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{1024});
      break;
    case KeyType::kRsa2048:
      pkey = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048});
      break;
    case KeyType::kRsa4096:
      pkey = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{4096});
      break;
    case KeyType::kRsaPss2048:
      pkey = MakeRsaPssKey();
      break;
    case KeyType::kEcP256:
      pkey = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
      break;
    case KeyType::kEcP384:
      pkey = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384");
      break;
    case KeyType::kEcP521:
      pkey = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-521");
      break;
  }
  Check(pkey != nullptr, "EVP_PKEY_Q_keygen");
  return Key(std::make_shared<const Impl>(pkey));
}

Identity Identity::Make(const CertificateOptions& options) {
  Initialise();
  Key key = options.key.has_value() ? *options.key : Key::Make(options.key_type);
  const X509Ptr certificate(X509_new());
  X509* x509 = certificate.get();
  const NamePtr subject = MakeName(options.subject);
  bool ok = X509_set_version(x509, X509_VERSION_3) == 1 &&
            ASN1_INTEGER_set_int64(X509_get_serialNumber(x509), options.serial) == 1 &&
            X509_set_subject_name(x509, subject.get()) == 1 &&
            ASN1_TIME_set_string(X509_getm_notBefore(x509), options.not_before.c_str()) == 1 &&
            ASN1_TIME_set_string(X509_getm_notAfter(x509), options.not_after.c_str()) == 1 &&
            X509_set_pubkey(x509, key.impl().pkey) == 1;
  X509Ptr issuer;
  if (options.issuer != nullptr) {
    issuer = ParseCertificate(options.issuer->certificate());
  }
  X509* issuer_x509 = issuer != nullptr ? issuer.get() : x509;
  ok = ok && X509_set_issuer_name(x509, X509_get_subject_name(issuer_x509)) == 1;
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer_x509, x509, nullptr, nullptr, 0);
  X509V3_set_ctx_nodb(&context);
  for (const auto& [name, value] : options.extensions) {
    const ExtensionPtr extension(X509V3_EXT_nconf(nullptr, &context, name.c_str(), value.c_str()));
    ok = ok && extension != nullptr && X509_add_ext(x509, extension.get(), -1) == 1;
  }
  const Key& issuer_key = options.issuer != nullptr ? options.issuer->key() : key;
  ok = ok && X509_sign(x509, issuer_key.impl().pkey, Md(options.digest)) > 0;
  Check(ok, "cannot make a certificate");
  return {std::make_shared<const Bytes>(Der<i2d_X509>(x509)), std::move(key)};
}

Bytes Sign(ByteSpan content, const Identity& signer, const SignOptions& options) {
  Initialise();
  const LengthForm form = options.length_form;
  base::Writer certificates;
  for (const Bytes& certificate : options.certificates_before) {
    certificates.WriteBytes(certificate);
  }
  if (options.signer_certificate) {
    certificates.WriteBytes(signer.certificate());
  }
  for (const Bytes& certificate : options.certificates_after) {
    certificates.WriteBytes(certificate);
  }
  base::Writer signer_infos;
  if (options.signer_info) {
    signer_infos.WriteBytes(SignerInfo(content, signer, options));
  }
  if (options.second_signer != nullptr) {
    certificates.WriteBytes(options.second_signer->certificate());
    signer_infos.WriteBytes(SignerInfo(content, *options.second_signer, options));
  }
  const Bytes embedded =
      options.embed_content ? Tlv(kContext0, Tlv(kOctetString, content, form), form) : Bytes();
  Bytes signed_data =
      Tlv(kSequence,
          Join({Tlv(kInteger, Bytes{1}, form),
                Tlv(kSet, AlgorithmIdentifier(Row(options.digest).nid, form), form),
                Tlv(kSequence, Join({Oid(NID_pkcs7_data), embedded}), form),
                certificates.size() > 0 ? Tlv(kContext0, certificates.Take(), form) : Bytes(),
                Tlv(kSet, signer_infos.Take(), form)}),
          form);
  if (!options.wrapped) {
    return signed_data;
  }
  return Tlv(kSequence, Join({Oid(NID_pkcs7_signed), Tlv(kContext0, signed_data, form)}), form);
}

Bytes SignatureListOf(const Guid& type, const Guid& owner, const std::vector<Bytes>& entries) {
  constexpr std::size_t kHeaderBytes = 28;
  const std::size_t entry_bytes = owner.size() + (entries.empty() ? 0 : entries.front().size());
  base::Writer list;
  list.WriteBytes(type);
  list.WriteU32(static_cast<std::uint32_t>(kHeaderBytes + entry_bytes * entries.size()));
  list.WriteU32(0);  // SignatureHeaderSize
  list.WriteU32(static_cast<std::uint32_t>(entry_bytes));
  for (const Bytes& entry : entries) {
    Check(owner.size() + entry.size() == entry_bytes, "entries of a list have one size");
    list.WriteBytes(owner);
    list.WriteBytes(entry);
  }
  return list.Take();
}

Bytes SignedBytes(const VariableWrite& write) {
  base::Writer bytes;
  for (const char16_t unit : write.name) {
    bytes.WriteU16(static_cast<std::uint16_t>(unit));
  }
  bytes.WriteBytes(write.guid);
  bytes.WriteU32(write.attributes);
  WriteTime(bytes, write.time);
  bytes.WriteBytes(write.payload);
  return bytes.Take();
}

Bytes WithDescriptor(const Time& time, ByteSpan signed_data, ByteSpan payload) {
  constexpr std::uint32_t kWinCertificateUefiGuidBytes = 24;
  constexpr Guid kCertTypePkcs7 = {0x9D, 0xD2, 0xAF, 0x4A, 0xDF, 0x68, 0xEE, 0x49,
                                   0x8A, 0xA9, 0x34, 0x7D, 0x37, 0x56, 0x65, 0xA7};
  base::Writer bytes;
  WriteTime(bytes, time);
  bytes.WriteU32(kWinCertificateUefiGuidBytes + static_cast<std::uint32_t>(signed_data.size()));
  bytes.WriteU16(0x0200);  // wRevision
  bytes.WriteU16(0x0EF1);  // wCertificateType: WIN_CERT_TYPE_EFI_GUID
  bytes.WriteBytes(kCertTypePkcs7);
  bytes.WriteBytes(signed_data);
  bytes.WriteBytes(payload);
  return bytes.Take();
}

Bytes AuthPayload(const VariableWrite& write, const Identity& signer, const SignOptions& options) {
  return WithDescriptor(write.time, Sign(SignedBytes(write), signer, options), write.payload);
}

}  // namespace varstored::test
