#include "certificate_form.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "ber.h"

namespace varstored::crypto {
namespace {

using base::ByteSpan;

bool Is(ByteSpan bytes, ByteSpan other) { return std::ranges::equal(bytes, other); }

// The contents of object identifiers.
constexpr std::array<std::uint8_t, 9> kRsaEncryption = {0x2A, 0x86, 0x48, 0x86, 0xF7,
                                                        0x0D, 0x01, 0x01, 0x01};
constexpr std::array<std::uint8_t, 9> kRsaSsaPss = {0x2A, 0x86, 0x48, 0x86, 0xF7,
                                                    0x0D, 0x01, 0x01, 0x0A};
constexpr std::array<std::uint8_t, 7> kEcPublicKey = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01};
constexpr std::array<std::uint8_t, 8> kP256 = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};
constexpr std::array<std::uint8_t, 5> kP384 = {0x2B, 0x81, 0x04, 0x00, 0x22};
constexpr std::array<std::uint8_t, 5> kP521 = {0x2B, 0x81, 0x04, 0x00, 0x23};

// nameConstraints (RFC 5280, 4.2.1.10) and the two of RFC 3779: each is checked against all names
// or all ranges of the certificates below.
constexpr std::array<std::uint8_t, 3> kNameConstraints = {0x55, 0x1D, 0x1E};
constexpr std::array<std::uint8_t, 8> kIpAddressBlocks = {0x2B, 0x06, 0x01, 0x05,
                                                          0x05, 0x07, 0x01, 0x07};
constexpr std::array<std::uint8_t, 8> kAutonomousSystems = {0x2B, 0x06, 0x01, 0x05,
                                                            0x05, 0x07, 0x01, 0x08};

bool IsCostlyExtension(ByteSpan oid) {
  return Is(oid, kNameConstraints) || Is(oid, kIpAddressBlocks) || Is(oid, kAutonomousSystems);
}

// Name ::= SEQUENCE OF SET OF SEQUENCE { type OBJECT IDENTIFIER, value ANY }
bool IsName(const BerElement& name) {
  BerReader relative_names(name.contents);
  while (!relative_names.empty()) {
    const auto relative_name = relative_names.NextIf(ber::kSet);
    if (!relative_name || relative_name->contents.empty()) {
      return false;
    }
    BerReader attributes(relative_name->contents);
    while (!attributes.empty()) {
      const auto attribute = attributes.NextIf(ber::kSequence);
      if (!attribute) {
        return false;
      }
      BerReader parts(attribute->contents);
      if (!parts.NextIf(ber::kOid) || !parts.Next() || !parts.empty()) {
        return false;
      }
    }
  }
  return true;
}

std::optional<BerElement> NextName(BerReader& reader) {
  auto name = reader.NextIf(ber::kSequence);
  return name && IsName(*name) ? name : std::nullopt;
}

// Validity ::= SEQUENCE { notBefore Time, notAfter Time }. Gives notAfter.
std::optional<BerElement> NextValidity(BerReader& reader) {
  const auto validity = reader.NextIf(ber::kSequence);
  if (!validity) {
    return std::nullopt;
  }
  BerReader times(validity->contents);
  std::optional<BerElement> time;
  for (int i = 0; i < 2; ++i) {
    time = times.NextIf(ber::kUtcTime);
    time = time ? time : times.NextIf(ber::kGeneralizedTime);
    if (!time) {
      return std::nullopt;
    }
  }
  return times.empty() ? time : std::nullopt;
}

// AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY OPTIONAL }
struct Algorithm {
  ByteSpan oid;
  std::optional<BerElement> parameters;
};

std::optional<Algorithm> NextAlgorithm(BerReader& reader) {
  const auto sequence = reader.NextIf(ber::kSequence);
  if (!sequence) {
    return std::nullopt;
  }
  BerReader parts(sequence->contents);
  const auto oid = parts.NextIf(ber::kOid);
  if (!oid) {
    return std::nullopt;
  }
  Algorithm algorithm{.oid = oid->contents, .parameters = {}};
  if (!parts.empty()) {
    algorithm.parameters = parts.Next();
    if (!algorithm.parameters) {
      return std::nullopt;
    }
  }
  return parts.empty() ? std::optional(algorithm) : std::nullopt;
}

// SubjectPublicKeyInfo ::= SEQUENCE { algorithm AlgorithmIdentifier, subjectPublicKey BIT STRING }
struct KeyInfo {
  Algorithm algorithm;
  ByteSpan bits;  // with the octet that counts unused bits
};

std::optional<KeyInfo> ReadKeyInfo(ByteSpan contents) {
  BerReader parts(contents);
  const auto algorithm = NextAlgorithm(parts);
  const auto bits = parts.NextIf(ber::kBitString);
  if (!algorithm || !bits || bits->contents.empty() || !parts.empty()) {
    return std::nullopt;
  }
  return KeyInfo{.algorithm = *algorithm, .bits = bits->contents};
}

// Extensions ::= SEQUENCE OF SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE,
// extnValue OCTET STRING }
bool ReadExtensions(ByteSpan tagged, CertificateForm& form) {
  constexpr std::uint8_t kBoolean = 0x01;
  const auto sequence = OnlyElement(tagged, ber::kSequence);
  if (!sequence) {
    return false;
  }
  BerReader extensions(sequence->contents);
  while (!extensions.empty()) {
    const auto extension = extensions.NextIf(ber::kSequence);
    if (!extension) {
      return false;
    }
    BerReader parts(extension->contents);
    const auto oid = parts.NextIf(ber::kOid);
    parts.SkipIf(kBoolean);
    if (!oid || !parts.NextIf(ber::kOctetString) || !parts.empty()) {
      return false;
    }
    form.has_costly_extension = form.has_costly_extension || IsCostlyExtension(oid->contents);
  }
  return true;
}

std::optional<CertificateForm> ReadTbs(const BerElement& tbs) {
  constexpr std::uint8_t kIssuerUniqueId = 0x81;
  constexpr std::uint8_t kSubjectUniqueId = 0x82;
  CertificateForm form;
  form.tbs = tbs.whole;
  BerReader parts(tbs.contents);
  if (const auto version = parts.NextIf(ber::Context(0));
      version && !OnlyElement(version->contents, ber::kInteger)) {
    return std::nullopt;
  }
  const auto serial = parts.NextIf(ber::kInteger);
  if (!serial || serial->contents.empty() || !NextAlgorithm(parts)) {
    return std::nullopt;
  }
  const auto issuer = NextName(parts);
  const auto not_after = NextValidity(parts);
  const auto subject = NextName(parts);
  const auto key = parts.NextIf(ber::kSequence);
  if (!issuer || !not_after || !subject || !key || !ReadKeyInfo(key->contents)) {
    return std::nullopt;
  }
  form.serial = serial->whole;
  form.issuer = issuer->whole;
  form.not_after = not_after->whole;
  form.subject = subject->whole;
  form.key = key->whole;
  parts.SkipIf(kIssuerUniqueId);
  parts.SkipIf(kSubjectUniqueId);
  if (const auto extensions = parts.NextIf(ber::Context(3));
      extensions && !ReadExtensions(extensions->contents, form)) {
    return std::nullopt;
  }
  return parts.empty() ? std::optional(form) : std::nullopt;
}

// The octets of a positive INTEGER's value, without leading zeros; empty for anything else.
ByteSpan Magnitude(const std::optional<BerElement>& integer) {
  constexpr std::uint8_t kSign = 0x80;
  if (!integer || integer->contents.empty() || (integer->contents.front() & kSign) != 0) {
    return {};
  }
  ByteSpan octets = integer->contents;
  while (!octets.empty() && octets.front() == 0) {
    octets = octets.subspan(1);
  }
  return octets;
}

// RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER } (RFC 8017, A.1.1)
struct RsaKey {
  ByteSpan modulus;
  ByteSpan exponent;
};

std::optional<RsaKey> ReadRsaKey(ByteSpan key) {
  const auto sequence = OnlyElement(key, ber::kSequence);
  if (!sequence || !sequence->definite) {
    return std::nullopt;
  }
  BerReader parts(sequence->contents);
  RsaKey rsa;
  rsa.modulus = Magnitude(parts.NextIf(ber::kInteger));
  rsa.exponent = Magnitude(parts.NextIf(ber::kInteger));
  return parts.empty() && !rsa.modulus.empty() && !rsa.exponent.empty() ? std::optional(rsa)
                                                                        : std::nullopt;
}

bool IsAllowedRsa(const std::optional<RsaKey>& key) {
  return key && key->modulus.size() <= kMaxRsaBits / 8 && (key->modulus.back() & 1) != 0 &&
         key->exponent.size() <= kMaxExponentBytes;
}

bool IsAllowedCurve(const Algorithm& algorithm, ByteSpan point) {
  struct Curve {
    ByteSpan oid;
    std::size_t field_bytes;
  };
  static constexpr std::array<Curve, 3> kCurves = {{{kP256, 32}, {kP384, 48}, {kP521, 66}}};
  constexpr std::uint8_t kUncompressed = 0x04;
  if (!algorithm.parameters || algorithm.parameters->tag != ber::kOid) {
    return false;
  }
  const auto* curve = std::ranges::find_if(kCurves, [&algorithm](const Curve& candidate) {
    return Is(candidate.oid, algorithm.parameters->contents);
  });
  return curve != kCurves.end() && point.size() == 1 + 2 * curve->field_bytes &&
         point.front() == kUncompressed;
}

bool IsRsa(const Algorithm& algorithm) {
  return Is(algorithm.oid, kRsaEncryption) || Is(algorithm.oid, kRsaSsaPss);
}

// The key, when its bits are whole octets.
std::optional<KeyInfo> WholeKey(ByteSpan key) {
  const auto sequence = OnlyElement(key, ber::kSequence);
  auto info = sequence ? ReadKeyInfo(sequence->contents) : std::nullopt;
  if (!info || info->bits.front() != 0) {
    return std::nullopt;
  }
  info->bits = info->bits.subspan(1);
  return info;
}

bool IsAllowedKey(ByteSpan key) {
  constexpr std::size_t kMaxParameterBytes = 128;
  const auto info = WholeKey(key);
  if (!info) {
    return false;
  }
  const Algorithm& algorithm = info->algorithm;
  if (Is(algorithm.oid, kEcPublicKey)) {
    return IsAllowedCurve(algorithm, info->bits);
  }
  return IsRsa(algorithm) &&
         (!algorithm.parameters || algorithm.parameters->whole.size() <= kMaxParameterBytes) &&
         IsAllowedRsa(ReadRsaKey(info->bits));
}

}  // namespace

std::optional<CertificateForm> ReadCertificateForm(ByteSpan der) {
  // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING }
  const auto certificate = OnlyElement(der, ber::kSequence);
  if (!certificate) {
    return std::nullopt;
  }
  BerReader parts(certificate->contents);
  const auto tbs = parts.NextIf(ber::kSequence);
  if (!tbs || !tbs->definite || !NextAlgorithm(parts) || !parts.NextIf(ber::kBitString) ||
      !parts.empty()) {
    return std::nullopt;
  }
  return ReadTbs(*tbs);
}

std::size_t ExponentBytes(const CertificateForm& form) {
  const auto info = WholeKey(form.key);
  const auto rsa = info && IsRsa(info->algorithm) ? ReadRsaKey(info->bits) : std::nullopt;
  return rsa ? rsa->exponent.size() : 0;
}

bool MayBeDecoded(ByteSpan der, const CertificateForm& form) {
  return der.size() <= kMaxDecodedBytes && !form.has_costly_extension && IsAllowedKey(form.key);
}

}  // namespace varstored::crypto
