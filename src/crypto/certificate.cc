#include "varstored/crypto/certificate.h"

#include <chrono>
#include <ctime>
#include <utility>

#include <openssl/asn1.h>
#include <openssl/bio.h>

#include "ber.h"
#include "parsed_certificate.h"

namespace varstored::crypto {
namespace {

struct OpenSslFree {
  void operator()(unsigned char* bytes) const noexcept { OPENSSL_free(bytes); }
};
using OpenSslBytes = std::unique_ptr<unsigned char, OpenSslFree>;
using TimePtr = std::unique_ptr<ASN1_TIME, OpenSslDeleter<ASN1_TIME_free>>;
using BioPtr = std::unique_ptr<BIO, OpenSslDeleter<BIO_free_all>>;

/// The whole name in UTF-8; empty when memory runs out.
std::string TextOf(const X509_NAME& name) {
  const BioPtr text(BIO_new(BIO_s_mem()));
  const unsigned long style = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;
  if (text == nullptr || X509_NAME_print_ex(text.get(), &name, 0, style) < 0) {
    return {};
  }
  char* characters = nullptr;
  const long bytes = BIO_get_mem_data(text.get(), &characters);
  return bytes <= 0 ? std::string() : std::string(characters, static_cast<std::size_t>(bytes));
}

/// The common name in UTF-8, or the whole name without one; empty when memory runs out.
std::string NameText(base::ByteSpan der) {
  const OpenSslCall call;
  const NamePtr name = DecodeName(der);
  if (name == nullptr) {
    return {};
  }
  const int index = X509_NAME_get_index_by_NID(name.get(), NID_commonName, -1);
  if (index < 0) {
    return TextOf(*name);
  }
  unsigned char* utf8 = nullptr;
  const int bytes =
      ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name.get(), index)));
  const OpenSslBytes owner(utf8);
  return bytes < 0 ? std::string() : std::string(utf8, utf8 + bytes);
}

}  // namespace

NamePtr DecodeName(base::ByteSpan element) {
  const unsigned char* in = element.data();
  NamePtr name(d2i_X509_NAME(nullptr, &in, static_cast<long>(element.size())));
  return in == element.data() + element.size() ? std::move(name) : nullptr;
}

X509Ptr Decode(const Certificate& certificate) {
  const base::ByteSpan der = certificate.der();
  if (!certificate.may_be_decoded()) {
    return nullptr;
  }
  const unsigned char* in = der.data();
  X509Ptr x509(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
  return in == der.data() + der.size() ? std::move(x509) : nullptr;
}

base::Result<Certificate> Certificate::Parse(base::ByteSpan der) {
  base::Bytes copy = base::ToBytes(der);
  const auto form = ReadCertificateForm(copy);
  if (!form) {
    BerReader reader(der);
    const auto first = reader.NextIf(ber::kSequence);
    if (first && !reader.empty() && ReadCertificateForm(first->whole)) {
      return base::Fail("X.509 certificate: bytes behind its end");
    }
    return base::Fail("not an X.509 certificate");
  }
  return Certificate(std::make_shared<const Parsed>(std::move(copy), *form));
}

base::ByteSpan Certificate::der() const { return parsed_->der(); }

base::ByteSpan Certificate::tbs_der() const { return parsed_->form().tbs; }

bool Certificate::may_be_decoded() const { return MayBeDecoded(der(), parsed_->form()); }

std::optional<base::Bytes> Certificate::common_name() const {
  const OpenSslCall call;
  const NamePtr subject = DecodeName(parsed_->form().subject);
  const int index = X509_NAME_get_index_by_NID(subject.get(), NID_commonName, -1);
  if (index < 0) {
    return std::nullopt;
  }
  const ASN1_STRING* octets = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject.get(), index));
  return base::ToBytes(base::ByteSpan(ASN1_STRING_get0_data(octets),
                                      static_cast<std::size_t>(ASN1_STRING_length(octets))));
}

std::string Certificate::subject_text() const { return NameText(parsed_->form().subject); }
std::string Certificate::issuer_text() const { return NameText(parsed_->form().issuer); }

std::string Certificate::whole_subject_text() const {
  const OpenSslCall call;
  const NamePtr subject = DecodeName(parsed_->form().subject);
  return subject == nullptr ? std::string() : TextOf(*subject);
}

std::optional<std::int64_t> Certificate::not_after() const {
  const OpenSslCall call;
  const base::ByteSpan element = parsed_->form().not_after;
  const unsigned char* in = element.data();
  const TimePtr not_after(d2i_ASN1_TIME(nullptr, &in, static_cast<long>(element.size())));
  std::tm time = {};
  if (not_after == nullptr || ASN1_TIME_to_tm(not_after.get(), &time) != 1) {
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
