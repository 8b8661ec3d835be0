#include "varstored/signer/new_key.h"

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "openssl.h"
#include "private_key.h"
#include "varstored/base/ascii.h"
#include "varstored/signer/update.h"

namespace varstored::signer {
namespace {

constexpr unsigned kRsaBits = 2048;
constexpr std::int64_t kValidSeconds = std::int64_t{86400} * (20 * 365 + 5);
constexpr int kSerialBytes = 16;

base::Failure<base::Error> Cannot(const char* what) {
  return base::Fail(std::string("OpenSSL cannot make ") + what);
}

bool AddExtension(X509* certificate, int nid, const char* value) {
  const std::unique_ptr<X509_EXTENSION, OpenSslDeleter<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

/// A number that no other certificate has.
bool SetSerial(X509* certificate) {
  std::array<unsigned char, kSerialBytes> bytes{};
  if (RAND_bytes(bytes.data(), kSerialBytes) != 1) {
    return false;
  }
  bytes.front() =
      static_cast<unsigned char>((bytes.front() & 0x3FU) | 0x40U);  // RFC 5280: positive
  const std::unique_ptr<BIGNUM, OpenSslDeleter<BN_free>> number(
      BN_bin2bn(bytes.data(), kSerialBytes, nullptr));
  return number != nullptr &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool SetSubject(X509* certificate, const std::string& common_name) {
  X509_NAME* name = X509_get_subject_name(certificate);
  return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                    // OpenSSL's type for characters.
                                    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
                                    reinterpret_cast<const unsigned char*>(common_name.data()),
                                    static_cast<int>(common_name.size()), -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1;
}

std::string Two(unsigned number) { return base::Padded(number, 2); }

/// As ASN.1 has it. OpenSSL's own functions for a number of seconds read the host's time zone,
/// which no helper process may.
bool SetDate(ASN1_TIME* date, std::int64_t seconds) {
  const auto time = TimeOf(seconds);
  if (!time) {
    return false;
  }
  const std::string text = std::to_string(time->year) + Two(time->month) + Two(time->day) +
                           Two(time->hour) + Two(time->minute) + Two(time->second) + "Z";
  return ASN1_TIME_set_string_X509(date, text.c_str()) == 1;
}

bool SetDates(X509* certificate, std::int64_t now) {
  return SetDate(X509_getm_notBefore(certificate), now) &&
         SetDate(X509_getm_notAfter(certificate), now + kValidSeconds);
}

base::Result<base::Bytes> BytesOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  if (size <= 0) {
    return Cannot("PEM");
  }
  return base::ToBytes(std::string_view(data, static_cast<std::size_t>(size)));
}

}  // namespace

base::Result<NewKey> MakeKey(const std::string& common_name, std::int64_t now) {
  const OpenSslCall call;
  constexpr long kVersion3 = 2;
  auto impl = std::make_shared<PrivateKey::Impl>();
  impl->key.reset(EVP_RSA_gen(kRsaBits));
  const X509Ptr certificate(X509_new());
  if (impl->key == nullptr || certificate == nullptr) {
    return Cannot("a key");
  }
  X509* const x509 = certificate.get();
  const bool is_made = X509_set_version(x509, kVersion3) == 1 && SetSerial(x509) &&
                       SetSubject(x509, common_name) && SetDates(x509, now) &&
                       X509_set_pubkey(x509, impl->key.get()) == 1 &&
                       AddExtension(x509, NID_basic_constraints, "critical,CA:TRUE") &&
                       X509_sign(x509, impl->key.get(), EVP_sha256()) > 0;
  const int size = is_made ? i2d_X509(x509, nullptr) : 0;
  base::Bytes der(size > 0 ? static_cast<std::size_t>(size) : 0);
  unsigned char* out = der.data();
  if (size <= 0 || i2d_X509(x509, &out) != size) {
    return Cannot("a certificate");
  }
  auto parsed = crypto::Certificate::Parse(der);
  if (!parsed) {
    return parsed.failure();
  }
  return NewKey{PrivateKey(std::move(impl)), *std::move(parsed)};
}

base::Result<base::Bytes> KeyToPem(const PrivateKey& key) {
  const OpenSslCall call;
  // Cleared when it is freed.
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  if (bio == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.impl().key.get(), nullptr,
                                                      nullptr, 0, nullptr, nullptr) != 1) {
    return Cannot("PEM of the key");
  }
  return BytesOf(bio.get());
}

base::Result<base::Bytes> CertificateToPem(const crypto::Certificate& certificate) {
  const OpenSslCall call;
  const X509Ptr x509 = ToX509(certificate);
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (x509 == nullptr || bio == nullptr || PEM_write_bio_X509(bio.get(), x509.get()) != 1) {
    return Cannot("PEM of the certificate");
  }
  return BytesOf(bio.get());
}

}  // namespace varstored::signer
