#include "varstored/crypto/certificate.h"

#include <algorithm>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <openssl/err.h>

#include "support/signing.h"

namespace varstored::crypto {
namespace {

using base::Bytes;
using base::ByteSpan;
using test::Identity;
using test::StringType;

Bytes Join(ByteSpan left, ByteSpan right) {
  Bytes both = base::ToBytes(left);
  both.insert(both.end(), right.begin(), right.end());
  return both;
}

// A certificate of more than 256 bytes, and so is its tbsCertificate: 30 82 LL LL contents.
Bytes LongCertificate() {
  return Identity::Make({.key_type = test::KeyType::kRsa2048}).certificate();
}

// The contents of the SEQUENCE that `der` is, whose length takes two octets.
ByteSpan Contents(const Bytes& der) {
  EXPECT_EQ(der[0], 0x30);
  EXPECT_EQ(der[1], 0x82);
  return ByteSpan(der).subspan(4);
}

// The certificate with another header: the same contents, and end-of-contents where it is needed.
Bytes WithHeader(const Bytes& der, const Bytes& header, const Bytes& end = {}) {
  return Join(Join(header, Contents(der)), end);
}

std::optional<std::string> CommonNameOf(const test::Name& subject) {
  const auto certificate = Certificate::Parse(Identity::Make({.subject = subject}).certificate());
  const std::optional<Bytes> octets = certificate.value().common_name();
  return octets.has_value() ? std::optional(base::ToString(*octets)) : std::nullopt;
}

TEST(Certificate, KeepsTheParsedBytes) {
  const Identity identity = Identity::Make();
  const auto certificate = Certificate::Parse(identity.certificate());
  ASSERT_TRUE(certificate.ok());
  EXPECT_EQ(base::ToBytes(certificate->der()), identity.certificate());
}

TEST(Certificate, ViewsLiveAsLongAsACopy) {
  const Identity identity = Identity::Make();
  std::optional<Certificate> first = Certificate::Parse(identity.certificate()).value();
  const Certificate copy = *first;
  const ByteSpan der = first->der();
  first.reset();
  EXPECT_TRUE(std::ranges::equal(der, identity.certificate()));
  EXPECT_TRUE(std::ranges::equal(copy.der(), identity.certificate()));
}

TEST(Certificate, HasOnlyToParse) {
  const Identity expired = Identity::Make({.key_type = test::KeyType::kRsa1024,
                                           .serial = -7,
                                           .not_before = "19900101000000Z",
                                           .not_after = "19910101000000Z",
                                           .digest = test::Digest::kMd5,
                                           .extensions = {{"2.5.29.4", "critical,DER:3000"}}});
  EXPECT_TRUE(Certificate::Parse(expired.certificate()).ok());

  Bytes bad_signature = expired.certificate();
  bad_signature.back() ^= 1;
  EXPECT_TRUE(Certificate::Parse(bad_signature).ok());
}

TEST(Certificate, TrailingBytesAreRefused) {
  const Bytes der = Identity::Make().certificate();
  EXPECT_FALSE(Certificate::Parse(Join(der, Bytes{0})).ok());
  EXPECT_FALSE(Certificate::Parse(Join(der, der)).ok());
}

TEST(Certificate, EveryCutIsRefused) {
  const Bytes der = Identity::Make().certificate();
  for (std::size_t size = 0; size < der.size(); ++size) {
    EXPECT_FALSE(Certificate::Parse(ByteSpan(der).first(size)).ok()) << size;
  }
}

TEST(Certificate, OtherAsn1IsRefused) {
  EXPECT_FALSE(Certificate::Parse(base::ToBytes("no certificate")).ok());
  EXPECT_FALSE(Certificate::Parse(Bytes{0x30, 0x00}).ok());
  EXPECT_FALSE(Certificate::Parse(test::Sign({}, Identity::Make())).ok());
}

TEST(Certificate, FailureLeavesNoErrorBehind) {
  EXPECT_FALSE(Certificate::Parse(Bytes{0x30, 0x01}).ok());
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(TbsCertificate, IsTheFirstElementWithTagAndLength) {
  const Bytes der = LongCertificate();
  const auto certificate = Certificate::Parse(der);
  ASSERT_TRUE(certificate.ok());
  const ByteSpan contents = Contents(der);
  ASSERT_EQ(contents[0], 0x30);
  ASSERT_EQ(contents[1], 0x82);
  const std::size_t size = 4 + (std::size_t{contents[2]} << 8) + contents[3];
  EXPECT_EQ(base::ToBytes(certificate->tbs_der()), base::ToBytes(contents.first(size)));
}

TEST(TbsCertificate, IsTheSameInEveryFormOfTheOuterLength) {
  const Bytes der = LongCertificate();
  const auto certificate = Certificate::Parse(der);
  const Bytes long_header = {0x30, 0x84, 0x00, 0x00, der[2], der[3]};
  for (const Bytes& other :
       {WithHeader(der, long_header), WithHeader(der, {0x30, 0x80}, {0x00, 0x00})}) {
    const auto parsed = Certificate::Parse(other);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(base::ToBytes(parsed->der()), other);
    EXPECT_EQ(base::ToBytes(parsed->tbs_der()), base::ToBytes(certificate->tbs_der()));
  }
}

TEST(TbsCertificate, IsNotEncodedAgain) {
  // given a tbsCertificate whose length takes one octet more than it has to
  const Bytes der = LongCertificate();
  const auto certificate = Certificate::Parse(der);
  ASSERT_TRUE(certificate.ok());
  const ByteSpan tbs = certificate->tbs_der();
  const Bytes long_tbs = Join(Bytes{0x30, 0x83, 0x00, tbs[2], tbs[3]}, tbs.subspan(4));
  const Bytes contents = Join(long_tbs, Contents(der).subspan(tbs.size()));
  const Bytes other = Join(Bytes{0x30, 0x82, static_cast<std::uint8_t>(contents.size() >> 8),
                                 static_cast<std::uint8_t>(contents.size())},
                           contents);
  // when it is parsed, then its bytes are the original's
  const auto parsed = Certificate::Parse(other);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(base::ToBytes(parsed->tbs_der()), long_tbs);
}

TEST(TbsCertificate, OfIndefiniteLengthIsRefused) {
  const Bytes der = LongCertificate();
  const auto certificate = Certificate::Parse(der);
  ASSERT_TRUE(certificate.ok());
  const ByteSpan tbs = certificate->tbs_der();
  Bytes open_tbs = Join(Join(Bytes{0x30, 0x80}, tbs.subspan(4)), Bytes{0, 0});
  const Bytes contents = Join(open_tbs, Contents(der).subspan(tbs.size()));
  EXPECT_FALSE(Certificate::Parse(Join(Join(Bytes{0x30, 0x80}, contents), Bytes{0x00, 0x00})).ok());
}

TEST(CommonName, IsTheStringsContentsOfEveryType) {
  EXPECT_EQ(CommonNameOf({{"CN", "K\xC3\xA9y", StringType::kUtf8}}), "K\xC3\xA9y");
  EXPECT_EQ(CommonNameOf({{"CN", "Key", StringType::kPrintable}}), "Key");
  EXPECT_EQ(CommonNameOf({{"CN", "K\xE9y", StringType::kTeletex}}), "K\xE9y");
  EXPECT_EQ(CommonNameOf({{"CN", "Key", StringType::kIa5}}), "Key");
  const std::string bmp("\0K\0e\0y", 6);
  EXPECT_EQ(CommonNameOf({{"CN", bmp, StringType::kBmp}}), bmp);
  const std::string universal("\0\0\0K\0\0\0y", 8);
  EXPECT_EQ(CommonNameOf({{"CN", universal, StringType::kUniversal}}), universal);
}

TEST(CommonName, IsTheFirstOfTwo) {
  EXPECT_EQ(CommonNameOf({{"O", "Maker"}, {"CN", "first"}, {"CN", "second"}}), "first");
}

TEST(CommonName, MayBeMissing) {
  EXPECT_EQ(CommonNameOf({{"O", "Maker"}}), std::nullopt);
  EXPECT_EQ(CommonNameOf({}), std::nullopt);
}

TEST(CommonName, IsNotCutAtANulOrALength) {
  const std::string odd = std::string("a\0b", 3) + std::string(300, 'x');
  EXPECT_EQ(CommonNameOf({{"CN", odd}}), odd);
}

TEST(CommonName, IsTheSubjectsNotTheIssuers) {
  const Identity issuer = Identity::Make({.subject = test::CommonName("issuer")});
  const Identity nameless = Identity::Make({.subject = {{"O", "Maker"}}, .issuer = &issuer});
  const auto certificate = Certificate::Parse(nameless.certificate());
  ASSERT_TRUE(certificate.ok());
  EXPECT_EQ(certificate->common_name(), std::nullopt);
}

}  // namespace
}  // namespace varstored::crypto
