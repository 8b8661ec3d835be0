#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "varstored/base/bytes.h"

/// Keys, certificates and signed variables for tests, made while the test runs. SignedData is
/// written here byte by byte, not by the library that the daemon verifies with: so a test can have
/// every form of it, right and wrong. Nothing here is for production; failures throw.
namespace varstored::test {

using base::Bytes;
using base::ByteSpan;

enum class Digest { kMd5, kSha1, kSha224, kSha256, kSha384, kSha512 };

/// kRsaPss2048 is RSA for RSASSA-PSS only, by its certificate; it signs with SignOptions::algorithm
/// kRsaPss.
enum class KeyType { kRsa1024, kRsa2048, kRsa4096, kRsaPss2048, kEcP256, kEcP384, kEcP521 };

/// A key pair; copies share it.
class Key {
 public:
  [[nodiscard]] static Key Make(KeyType type);
  struct Impl;
  [[nodiscard]] const Impl& impl() const { return *impl_; }

 private:
  explicit Key(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// The ASN.1 string types of X.520's DirectoryString, and IA5String.
enum class StringType { kUtf8, kPrintable, kTeletex, kUniversal, kBmp, kIa5 };

/// One attribute of a name, such as {"CN", "KEK"}. The characters are written as they are.
struct NamePart {
  std::string field;
  std::string octets;
  StringType type = StringType::kUtf8;
  bool joins = false;  // is a further part of the relative name before
};
using Name = std::vector<NamePart>;

/// The name that holds nothing but this commonName.
[[nodiscard]] Name CommonName(std::string_view common_name);

class Identity;

struct CertificateOptions {
  Name subject = CommonName("Test");
  const Identity* issuer = nullptr;     // nullptr: signed by itself
  KeyType key_type = KeyType::kEcP256;  // the fastest to make
  std::optional<Key> key = {};          // this key instead of a new one
  std::int64_t serial = 1;
  std::string not_before = "20200101000000Z";
  std::string not_after = "20491231235959Z";
  Digest digest = Digest::kSha256;  // of the certificate's own signature
  /// {name or OID, value} in the syntax of OpenSSL's configuration files. The default is a
  /// certificate that may issue others.
  std::vector<std::pair<std::string, std::string>> extensions = {
      {"basicConstraints", "critical,CA:TRUE"}};
};

/// A certificate and the key that belongs to it. Copies are cheap.
class Identity {
 public:
  [[nodiscard]] static Identity Make(const CertificateOptions& options = {});

  [[nodiscard]] const Bytes& certificate() const { return *certificate_; }  // DER
  [[nodiscard]] const Key& key() const { return key_; }

 private:
  Identity(std::shared_ptr<const Bytes> certificate, Key key)
      : certificate_(std::move(certificate)), key_(std::move(key)) {}
  std::shared_ptr<const Bytes> certificate_;
  Key key_;
};

/// How lengths are written: as short as can be (DER), with at least so many octets behind 0x81,
/// 0x82, ... (BER), or open-ended with end-of-contents octets (BER). The certificates inside of a
/// message keep their own bytes.
enum class LengthForm { kMinimal, kLong1, kLong2, kLong3, kLong4, kIndefinite };

/// What the SignerInfo's digestEncryptionAlgorithm says.
enum class SignatureAlgorithm {
  kKey,            // the key's own: rsaEncryption or id-ecPublicKey
  kKeyWithDigest,  // such as sha256WithRSAEncryption or ecdsa-with-SHA256
  kOtherKey,       // that of the other kind of key
  kRsaPss,         // RSASSA-PSS, and the signature is one
};

/// Everything that a test may want to be different. Left alone, it is what signing tools make: a
/// bare DER SignedData with one SHA-256 signature without signed attributes, and one certificate.
struct SignOptions {
  Digest digest = Digest::kSha256;
  bool wrapped = false;  // inside of a ContentInfo
  LengthForm length_form = LengthForm::kMinimal;
  std::vector<Bytes> certificates_before = {};  // further ones, in front of the signer's
  std::vector<Bytes> certificates_after = {};   // and behind it
  bool signer_certificate = true;               // false: it is left out
  bool signer_info = true;                      // false: no signer at all
  const Identity* second_signer = nullptr;      // one more SignerInfo, with its certificate
  bool signed_attributes = false;               // contentType and messageDigest
  bool content_type_attribute = true;           // false: left out of the signed attributes
  bool authenticode_content_type = false;       // that attribute says SPC_INDIRECT_DATA
  bool message_digest_twice = false;            // two messageDigest attributes
  bool embed_content = false;                   // the content inside of the message too
  SignatureAlgorithm algorithm = SignatureAlgorithm::kKey;
  /// The digest that kKeyWithDigest names, when it is to be another than the one that is used.
  std::optional<Digest> algorithm_digest = {};
  /// The digest that the SignerInfo's digestAlgorithm names, likewise.
  std::optional<Digest> named_digest = {};
};

/// A SignedData (PKCS#7 version 1.5) of `content`, which it does not hold unless asked to.
[[nodiscard]] Bytes Sign(ByteSpan content, const Identity& signer, const SignOptions& options = {});

using Guid = std::array<std::uint8_t, 16>;  // the bytes as they are in memory and on the wire

/// One EFI_SIGNATURE_LIST without a header; the entries (without owner) have one size.
[[nodiscard]] Bytes SignatureListOf(const Guid& type, const Guid& owner,
                                    const std::vector<Bytes>& entries);

/// EFI_TIME as an authenticated variable has it: what is not given is 0.
struct Time {
  std::uint16_t year = 2024;
  std::uint8_t month = 1;
  std::uint8_t day = 1;
  std::uint8_t hour = 0;
  std::uint8_t minute = 0;
  std::uint8_t second = 0;
};

/// The arguments of a SetVariable that is to be authenticated.
struct VariableWrite {
  std::u16string name;
  Guid guid{};
  std::uint32_t attributes = 0x27;
  Time time = {};
  Bytes payload = {};
};

/// What is signed (UEFI 2.10, 8.2.2): name without NUL, GUID, attributes, time, payload.
[[nodiscard]] Bytes SignedBytes(const VariableWrite& write);

/// EFI_VARIABLE_AUTHENTICATION_2 around `signed_data`, and the payload behind it.
[[nodiscard]] Bytes WithDescriptor(const Time& time, ByteSpan signed_data, ByteSpan payload);

/// The data to pass to SetVariable, which is also the content of a .auth file.
[[nodiscard]] Bytes AuthPayload(const VariableWrite& write, const Identity& signer,
                                const SignOptions& options = {});

}  // namespace varstored::test
