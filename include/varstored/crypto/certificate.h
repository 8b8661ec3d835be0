#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"

namespace varstored::crypto {

/// An X.509 certificate (RFC 5280). It never changes, and copies share it.
class Certificate {
 public:
  /// The certificate that the whole of `der` is: bytes behind it are an error. It has only to be
  /// well-formed; its key is not decoded, and no date, purpose or signature is looked at. The bytes
  /// are copied. It takes one walk over the bytes, whatever the key is.
  [[nodiscard]] static base::Result<Certificate> Parse(base::ByteSpan der);

  /// The certificate's bytes: those that were parsed. A view that lives as long as any copy of the
  /// certificate.
  [[nodiscard]] base::ByteSpan der() const;

  /// Whether its key and its size are among those that are handed to OpenSSL (docs/engine.md, "What
  /// a certificate may cost"). One for which this is false verifies nothing.
  [[nodiscard]] bool may_be_decoded() const;

  /// tbsCertificate: its whole SEQUENCE with tag and length, as it was in the original, never
  /// encoded again. A view, as above.
  [[nodiscard]] base::ByteSpan tbs_der() const;

  /// The contents of the ASN.1 string in the first commonName of the subject, as they are: neither
  /// converted (BMPString stays UTF-16) nor cut at a NUL. Nothing when there is no commonName.
  [[nodiscard]] std::optional<base::Bytes> common_name() const;

  /// The subject for people: its first commonName in UTF-8, else the whole name as RFC 2253 writes
  /// it. Which characters are in it is the issuer's choice; what OpenSSL cannot convert is empty.
  [[nodiscard]] std::string subject_text() const;
  /// The same of the issuer.
  [[nodiscard]] std::string issuer_text() const;

  /// All of the subject in UTF-8, as RFC 2253 writes it. The same is true of its characters.
  [[nodiscard]] std::string whole_subject_text() const;

  /// The end of its validity (notAfter), in seconds since 1970, UTC. Nothing when it is malformed.
  [[nodiscard]] std::optional<std::int64_t> not_after() const;

  /// For this room's own use: only it knows what a Parsed is.
  class Parsed;
  explicit Certificate(std::shared_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}
  [[nodiscard]] const Parsed& parsed() const { return *parsed_; }

 private:
  std::shared_ptr<const Parsed> parsed_;
};

}  // namespace varstored::crypto
