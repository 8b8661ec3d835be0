#include "varstored/crypto/certificate.h"

#include <chrono>
#include <cstddef>
#include <ctime>

#include <openssl/asn1.h>
#include <openssl/bio.h>

#include "parsed_certificate.h"

namespace varstored::crypto {
namespace {

struct OpenSslFree {
  void operator()(unsigned char* bytes) const noexcept { OPENSSL_free(bytes); }
};
using OpenSslBytes = std::unique_ptr<unsigned char, OpenSslFree>;
using BioPtr = std::unique_ptr<BIO, OpenSslDeleter<BIO_free_all>>;

struct Element {
  std::size_t header_bytes;
  std::size_t contents_bytes;
  bool definite;
};

// The header of the ASN.1 element that `bytes` begins with. OpenSSL has parsed them before, so one
// is there, and a definite length fits.
Element ElementAt(base::ByteSpan bytes) {
  constexpr int kIndefinite = 0x01;
  const unsigned char* in = bytes.data();
  long contents_bytes = 0;
  int tag = 0;
  int tag_class = 0;
  const int flags =
      ASN1_get_object(&in, &contents_bytes, &tag, &tag_class, static_cast<long>(bytes.size()));
  return {.header_bytes = static_cast<std::size_t>(in - bytes.data()),
          .contents_bytes = static_cast<std::size_t>(contents_bytes),
          .definite = (flags & kIndefinite) == 0};
}

}  // namespace

std::shared_ptr<const Certificate::Parsed> Certificate::Parsed::Make(X509Ptr x509,
                                                                     base::Bytes der) {
  // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue } (RFC 5280, 4.1)
  const base::ByteSpan all = der;
  const base::ByteSpan contents = all.subspan(ElementAt(all).header_bytes);
  const Element tbs = ElementAt(contents);
  if (!tbs.definite) {
    return nullptr;
  }
  const base::ByteSpan tbs_der = contents.first(tbs.header_bytes + tbs.contents_bytes);
  // A vector keeps its buffer when it is moved, so the view stays right.
  return std::shared_ptr<const Parsed>(new Parsed(std::move(x509), std::move(der), tbs_der));
}

base::Result<Certificate> Certificate::Parse(base::ByteSpan der) {
  const OpenSslCall call;
  if (!call.ready()) {
    return base::Fail("X.509 certificate: out of memory");
  }
  const unsigned char* in = der.data();
  X509Ptr x509(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
  if (x509 == nullptr) {
    return base::Fail(OpenSslCall::RanOutOfMemory() ? "X.509 certificate: out of memory"
                                                    : "not an X.509 certificate");
  }
  if (in != der.data() + der.size()) {
    return base::Fail("X.509 certificate: bytes behind its end");
  }
  auto parsed = Parsed::Make(std::move(x509), base::ToBytes(der));
  if (parsed == nullptr) {
    return base::Fail("X.509 certificate: tbsCertificate is not DER");
  }
  return Certificate(std::move(parsed));
}

base::ByteSpan Certificate::der() const { return parsed_->der(); }

base::ByteSpan Certificate::tbs_der() const { return parsed_->tbs_der(); }

std::optional<base::Bytes> Certificate::common_name() const {
  const X509_NAME* subject = X509_get_subject_name(parsed_->x509());
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0) {
    return std::nullopt;
  }
  const ASN1_STRING* octets = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index));
  return base::ToBytes(base::ByteSpan(ASN1_STRING_get0_data(octets),
                                      static_cast<std::size_t>(ASN1_STRING_length(octets))));
}

std::string Certificate::subject_text() const {
  const OpenSslCall call;
  const X509_NAME* subject = X509_get_subject_name(parsed_->x509());
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index >= 0) {
    unsigned char* utf8 = nullptr;
    const int bytes =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
    const OpenSslBytes owner(utf8);
    return bytes < 0 ? std::string() : std::string(utf8, utf8 + bytes);
  }
  const BioPtr text(BIO_new(BIO_s_mem()));
  const unsigned long style = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;
  if (text == nullptr || X509_NAME_print_ex(text.get(), subject, 0, style) < 0) {
    return {};
  }
  char* characters = nullptr;
  const long bytes = BIO_get_mem_data(text.get(), &characters);
  return bytes <= 0 ? std::string() : std::string(characters, static_cast<std::size_t>(bytes));
}

std::optional<std::int64_t> Certificate::not_after() const {
  const OpenSslCall call;
  std::tm time = {};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(parsed_->x509()), &time) != 1) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date(std::chrono::year(time.tm_year + 1900),
                                         std::chrono::month(static_cast<unsigned>(time.tm_mon + 1)),
                                         std::chrono::day(static_cast<unsigned>(time.tm_mday)));
  const std::chrono::sys_seconds moment =
      std::chrono::sys_days(date) + std::chrono::hours(time.tm_hour) +
      std::chrono::minutes(time.tm_min) + std::chrono::seconds(time.tm_sec);
  return moment.time_since_epoch().count();
}

}  // namespace varstored::crypto
