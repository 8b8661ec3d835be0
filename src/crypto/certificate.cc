#include "varstored/crypto/certificate.h"

#include <cstddef>

#include <openssl/asn1.h>

#include "parsed_certificate.h"

namespace varstored::crypto {
namespace {

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

}  // namespace varstored::crypto
