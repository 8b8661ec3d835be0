#include "varstored/signer/signature.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/signing.h"
#include "varstored/crypto/signed_data.h"
#include "workshop.h"

namespace varstored::signer {
namespace {

using base::Bytes;
using base::ToBytes;

const Bytes kContent = ToBytes("what is signed");

class SignatureTest : public Workshop {
 protected:
  [[nodiscard]] PrivateKey TheKey(const std::string& name) const {
    auto key = PrivateKey::Parse(Key(name + ".key"));
    if (!key) {
      throw std::runtime_error(key.error().message);
    }
    return *std::move(key);
  }
};

template <class T>
std::string Message(const base::Result<T>& result) {
  return result ? "good" : result.error().message;
}

TEST_F(SignatureTest, IsVerifiedByTheDaemonsOwnCode) {
  const auto made = Sign(kContent, TheKey("PK"), {Certificate("PK")});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(crypto::VerifyDetached(*made, {kContent}, {.equals = {Certificate("PK")}}));
  EXPECT_FALSE(crypto::VerifyDetached(*made, {ToBytes("other")}, {.any_signer = true}));
}

TEST_F(SignatureTest, IsThatOfTheFirstCertificateAndHoldsTheOthers) {
  const auto made = Sign(kContent, TheKey("KEK"), {Certificate("KEK"), Certificate("PK")});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(crypto::VerifyDetached(*made, {kContent}, {.equals = {Certificate("KEK")}}));
  const std::string text = base::ToString(*made);
  EXPECT_NE(text.find(base::ToString(Key("PK.der"))), std::string::npos);
}

TEST_F(SignatureTest, NeedsTheKeyOfTheCertificate) {
  EXPECT_EQ(Message(Sign(kContent, TheKey("PK"), {Certificate("KEK")})),
            "the key does not belong to the certificate");
}

TEST_F(SignatureTest, IsMadeWithRsaOfAtLeast2048Bits) {
  EXPECT_EQ(Message(Sign(kContent, TheKey("ec"), {Certificate("ec")})),
            "its key is EC, where UEFI wants RSA (UEFI 2.10, 8.2.2)");
  EXPECT_EQ(Message(Sign(kContent, TheKey("small"), {Certificate("small")})),
            "its key is RSA of 1024 bits, where UEFI wants at least 2048");
  EXPECT_EQ(Message(CheckSignerKey(Certificate("PK"))), "good");
}

TEST_F(SignatureTest, AKeyIsPemOrDer) {
  Do("openssl pkey -in $keys/PK.key -outform DER -out pkcs8.der");
  Do("openssl rsa -in $keys/PK.key -traditional -out old.pem");
  for (const char* name : {"pkcs8.der", "old.pem"}) {
    const auto key = PrivateKey::Parse(File(name));
    ASSERT_TRUE(key) << name << ": " << key.error().message;
    EXPECT_EQ(Message(Sign(kContent, *key, {Certificate("PK")})), "good");
  }
}

TEST_F(SignatureTest, AKeyWithAPassphraseIsRefusedWithWhatToDo) {
  Do("openssl rsa -in $keys/PK.key -traditional -aes128 -passout pass:secret -out old.pem 2>log");
  for (const Bytes& file : {Key("PK-locked.key"), File("old.pem")}) {
    EXPECT_EQ(Message(PrivateKey::Parse(file)),
              "the key is protected by a passphrase, and is not decrypted here: sign with `openssl "
              "cms`, which asks for it, between -o and -s");
  }
}

TEST_F(SignatureTest, WhatIsNoKeyIsRefused) {
  const Bytes pem = Key("PK.key");
  for (std::size_t size = 0; size + 1 < pem.size(); ++size) {
    ASSERT_EQ(Message(PrivateKey::Parse(base::ByteSpan(pem).first(size))),
              "not a private key in PEM or DER")
        << size;
  }
  EXPECT_EQ(Message(PrivateKey::Parse(Key("PK.pem"))), "not a private key in PEM or DER");
}

/// Signatures that were made elsewhere: here by the tests' own code, byte by byte.
class ForeignSignature : public testing::Test {
 protected:
  [[nodiscard]] Bytes Made(const test::SignOptions& options = {}) const {
    return test::Sign(kContent, signer_, options);
  }
  const test::Identity signer_ = test::Identity::Make({.key_type = test::KeyType::kRsa2048});
};

TEST_F(ForeignSignature, EveryFormOfAMessageBecomesABareOne) {
  const Bytes bare = Made();
  for (const bool wrapped : {false, true}) {
    for (const auto form :
         {test::LengthForm::kMinimal, test::LengthForm::kLong2, test::LengthForm::kIndefinite}) {
      const auto taken = ParseSignature(Made({.wrapped = wrapped, .length_form = form}), kContent);
      ASSERT_TRUE(taken) << taken.error().message;
      EXPECT_EQ(taken->signed_data, bare);
      EXPECT_TRUE(std::ranges::equal(taken->signer.der(), signer_.certificate()));
      EXPECT_FALSE(taken->has_attributes);
    }
  }
}

TEST_F(ForeignSignature, SignedAttributesAreTakenAndTold) {
  const auto taken = ParseSignature(Made({.signed_attributes = true}), kContent);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_TRUE(taken->has_attributes);
}

TEST_F(ForeignSignature, AMessageWithItsContentIsRefused) {
  EXPECT_EQ(Message(ParseSignature(Made({.embed_content = true}), kContent)),
            "the signature holds what was signed: it has to be made detached");
}

TEST_F(ForeignSignature, WhatDoesNotFitIsRefused) {
  const std::string begin = "the signature does not fit: ";
  const auto message = [this](const test::SignOptions& options) {
    return Message(ParseSignature(Made(options), kContent));
  };
  EXPECT_EQ(Message(ParseSignature(Made(), ToBytes("something else"))).substr(0, begin.size() + 26),
            begin + "it was made over other byt");
  EXPECT_EQ(Message(ParseSignature(Made({.signed_attributes = true}), ToBytes("else")))
                .substr(0, begin.size() + 26),
            begin + "it was made over other byt");
  const auto second = test::Identity::Make();
  EXPECT_EQ(message({.second_signer = &second}), begin + "it does not have exactly one signer");
  EXPECT_EQ(message({.signer_info = false}), begin + "it does not have exactly one signer");
  EXPECT_EQ(message({.digest = test::Digest::kSha1}),
            begin + "its digest is none of SHA-256, SHA-384 and SHA-512");
  EXPECT_EQ(message({.signer_certificate = false}),
            begin + "the signer's certificate is not in it");
  EXPECT_EQ(message({.algorithm = test::SignatureAlgorithm::kOtherKey}),
            begin + "it cannot be used (signature_algorithm)");
}

TEST_F(ForeignSignature, OnlyRsaIsTaken) {
  const auto ec = test::Identity::Make();
  EXPECT_EQ(Message(ParseSignature(test::Sign(kContent, ec), kContent)),
            "the signer: its key is EC, where UEFI wants RSA (UEFI 2.10, 8.2.2)");
}

TEST_F(ForeignSignature, CutAtEveryByteItIsRefused) {
  for (const bool wrapped : {false, true}) {
    const Bytes whole = Made({.wrapped = wrapped});
    for (std::size_t size = 0; size < whole.size(); ++size) {
      ASSERT_EQ(Message(ParseSignature(base::ByteSpan(whole).first(size), kContent)),
                "not a PKCS#7 or CMS signature in PEM or DER")
          << size;
    }
  }
}

}  // namespace
}  // namespace varstored::signer
