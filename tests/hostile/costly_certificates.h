#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "varstored/base/bytes.h"

/// Certificates and messages that nobody signed, as somebody would write them who wants the host's
/// time: well-formed, and with the dearest key that fits. Written byte by byte, so that none needs
/// a private key.
namespace varstored::hostile {

using base::Bytes;
using base::ByteSpan;

/// An EC key whose curve is given by its parameters. The field is a prime p with a p - 1 that 2
/// divides very often, and the generator is compressed: finding its other coordinate takes OpenSSL
/// half a second.
[[nodiscard]] Bytes ExplicitCurveKey();

/// An RSA key of `modulus_bytes` with an exponent of `exponent_bytes`, all bits set.
[[nodiscard]] Bytes RsaKey(std::size_t modulus_bytes, std::size_t exponent_bytes);

/// The SubjectPublicKeyInfo of P-256 in `certificate`.
[[nodiscard]] Bytes KeyOf(ByteSpan certificate);

struct CertificateParts {
  std::string subject = "KEK";
  std::string issuer = "KEK";
  std::uint8_t serial = 1;
  Bytes key = {};
  std::size_t signature_bytes = 1;
  Bytes extensions = {};  // the SEQUENCE of them
};
[[nodiscard]] Bytes CertificateOf(const CertificateParts& parts);

/// One extension that is not critical.
[[nodiscard]] Bytes ExtensionOf(const std::vector<std::uint8_t>& oid, ByteSpan value);

/// nameConstraints that exclude `count` names of hosts.
[[nodiscard]] Bytes NameConstraints(std::size_t count);
/// subjectAltName with `count` names of hosts.
[[nodiscard]] Bytes AlternativeNames(std::size_t count);

/// A SignedData whose SignerInfo names issuer "KEK" and `serial`, with an RSA signature of
/// `signature_bytes` that is nobody's.
[[nodiscard]] Bytes UnsignedMessage(const std::vector<Bytes>& certificates, std::uint8_t serial,
                                    std::size_t signature_bytes);

}  // namespace varstored::hostile
