// Which certificates OpenSSL gets to see.

#include <gtest/gtest.h>

#include "hostile/costly_certificates.h"
#include "support/signing.h"
#include "varstored/crypto/certificate.h"
#include "varstored/crypto/signed_data.h"

namespace varstored::crypto {
namespace {

using base::Bytes;
using hostile::CertificateOf;
using hostile::RsaKey;
using test::Identity;
using test::KeyType;

/// Whether it may be decoded. It is well-formed in any case.
bool IsAllowed(const hostile::CertificateParts& parts) {
  return Certificate::Parse(CertificateOf(parts)).value().may_be_decoded();
}

TEST(CertificateForm, OnlyKeysOfTheListAreDecoded) {
  for (const KeyType type :
       {KeyType::kRsa1024, KeyType::kRsa2048, KeyType::kRsa4096, KeyType::kRsaPss2048,
        KeyType::kEcP256, KeyType::kEcP384, KeyType::kEcP521}) {
    const Bytes der = Identity::Make({.key_type = type}).certificate();
    EXPECT_TRUE(Certificate::Parse(der).value().may_be_decoded());
  }
  EXPECT_TRUE(IsAllowed({.key = RsaKey(1024, 8)}));
  EXPECT_FALSE(IsAllowed({.key = RsaKey(1025, 8)}));
  EXPECT_FALSE(IsAllowed({.key = RsaKey(1024, 9)}));
}

TEST(CertificateForm, ACurveByItsParametersIsNotDecoded) {
  const Bytes der = CertificateOf({.serial = 7, .key = hostile::ExplicitCurveKey()});
  EXPECT_FALSE(Certificate::Parse(der).value().may_be_decoded());
  const Bytes message = hostile::UnsignedMessage({der}, 7, 256);
  EXPECT_FALSE(MayBeDecoded(message));
  const auto verified = VerifyDetached(message, {}, {.any_signer = true});
  ASSERT_FALSE(verified.ok());
  EXPECT_EQ(verified.error(), VerifyError::kCertificateNotAllowed);
}

TEST(CertificateForm, ACompressedPointIsNotDecoded) {
  const Bytes der = Identity::Make().certificate();
  Bytes key = hostile::KeyOf(der);
  ASSERT_TRUE(IsAllowed({.key = key}));
  constexpr std::size_t kPointOffset = 26;
  ASSERT_EQ(key[kPointOffset], 0x04);
  key[kPointOffset] = 0x02;
  EXPECT_FALSE(IsAllowed({.key = key}));
}

TEST(CertificateForm, ConstraintsOnNamesAreNotDecoded) {
  EXPECT_TRUE(IsAllowed({.key = RsaKey(256, 3), .extensions = hostile::AlternativeNames(9)}));
  EXPECT_FALSE(IsAllowed({.key = RsaKey(256, 3), .extensions = hostile::NameConstraints(1)}));
}

TEST(CertificateForm, ALargeCertificateIsNotDecoded) {
  EXPECT_TRUE(IsAllowed({.key = RsaKey(256, 3), .signature_bytes = 7000}));
  EXPECT_FALSE(IsAllowed({.key = RsaKey(256, 3), .signature_bytes = 8192}));
}

}  // namespace
}  // namespace varstored::crypto
