// Which messages are well-formed and well-signed. Whose signature counts is in trust_test.cc.

#include "varstored/crypto/signed_data.h"

#include <set>
#include <string>

#include <gtest/gtest.h>
#include <openssl/err.h>

#include "support/signing.h"

namespace varstored::crypto {
namespace {

using base::Bytes;
using base::ByteSpan;
using test::CommonName;
using test::Digest;
using test::Identity;
using test::KeyType;
using test::LengthForm;
using test::SignatureAlgorithm;
using test::SignOptions;

const Trust kAnySigner = {.any_signer = true};

Bytes Content() { return base::ToBytes("name, GUID, attributes, time, payload"); }

// "" for a good signature, else the error's name: so that a failure reads well.
std::string Verify(ByteSpan message, const Bytes& content = Content(),
                   const Trust& trust = kAnySigner) {
  const auto signer = VerifyDetached(message, {content}, trust);
  return signer.ok() ? "" : std::string(VerifyErrorName(signer.error()));
}

std::string SignAndVerify(const Identity& signer, const SignOptions& options) {
  return Verify(test::Sign(Content(), signer, options));
}

TEST(VerifyDetached, ReturnsTheSignersCertificate) {
  const Identity signer = Identity::Make();
  const auto verified = VerifyDetached(test::Sign(Content(), signer), {Content()}, kAnySigner);
  ASSERT_TRUE(verified.ok());
  EXPECT_EQ(base::ToBytes(verified->der()), signer.certificate());
}

TEST(VerifyDetached, ContentIsTheConcatenationOfItsParts) {
  const Identity signer = Identity::Make();
  const Bytes one = base::ToBytes("one");
  const Bytes two = base::ToBytes("two");
  for (const bool signed_attributes : {false, true}) {
    const Bytes message =
        test::Sign(base::ToBytes("onetwo"), signer, {.signed_attributes = signed_attributes});
    EXPECT_TRUE(VerifyDetached(message, {one, two}, kAnySigner).ok());
    EXPECT_TRUE(VerifyDetached(message, {one, {}, two}, kAnySigner).ok());
    EXPECT_FALSE(VerifyDetached(message, {two, one}, kAnySigner).ok());
    EXPECT_FALSE(VerifyDetached(message, {one}, kAnySigner).ok());
    EXPECT_FALSE(VerifyDetached(message, {}, kAnySigner).ok());
  }
}

TEST(VerifyDetached, L12BareAndWrappedInEveryLengthForm) {
  for (const Identity& signer :
       {Identity::Make(), Identity::Make({.key_type = KeyType::kRsa2048})}) {
    for (const bool wrapped : {false, true}) {
      for (const LengthForm form :
           {LengthForm::kMinimal, LengthForm::kLong1, LengthForm::kLong2, LengthForm::kLong3,
            LengthForm::kLong4, LengthForm::kIndefinite}) {
        for (const bool signed_attributes : {false, true}) {
          const Bytes message = test::Sign(
              Content(), signer,
              {.wrapped = wrapped, .length_form = form, .signed_attributes = signed_attributes});
          SCOPED_TRACE(testing::Message() << wrapped << static_cast<int>(form));
          EXPECT_EQ(Verify(message), "");
          EXPECT_EQ(Verify(message, base::ToBytes("something else")),
                    signed_attributes ? "signed_attributes" : "signature_bad");
        }
      }
    }
  }
}

TEST(VerifyDetached, SmallMessageHasShortLengths) {
  // RSA-1024 without a name: contents below 128 and below 256 bytes occur at several levels.
  const Identity signer = Identity::Make({.subject = {}, .key_type = KeyType::kRsa1024});
  EXPECT_EQ(SignAndVerify(signer, {}), "");
  EXPECT_EQ(SignAndVerify(signer, {.length_form = LengthForm::kLong1}), "");
}

TEST(VerifyDetached, EveryCutIsRefused) {
  for (const bool wrapped : {false, true}) {
    const Bytes message = test::Sign(Content(), Identity::Make(), {.wrapped = wrapped});
    for (std::size_t size = 0; size < message.size(); ++size) {
      EXPECT_EQ(Verify(ByteSpan(message).first(size)), "signed_data_malformed") << size;
    }
  }
}

TEST(VerifyDetached, TrailingByteIsRefused) {
  for (const bool wrapped : {false, true}) {
    for (const LengthForm form : {LengthForm::kMinimal, LengthForm::kIndefinite}) {
      Bytes message =
          test::Sign(Content(), Identity::Make(), {.wrapped = wrapped, .length_form = form});
      ASSERT_EQ(Verify(message), "");
      message.push_back(0);
      EXPECT_EQ(Verify(message), "signed_data_malformed");
    }
  }
}

TEST(VerifyDetached, NoFlippedByteSignsOtherContent) {
  const Identity signer = Identity::Make();
  const Bytes other = base::ToBytes("something else");
  for (const bool signed_attributes : {false, true}) {
    Bytes message = test::Sign(Content(), signer, {.signed_attributes = signed_attributes});
    for (std::uint8_t& byte : message) {
      for (const int bits : {0x01, 0x80, 0xFF}) {
        const auto mask = static_cast<std::uint8_t>(bits);
        byte ^= mask;
        EXPECT_NE(Verify(message, other), "");
        byte ^= mask;
      }
    }
  }
}

TEST(VerifyDetached, OtherMessagesAreRefused) {
  const Bytes certificate = Identity::Make().certificate();
  EXPECT_EQ(Verify({}), "signed_data_malformed");
  EXPECT_EQ(Verify(certificate), "signed_data_malformed");
  EXPECT_EQ(Verify(Bytes{0x30, 0x00}), "signed_data_malformed");
  // ContentInfo { data } and ContentInfo { signedData } without any content
  EXPECT_EQ(
      Verify(Bytes{0x30, 0x0B, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01}),
      "signed_data_malformed");
  EXPECT_EQ(
      Verify(Bytes{0x30, 0x0B, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02}),
      "signed_data_malformed");
}

TEST(VerifyDetached, NestedGarbageIsRefused) {
  // a SignedData in a SignedData in ..., as deep as a variable's data can hold
  Bytes message;
  for (int i = 0; i < 14000; ++i) {
    message.insert(message.end(), {0x30, 0x80, 0xA0, 0x80});
  }
  EXPECT_EQ(Verify(message), "signed_data_malformed");
}

TEST(VerifyDetached, ContentInsideOfTheMessageIsIgnored) {
  const Identity signer = Identity::Make();
  const SignOptions embedded = {.embed_content = true};
  EXPECT_EQ(SignAndVerify(signer, embedded), "");
  // A good signature over what is inside says nothing about the content that counts.
  EXPECT_EQ(Verify(test::Sign(base::ToBytes("payload"), signer, embedded)), "signature_bad");
}

TEST(VerifyDetached, ExactlyOneSignerInfo) {
  const Identity signer = Identity::Make();
  const Identity other = Identity::Make({.subject = CommonName("other")});
  EXPECT_EQ(SignAndVerify(signer, {}), "");
  EXPECT_EQ(SignAndVerify(signer, {.signer_info = false}), "signer_count");
  EXPECT_EQ(SignAndVerify(signer, {.second_signer = &other}), "signer_count");
  EXPECT_EQ(SignAndVerify(signer, {.second_signer = &signer}), "signer_count");
}

TEST(VerifyDetached, L25SignersCertificateAtAnyPosition) {
  const Identity signer = Identity::Make({.subject = CommonName("signer")});
  const Identity a = Identity::Make({.subject = CommonName("a")});
  const Identity b = Identity::Make({.subject = CommonName("b")});
  const std::vector<std::vector<Bytes>> orders = {
      {}, {a.certificate()}, {a.certificate(), b.certificate()}};
  for (const auto& before : orders) {
    for (const auto& after : orders) {
      const auto verified =
          VerifyDetached(test::Sign(Content(), signer,
                                    {.certificates_before = before, .certificates_after = after}),
                         {Content()}, kAnySigner);
      ASSERT_TRUE(verified.ok());
      EXPECT_EQ(base::ToBytes(verified->der()), signer.certificate());
    }
  }
}

TEST(VerifyDetached, L26OddCertificatesVerify) {
  EXPECT_EQ(SignAndVerify(Identity::Make({.not_after = "20200102000000Z"}), {}), "");
  EXPECT_EQ(SignAndVerify(Identity::Make({.not_before = "20400101000000Z"}), {}), "");
  EXPECT_EQ(SignAndVerify(Identity::Make({.serial = 0}), {}), "");
  EXPECT_EQ(SignAndVerify(Identity::Make({.serial = -1}), {}), "");
  EXPECT_EQ(SignAndVerify(Identity::Make({.digest = Digest::kSha1}), {}), "");
  EXPECT_EQ(SignAndVerify(Identity::Make({.subject = {}}), {}), "");
}

TEST(VerifyDetached, SignersCertificateMustBeInTheMessage) {
  const Identity signer = Identity::Make();
  const Identity other = Identity::Make({.subject = CommonName("other")});
  const Bytes without =
      test::Sign(Content(), signer,
                 {.certificates_before = {other.certificate()}, .signer_certificate = false});
  const Certificate known = Certificate::Parse(signer.certificate()).value();
  EXPECT_EQ(Verify(without), "signer_certificate_missing");
  // It is not fetched from those that are trusted either.
  EXPECT_EQ(Verify(without, Content(), {.equals = {known}, .anchors = {known}}),
            "signer_certificate_missing");
  EXPECT_EQ(Verify(test::Sign(Content(), signer, {.signer_certificate = false})),
            "signer_certificate_missing");
}

TEST(VerifyDetached, SignersCertificateIsNamedByIssuerAndSerialNumber) {
  const Identity signer = Identity::Make({.serial = 5});
  const Identity other_serial = Identity::Make({.key = signer.key(), .serial = -5});
  const Identity other_issuer =
      Identity::Make({.subject = CommonName("other"), .key = signer.key(), .serial = 5});
  for (const Identity& other : {other_serial, other_issuer}) {
    // the same key, so that only the name tells the two apart
    EXPECT_EQ(SignAndVerify(signer, {.certificates_before = {other.certificate()},
                                     .signer_certificate = false}),
              "signer_certificate_missing");
  }
}

TEST(VerifyDetached, TwoCertificatesOfOneNameAreToldApartByTheSignature) {
  const Identity signer = Identity::Make();
  const Identity twin = Identity::Make({.key_type = KeyType::kRsa1024});  // issuer and serial alike
  const std::vector<Bytes> twins = {twin.certificate()};
  for (const SignOptions& options :
       {SignOptions{.certificates_before = twins}, SignOptions{.certificates_after = twins}}) {
    const auto verified =
        VerifyDetached(test::Sign(Content(), signer, options), {Content()}, kAnySigner);
    ASSERT_TRUE(verified.ok());
    EXPECT_EQ(base::ToBytes(verified->der()), signer.certificate());
  }
}

TEST(VerifyDetached, OnlyTheLongerSha2DigestsAreAccepted) {
  const Identity rsa = Identity::Make({.key_type = KeyType::kRsa2048});
  const Identity ec = Identity::Make({.key_type = KeyType::kEcP384});
  for (const Identity& signer : {rsa, ec}) {
    for (const bool signed_attributes : {false, true}) {
      for (const Digest digest : {Digest::kSha256, Digest::kSha384, Digest::kSha512}) {
        EXPECT_EQ(SignAndVerify(signer, {.digest = digest, .signed_attributes = signed_attributes}),
                  "");
      }
      for (const Digest digest : {Digest::kMd5, Digest::kSha1, Digest::kSha224}) {
        EXPECT_EQ(SignAndVerify(signer, {.digest = digest, .signed_attributes = signed_attributes}),
                  "digest_algorithm");
      }
    }
  }
}

TEST(VerifyDetached, DigestIsTheOneThatTheSignerInfoNames) {
  const Identity signer = Identity::Make({.key_type = KeyType::kRsa2048});
  EXPECT_EQ(SignAndVerify(signer, {.digest = Digest::kSha1, .named_digest = Digest::kSha256}),
            "signature_bad");
  EXPECT_EQ(SignAndVerify(signer, {.digest = Digest::kSha512, .named_digest = Digest::kSha256}),
            "signature_bad");
  EXPECT_EQ(SignAndVerify(signer, {.digest = Digest::kSha256, .named_digest = Digest::kSha1}),
            "digest_algorithm");
}

TEST(VerifyDetached, SignatureAlgorithmMayNameTheSameDigest) {
  for (const KeyType type : {KeyType::kRsa2048, KeyType::kEcP256}) {
    const Identity signer = Identity::Make({.key_type = type});
    for (const Digest digest : {Digest::kSha256, Digest::kSha384, Digest::kSha512}) {
      EXPECT_EQ(SignAndVerify(signer,
                              {.digest = digest, .algorithm = SignatureAlgorithm::kKeyWithDigest}),
                "");
    }
  }
}

TEST(VerifyDetached, SignatureAlgorithmMustNotNameAnotherDigest) {
  for (const KeyType type : {KeyType::kRsa2048, KeyType::kEcP256}) {
    const Identity signer = Identity::Make({.key_type = type});
    for (const Digest digest : {Digest::kSha1, Digest::kSha224, Digest::kSha512}) {
      EXPECT_EQ(SignAndVerify(signer, {.algorithm = SignatureAlgorithm::kKeyWithDigest,
                                       .algorithm_digest = digest}),
                "signature_algorithm");
    }
    // Naming a good one does not help a signature that was made with a bad one.
    EXPECT_EQ(SignAndVerify(signer, {.digest = Digest::kSha1,
                                     .algorithm = SignatureAlgorithm::kKeyWithDigest,
                                     .algorithm_digest = Digest::kSha256}),
              "digest_algorithm");
  }
}

TEST(VerifyDetached, SignatureAlgorithmMustFitTheKey) {
  for (const KeyType type : {KeyType::kRsa2048, KeyType::kEcP256}) {
    const Identity signer = Identity::Make({.key_type = type});
    EXPECT_EQ(SignAndVerify(signer, {.algorithm = SignatureAlgorithm::kOtherKey}),
              "signature_algorithm");
  }
}

TEST(VerifyDetached, EveryAllowedKindOfKey) {
  for (const KeyType type : {KeyType::kRsa1024, KeyType::kRsa2048, KeyType::kRsa4096,
                             KeyType::kEcP256, KeyType::kEcP384, KeyType::kEcP521}) {
    const Identity signer = Identity::Make({.key_type = type});
    const Bytes message = test::Sign(Content(), signer);
    EXPECT_EQ(Verify(message), "");
    EXPECT_EQ(Verify(message, base::ToBytes("something else")), "signature_bad");
  }
}

TEST(VerifyDetached, RsaPss) {
  for (const KeyType type : {KeyType::kRsa2048, KeyType::kRsaPss2048}) {
    const Identity signer = Identity::Make({.key_type = type});
    for (const Digest digest : {Digest::kSha256, Digest::kSha512}) {
      const Bytes message = test::Sign(
          Content(), signer, {.digest = digest, .algorithm = SignatureAlgorithm::kRsaPss});
      EXPECT_EQ(Verify(message), "");
      EXPECT_EQ(Verify(message, base::ToBytes("something else")), "signature_bad");
    }
    EXPECT_EQ(
        SignAndVerify(signer, {.digest = Digest::kSha1, .algorithm = SignatureAlgorithm::kRsaPss}),
        "digest_algorithm");
  }
}

TEST(VerifyDetached, SignedAttributesMustFitTheContent) {
  const Identity signer = Identity::Make();
  EXPECT_EQ(SignAndVerify(signer, {.signed_attributes = true}), "");
  EXPECT_EQ(SignAndVerify(signer, {.signed_attributes = true, .content_type_attribute = false}),
            "signed_attributes");
  EXPECT_EQ(SignAndVerify(signer, {.signed_attributes = true, .authenticode_content_type = true}),
            "signed_attributes");
  EXPECT_EQ(SignAndVerify(signer, {.signed_attributes = true, .message_digest_twice = true}),
            "signed_attributes");
}

TEST(VerifyDetached, SignatureCoversTheSignedAttributes) {
  // given one message for each of two contents
  const Identity signer = Identity::Make();
  const Bytes content = base::ToBytes("A");
  Bytes message = test::Sign(content, signer, {.signed_attributes = true});
  ASSERT_EQ(Verify(message, content), "");
  const Bytes other_content = base::ToBytes("B");
  const Bytes other = test::Sign(other_content, signer, {.signed_attributes = true});
  // when the digest of the second replaces that of the first: a message's digest stands behind the
  // attribute's type (1.2.840.113549.1.9.4) and two short headers
  const Bytes type = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x04};
  const auto digest_in = [&type](auto& bytes) {
    return std::search(bytes.begin(), bytes.end(), type.begin(), type.end()) + 13;
  };
  std::copy_n(digest_in(other), 32, digest_in(message));
  // then the attributes fit the second content, but the signature does not fit them
  EXPECT_EQ(Verify(message, content), "signed_attributes");
  EXPECT_EQ(Verify(message, other_content), "signature_bad");
}

TEST(VerifyDetached, OnlyVersionOne) {
  // The first element of a small bare message is its version.
  const Identity signer = Identity::Make({.subject = {}, .key_type = KeyType::kRsa1024});
  Bytes message = test::Sign(Content(), signer);
  const Bytes version_one = {0x02, 0x01, 0x01};
  const auto version =
      std::search(message.begin(), message.end(), version_one.begin(), version_one.end());
  ASSERT_LT(version - message.begin(), 8);
  EXPECT_EQ(Verify(message), "");
  for (const std::uint8_t other : Bytes{0, 2, 3, 0x81}) {
    *(version + 2) = other;
    EXPECT_EQ(Verify(message), "signed_data_malformed");
  }
}

TEST(VerifyDetached, SixteenCertificatesAtMost) {
  const Identity signer = Identity::Make();
  const Bytes other = Identity::Make({.subject = CommonName("other")}).certificate();
  EXPECT_EQ(SignAndVerify(signer, {.certificates_before = std::vector(15, other)}), "");
  EXPECT_EQ(SignAndVerify(signer, {.certificates_before = std::vector(16, other)}),
            "too_many_certificates");
  EXPECT_EQ(SignAndVerify(signer, {.certificates_before = std::vector(140, other)}),
            "too_many_certificates");
}

TEST(VerifyDetached, LeavesNoErrorBehind) {
  const Identity signer = Identity::Make();
  for (const bool wrapped : {false, true}) {
    EXPECT_EQ(SignAndVerify(signer, {.wrapped = wrapped}), "");
    EXPECT_EQ(ERR_peek_error(), 0UL);
  }
  EXPECT_NE(Verify(test::Sign(Content(), signer), base::ToBytes("something else")), "");
  EXPECT_EQ(ERR_peek_error(), 0UL);
  EXPECT_NE(Verify(Bytes{0x30, 0x01}), "");
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(VerifyError, EveryNameIsItsOwn) {
  std::set<std::string_view> names;
  for (const VerifyError error :
       {VerifyError::kMalformed, VerifyError::kTooManyCertificates, VerifyError::kSignerCount,
        VerifyError::kDigestAlgorithm, VerifyError::kSignedAttributes,
        VerifyError::kSignerCertificateMissing, VerifyError::kCertificateNotAllowed,
        VerifyError::kSignatureAlgorithm, VerifyError::kSignature, VerifyError::kUntrusted,
        VerifyError::kOutOfMemory}) {
    EXPECT_TRUE(names.insert(VerifyErrorName(error)).second) << VerifyErrorName(error);
  }
}

}  // namespace
}  // namespace varstored::crypto
