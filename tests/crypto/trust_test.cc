// Whose signature counts. Each message in here is well signed.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/signing.h"
#include "varstored/crypto/signed_data.h"

namespace varstored::crypto {
namespace {

using base::Bytes;
using test::CommonName;
using test::Digest;
using test::Identity;
using test::KeyType;

using Extensions = std::vector<std::pair<std::string, std::string>>;
const Extensions kLeaf = {{"basicConstraints", "critical,CA:FALSE"}};

Certificate ToCertificate(const Identity& identity) {
  return Certificate::Parse(identity.certificate()).value();
}

Trust Equals(const Identity& identity) { return {.equals = {ToCertificate(identity)}}; }

Trust Anchors(const std::vector<Identity>& identities) {
  Trust trust;
  for (const Identity& identity : identities) {
    trust.anchors.push_back(ToCertificate(identity));
  }
  return trust;
}

// "" for a trusted signer, else the error's name. The message brings `others` too.
std::string Verify(const Identity& signer, const Trust& trust,
                   const std::vector<Identity>& others = {}) {
  const Bytes content = base::ToBytes("content");
  test::SignOptions options;
  for (const Identity& other : others) {
    options.certificates_after.push_back(other.certificate());
  }
  const auto verified = VerifyDetached(test::Sign(content, signer, options), {content}, trust);
  if (!verified.ok()) {
    return std::string(VerifyErrorName(verified.error()));
  }
  EXPECT_EQ(base::ToBytes(verified->der()), signer.certificate());
  return "";
}

constexpr const char* kUntrusted = "signer_untrusted";

TEST(Trust, NobodyIsTrustedByDefault) { EXPECT_EQ(Verify(Identity::Make(), {}), kUntrusted); }

TEST(Trust, AnySignerTrustsWhoeverSigned) {
  const Trust any_signer = {.any_signer = true};
  EXPECT_EQ(Verify(Identity::Make(), any_signer), "");
}

TEST(Trust, AnyOneAlternativeIsEnough) {
  const Identity signer = Identity::Make();
  const Identity other = Identity::Make({.subject = CommonName("other")});
  Trust trust = Equals(other);
  trust.anchors = {ToCertificate(other)};
  EXPECT_EQ(Verify(signer, trust), kUntrusted);
  trust.anchors.push_back(ToCertificate(signer));
  EXPECT_EQ(Verify(signer, trust), "");
}

TEST(TrustEquals, TheSignersCertificateItself) {
  const Identity signer = Identity::Make();
  const Identity other = Identity::Make();  // alike in all but the key
  EXPECT_EQ(Verify(signer, Equals(signer)), "");
  EXPECT_EQ(Verify(signer, Equals(other)), kUntrusted);
}

TEST(TrustEquals, EveryByteCounts) {
  // Another certificate for the same key is another certificate.
  const Identity signer = Identity::Make();
  const Identity renewed = Identity::Make({.key = signer.key(), .not_after = "20490101000000Z"});
  EXPECT_EQ(Verify(signer, Equals(renewed)), kUntrusted);
}

TEST(TrustEquals, NoChainIsBuilt) {
  const Identity platform_key = Identity::Make({.subject = CommonName("PK")});
  const Identity issued = Identity::Make({.subject = CommonName("leaf"), .issuer = &platform_key});
  EXPECT_EQ(Verify(issued, Equals(platform_key), {platform_key}), kUntrusted);
}

TEST(TrustEquals, ATwinOfTheTrustedCertificateIsNotTrusted) {
  // given an attacker's certificate with the issuer and serial number of the platform key
  const Identity platform_key = Identity::Make();
  const Identity twin = Identity::Make();
  // when the message brings both, in either order
  const Bytes content = base::ToBytes("content");
  const std::vector<Bytes> real = {platform_key.certificate()};
  for (const test::SignOptions& options : {test::SignOptions{.certificates_before = real},
                                           test::SignOptions{.certificates_after = real}}) {
    // then it is the attacker who signed, and the real one does not vouch for it
    const auto verified =
        VerifyDetached(test::Sign(content, twin, options), {content}, Equals(platform_key));
    ASSERT_FALSE(verified.ok());
    EXPECT_EQ(verified.error(), VerifyError::kUntrusted);
  }
}

TEST(TrustEquals, WorksForCertificatesThatChainBuildingRefuses) {
  const Identity unknown_critical =
      Identity::Make({.extensions = {{"2.5.29.4", "critical,DER:3000"}}});
  EXPECT_EQ(Verify(unknown_critical, Equals(unknown_critical)), "");
  EXPECT_EQ(Verify(unknown_critical, Anchors({unknown_critical})), "");
}

TEST(TrustAnchors, TheSignerItself) {
  const Identity signer = Identity::Make();
  const Identity other = Identity::Make();
  EXPECT_EQ(Verify(signer, Anchors({other, signer})), "");
  EXPECT_EQ(Verify(signer, Anchors({other})), kUntrusted);
}

TEST(TrustAnchors, IssuerOfTheSigner) {
  const Identity anchor = Identity::Make({.subject = CommonName("KEK")});
  const Identity other = Identity::Make({.subject = CommonName("KEK")});
  const Identity signer =
      Identity::Make({.subject = CommonName("leaf"), .issuer = &anchor, .extensions = kLeaf});
  EXPECT_EQ(Verify(signer, Anchors({anchor})), "");
  EXPECT_EQ(Verify(signer, Anchors({anchor}), {anchor}), "");
  EXPECT_EQ(Verify(signer, Anchors({other})), kUntrusted);
  // That the message brings the issuer is no reason to trust it.
  EXPECT_EQ(Verify(signer, Anchors({other}), {anchor}), kUntrusted);
}

TEST(TrustAnchors, IntermediatesComeFromTheMessage) {
  const Identity anchor = Identity::Make({.subject = CommonName("KEK")});
  const Identity middle =
      Identity::Make({.subject = CommonName("middle"), .issuer = &anchor, .serial = 2});
  const Identity low =
      Identity::Make({.subject = CommonName("low"), .issuer = &middle, .serial = 3});
  const Identity signer =
      Identity::Make({.subject = CommonName("leaf"), .issuer = &low, .extensions = kLeaf});
  EXPECT_EQ(Verify(signer, Anchors({anchor}), {middle, low}), "");
  EXPECT_EQ(Verify(signer, Anchors({anchor}), {low, middle}), "");
  EXPECT_EQ(Verify(signer, Anchors({anchor}), {low}), kUntrusted);
  EXPECT_EQ(Verify(signer, Anchors({anchor}), {middle}), kUntrusted);
}

TEST(TrustAnchors, ChainMayEndAtAnAnchorThatOthersIssued) {
  const Identity root = Identity::Make({.subject = CommonName("root")});
  const Identity anchor = Identity::Make({.subject = CommonName("KEK"), .issuer = &root});
  const Identity signer =
      Identity::Make({.subject = CommonName("leaf"), .issuer = &anchor, .extensions = kLeaf});
  EXPECT_EQ(Verify(signer, Anchors({anchor})), "");
  // The anchor's own issuer is not looked for, and its issuer's trust is not the anchor's.
  EXPECT_EQ(Verify(signer, Anchors({root})), kUntrusted);
  EXPECT_EQ(Verify(signer, Anchors({root}), {anchor}), "");
}

TEST(TrustAnchors, ChainDoesNotGoDownwards) {
  const Identity issuer = Identity::Make({.subject = CommonName("issuer")});
  const Identity anchor = Identity::Make({.subject = CommonName("KEK"), .issuer = &issuer});
  EXPECT_EQ(Verify(issuer, Anchors({anchor}), {anchor}), kUntrusted);
}

TEST(TrustAnchors, IntermediateMustBeAllowedToIssue) {
  const Identity anchor = Identity::Make({.subject = CommonName("KEK")});
  for (const Extensions& extensions : {kLeaf, Extensions{},
                                       Extensions{{"basicConstraints", "critical,CA:TRUE"},
                                                  {"keyUsage", "critical,digitalSignature"}}}) {
    const Identity middle = Identity::Make(
        {.subject = CommonName("middle"), .issuer = &anchor, .extensions = extensions});
    const Identity signer = Identity::Make({.subject = CommonName("leaf"), .issuer = &middle});
    EXPECT_EQ(Verify(middle, Anchors({anchor})), "");
    EXPECT_EQ(Verify(signer, Anchors({anchor}), {middle}), kUntrusted);
  }
}

TEST(TrustAnchors, PathLengthIsObeyed) {
  for (const bool allowed : {true, false}) {
    const Identity anchor = Identity::Make(
        {.subject = CommonName("KEK"),
         .extensions = {{"basicConstraints",
                         allowed ? "critical,CA:TRUE,pathlen:1" : "critical,CA:TRUE,pathlen:0"}}});
    const Identity middle = Identity::Make({.subject = CommonName("middle"), .issuer = &anchor});
    const Identity signer = Identity::Make({.subject = CommonName("leaf"), .issuer = &middle});
    EXPECT_EQ(Verify(signer, Anchors({anchor}), {middle}), allowed ? "" : kUntrusted);
  }
}

TEST(TrustAnchors, AnyPurposeOfTheSigner) {
  const Identity anchor = Identity::Make({.subject = CommonName("KEK")});
  for (const Extensions& extensions :
       {Extensions{}, Extensions{{"keyUsage", "critical,keyEncipherment"}},
        Extensions{{"extendedKeyUsage", "critical,serverAuth"}},
        Extensions{{"extendedKeyUsage", "critical,1.3.6.1.4.1.311.79.2.1"}}}) {
    const Identity signer = Identity::Make(
        {.subject = CommonName("leaf"), .issuer = &anchor, .extensions = extensions});
    EXPECT_EQ(Verify(signer, Anchors({anchor})), "");
  }
}

TEST(TrustAnchors, TimeIsIgnored) {
  for (const auto& [not_before, not_after] : {std::pair("19900101000000Z", "19910101000000Z"),
                                              std::pair("20480101000000Z", "20490101000000Z")}) {
    const Identity anchor = Identity::Make(
        {.subject = CommonName("KEK"), .not_before = not_before, .not_after = not_after});
    const Identity middle = Identity::Make({.subject = CommonName("middle"),
                                            .issuer = &anchor,
                                            .not_before = not_before,
                                            .not_after = not_after});
    const Identity signer = Identity::Make({.subject = CommonName("leaf"),
                                            .issuer = &middle,
                                            .not_before = not_before,
                                            .not_after = not_after,
                                            .extensions = kLeaf});
    EXPECT_EQ(Verify(anchor, Anchors({anchor})), "");
    EXPECT_EQ(Verify(signer, Anchors({anchor}), {middle}), "");
  }
}

TEST(TrustAnchors, L26OddAnchorsIssue) {
  for (const test::CertificateOptions& options :
       {test::CertificateOptions{.key_type = KeyType::kRsa1024},
        test::CertificateOptions{.key_type = KeyType::kRsa4096},
        test::CertificateOptions{.serial = 0}, test::CertificateOptions{.serial = -77},
        test::CertificateOptions{.key_type = KeyType::kRsa2048, .digest = Digest::kSha1},
        test::CertificateOptions{.key_type = KeyType::kRsa2048, .digest = Digest::kMd5},
        test::CertificateOptions{.not_after = "20200102000000Z"}}) {
    test::CertificateOptions with_name = options;
    with_name.subject = CommonName("KEK");
    const Identity anchor = Identity::Make(with_name);
    const Identity signer =
        Identity::Make({.subject = CommonName("leaf"), .issuer = &anchor, .extensions = kLeaf});
    EXPECT_EQ(Verify(anchor, Anchors({anchor})), "");
    EXPECT_EQ(Verify(anchor, Equals(anchor)), "");
    EXPECT_EQ(Verify(signer, Anchors({anchor})), "");
  }
}

TEST(TrustAnchors, WeakSignaturesOfCertificatesAreTaken) {
  const Identity anchor =
      Identity::Make({.subject = CommonName("KEK"), .key_type = KeyType::kRsa1024});
  for (const Digest digest : {Digest::kSha1, Digest::kMd5}) {
    const Identity signer = Identity::Make(
        {.subject = CommonName("leaf"), .issuer = &anchor, .digest = digest, .extensions = kLeaf});
    EXPECT_EQ(Verify(signer, Anchors({anchor})), "");
  }
}

TEST(TrustAnchors, AnchorsOwnSignatureIsNotChecked) {
  const Identity anchor = Identity::Make({.subject = CommonName("KEK")});
  const Identity signer =
      Identity::Make({.subject = CommonName("leaf"), .issuer = &anchor, .extensions = kLeaf});
  Bytes broken = anchor.certificate();
  broken.back() ^= 1;
  const Trust trust = {.anchors = {Certificate::Parse(broken).value()}};
  EXPECT_EQ(Verify(signer, trust), "");
}

TEST(TrustAnchors, LinkWithABadSignatureIsRefused) {
  // given an intermediate whose certificate was changed after it was signed
  const Identity anchor = Identity::Make({.subject = CommonName("KEK")});
  const Identity middle = Identity::Make({.subject = CommonName("middle"), .issuer = &anchor});
  const Identity signer = Identity::Make({.subject = CommonName("leaf"), .issuer = &middle});
  Bytes broken = middle.certificate();
  broken.back() ^= 1;
  const Bytes content = base::ToBytes("content");
  const auto verify = [&](const Bytes& intermediate) {
    return VerifyDetached(test::Sign(content, signer, {.certificates_after = {intermediate}}),
                          {content}, Anchors({anchor}));
  };
  EXPECT_TRUE(verify(middle.certificate()).ok());
  EXPECT_FALSE(verify(broken).ok());
}

TEST(TrustAnchors, AnchorsOfOneNameAreToldApartByTheSignature) {
  const Identity old_key = Identity::Make({.subject = CommonName("KEK")});
  const Identity new_key = Identity::Make({.subject = CommonName("KEK")});
  for (const Identity* issuer : {&old_key, &new_key}) {
    const Identity signer =
        Identity::Make({.subject = CommonName("leaf"), .issuer = issuer, .extensions = kLeaf});
    EXPECT_EQ(Verify(signer, Anchors({old_key, new_key})), "");
    EXPECT_EQ(Verify(signer, Anchors({new_key, old_key})), "");
  }
}

TEST(TrustAnchors, IntermediatesOfOneNameAreToldApartByTheSignature) {
  const Identity anchor = Identity::Make({.subject = CommonName("KEK")});
  const Identity middle = Identity::Make({.subject = CommonName("middle"), .issuer = &anchor});
  const Identity twin = Identity::Make({.subject = CommonName("middle"), .issuer = &anchor});
  const Identity signer = Identity::Make({.subject = CommonName("leaf"), .issuer = &middle});
  EXPECT_EQ(Verify(signer, Anchors({anchor}), {middle, twin}), "");
  EXPECT_EQ(Verify(signer, Anchors({anchor}), {twin, middle}), "");
  EXPECT_EQ(Verify(signer, Anchors({anchor}), {twin}), kUntrusted);
}

TEST(TrustAnchors, CirclesOfIssuersEnd) {
  // given two certificates, each issued by the other
  const Identity first_a = Identity::Make({.subject = CommonName("a")});
  const Identity b = Identity::Make({.subject = CommonName("b"), .issuer = &first_a});
  const Identity a =
      Identity::Make({.subject = CommonName("a"), .issuer = &b, .key = first_a.key()});
  const Identity anchor = Identity::Make({.subject = CommonName("KEK")});
  EXPECT_EQ(Verify(a, Anchors({anchor}), {b}), kUntrusted);
  EXPECT_EQ(Verify(a, Anchors({b})), "");
}

TEST(TrustAnchors, WorkForAHostileMessageIsBounded) {
  // given anchors that all have the name of the signer's issuer
  const Identity anchor = Identity::Make({.subject = CommonName("KEK")});
  const Identity signer =
      Identity::Make({.subject = CommonName("leaf"), .issuer = &anchor, .extensions = kLeaf});
  std::vector<Identity> anchors(22, Identity::Make({.subject = CommonName("KEK")}));
  // when the right one is the 23rd, then its signature is the 24th to be checked, the message's
  // own included, and it is found; and not behind that
  anchors.push_back(anchor);
  EXPECT_EQ(Verify(signer, Anchors(anchors)), "");
  anchors.insert(anchors.begin(), anchors.front());
  EXPECT_EQ(Verify(signer, Anchors(anchors)), kUntrusted);
}

TEST(TrustAnchors, AsManyIntermediatesAsAMessageHolds) {
  const Identity anchor = Identity::Make({.subject = CommonName("KEK")});
  std::vector<Identity> chain = {anchor};
  for (int i = 0; i < 16; ++i) {
    chain.push_back(
        Identity::Make({.subject = CommonName(std::to_string(i)), .issuer = &chain.back()}));
  }
  const Identity signer = chain.back();
  const std::vector<Identity> between(chain.begin() + 1, chain.end() - 1);
  EXPECT_EQ(Verify(signer, Anchors({anchor}), between), "");
}

}  // namespace
}  // namespace varstored::crypto
