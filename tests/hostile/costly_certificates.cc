#include "costly_certificates.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace varstored::hostile {
namespace {

Bytes Join(std::initializer_list<ByteSpan> parts) {
  Bytes all;
  for (const ByteSpan part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

Bytes Der(std::uint8_t tag, ByteSpan contents) {
  Bytes element = {tag};
  if (contents.size() < 0x80) {
    element.push_back(static_cast<std::uint8_t>(contents.size()));
  } else if (contents.size() < 0x100) {
    element.insert(element.end(), {0x81, static_cast<std::uint8_t>(contents.size())});
  } else {
    element.insert(element.end(), {0x82, static_cast<std::uint8_t>(contents.size() >> 8),
                                   static_cast<std::uint8_t>(contents.size())});
  }
  element.insert(element.end(), contents.begin(), contents.end());
  return element;
}

Bytes Sequence(std::initializer_list<ByteSpan> parts) { return Der(0x30, Join(parts)); }

Bytes Oid(const Bytes& contents) { return Der(0x06, contents); }

Bytes Integer(ByteSpan magnitude) {
  const bool is_negative = (magnitude.front() & 0x80) != 0;
  return Der(0x02, Join({Bytes(is_negative ? 1 : 0, 0), magnitude}));
}

Bytes BitString(ByteSpan contents) { return Der(0x03, Join({Bytes{0}, contents})); }

const Bytes kRsaEncryption = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01};
const Bytes kSha256WithRsa = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B};
const Bytes kSha256 = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01};
const Bytes kData = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01};
const Bytes kEcPublicKey = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01};
const Bytes kPrimeField = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x01, 0x01};

Bytes Algorithm(const Bytes& oid) { return Sequence({Oid(oid), Bytes{0x05, 0x00}}); }

Bytes NameOf(const std::string& common_name) {
  return Sequence(
      {Der(0x31, Sequence({Oid({0x55, 0x04, 0x03}), Der(0x0C, base::ToBytes(common_name))}))});
}

// A signature that is smaller than any modulus of its size.
Bytes Signature(std::size_t bytes) { return Bytes(bytes, 0x01); }

// GeneralSubtree and GeneralName of a host named after its number.
Bytes HostName(std::size_t number) { return Der(0x82, base::ToBytes(std::to_string(number))); }

}  // namespace

Bytes ExplicitCurveKey() {
  // p = 15 * 2^654 + 1
  Bytes p(83, 0);
  p.front() = 0x03;
  p[1] = 0xC0;
  p.back() = 0x01;
  const Bytes zero(83, 0);
  // The curve is y^2 = 11^2 at x = 0, and 11 is no square: the root is searched for at length.
  Bytes b(83, 0);
  b.back() = 121;
  Bytes generator(84, 0);
  generator.front() = 0x02;
  const Bytes parameters =
      Sequence({Der(0x02, Bytes{1}), Sequence({Oid(kPrimeField), Integer(p)}),
                Sequence({Der(0x04, zero), Der(0x04, b)}), Der(0x04, generator), Integer(p)});
  return Sequence({Sequence({Oid(kEcPublicKey), parameters}), BitString(generator)});
}

Bytes RsaKey(std::size_t modulus_bytes, std::size_t exponent_bytes) {
  const Bytes modulus(modulus_bytes, 0xFF);
  const Bytes exponent(exponent_bytes, 0xFF);
  return Sequence(
      {Algorithm(kRsaEncryption), BitString(Sequence({Integer(modulus), Integer(exponent)}))});
}

Bytes KeyOf(ByteSpan certificate) {
  constexpr std::array<std::uint8_t, 13> kStart = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A,
                                                   0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01};
  constexpr std::size_t kBytes = 91;
  const auto found =
      std::search(certificate.begin(), certificate.end(), kStart.begin(), kStart.end());
  return {found, found + kBytes};
}

Bytes CertificateOf(const CertificateParts& parts) {
  const Bytes time = Der(0x17, base::ToBytes("240101000000Z"));
  const Bytes extensions = parts.extensions.empty() ? Bytes() : Der(0xA3, parts.extensions);
  const Bytes tbs = Sequence(
      {Der(0xA0, Der(0x02, Bytes{2})), Der(0x02, Bytes{parts.serial}), Algorithm(kSha256WithRsa),
       NameOf(parts.issuer), Sequence({time, time}), NameOf(parts.subject), parts.key, extensions});
  return Sequence({tbs, Algorithm(kSha256WithRsa), BitString(Signature(parts.signature_bytes))});
}

Bytes ExtensionOf(const std::vector<std::uint8_t>& oid, ByteSpan value) {
  return Sequence({Sequence({Oid(oid), Der(0x04, value)})});
}

Bytes NameConstraints(std::size_t count) {
  Bytes subtrees;
  for (std::size_t i = 0; i < count; ++i) {
    subtrees = Join({subtrees, Sequence({HostName(i)})});
  }
  return ExtensionOf({0x55, 0x1D, 0x1E}, Sequence({Der(0xA1, subtrees)}));
}

Bytes AlternativeNames(std::size_t count) {
  Bytes names;
  for (std::size_t i = 0; i < count; ++i) {
    names = Join({names, HostName(i)});
  }
  return ExtensionOf({0x55, 0x1D, 0x11}, Sequence({names}));
}

Bytes UnsignedMessage(const std::vector<Bytes>& certificates, std::uint8_t serial,
                      std::size_t signature_bytes) {
  Bytes all;
  for (const Bytes& certificate : certificates) {
    all = Join({all, certificate});
  }
  const Bytes signer_info = Sequence(
      {Der(0x02, Bytes{1}), Sequence({NameOf("KEK"), Der(0x02, Bytes{serial})}), Algorithm(kSha256),
       Algorithm(kRsaEncryption), Der(0x04, Signature(signature_bytes))});
  return Sequence({Der(0x02, Bytes{1}), Der(0x31, Algorithm(kSha256)), Sequence({Oid(kData)}),
                   Der(0xA0, all), Der(0x31, signer_info)});
}

}  // namespace varstored::hostile
