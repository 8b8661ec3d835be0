// A write that is authenticated: the descriptor, the SignedData in it, and every certificate of
// that. Input: the data of a SetVariable call, of which the payload alone is signed. A payload that
// is a certificate is an anchor, so that chains are built from what the message holds.
//
// What OpenSSL is asked to do for one message is counted, and has a bound (fuzz/README.md, "Work").
// The linker hands the calls of room crypto to the functions __wrap_ here.

#include <algorithm>
#include <cstdint>

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include "support.h"
#include "varstored/crypto/certificate.h"
#include "varstored/crypto/signed_data.h"
#include "varstored/efi/authentication_descriptor.h"

namespace varstored::fuzz {
namespace {

// About an instruction each.
constexpr std::uint64_t kWorkBound = 150'000'000;
constexpr std::uint64_t kDecoding = 200'000;
constexpr std::uint64_t kExplicitCurve = 1'000'000'000;

std::uint64_t& Work() {
  static std::uint64_t work = 0;
  return work;
}

void Count(std::uint64_t work) {
  Work() += work;
  Require(Work() <= kWorkBound, "the work for a message is bounded");
}

/// What a decoded certificate has cost: a curve by its parameters is dear, also when it is wrong.
std::uint64_t CostOfDecoding(const X509* certificate) {
  const X509_PUBKEY* key = certificate != nullptr ? X509_get_X509_PUBKEY(certificate) : nullptr;
  ASN1_OBJECT* kind = nullptr;
  X509_ALGOR* algorithm = nullptr;
  if (key == nullptr || X509_PUBKEY_get0_param(&kind, nullptr, nullptr, &algorithm, key) != 1) {
    return kDecoding;
  }
  int parameters = V_ASN1_UNDEF;
  X509_ALGOR_get0(nullptr, &parameters, nullptr, algorithm);
  return OBJ_obj2nid(kind) == NID_X9_62_id_ecPublicKey && parameters == V_ASN1_SEQUENCE
             ? kExplicitCurve
             : kDecoding;
}

/// What checking a signature by `key` costs: for RSA two products of the modulus' size for each bit
/// of the exponent.
std::uint64_t CostOfCheck(const EVP_PKEY* key) {
  constexpr std::uint64_t kCurve = 20;
  const auto bits = static_cast<std::uint64_t>(std::max(EVP_PKEY_get_bits(key), 0));
  BIGNUM* exponent = nullptr;
  if (EVP_PKEY_get_bn_param(key, "e", &exponent) != 1) {
    return kCurve * bits * bits;
  }
  const auto exponent_bits = static_cast<std::uint64_t>(BN_num_bits(exponent));
  BN_free(exponent);
  const std::uint64_t words = (bits + 63) / 64;
  return 4 * words * words * 2 * exponent_bits;
}

base::Result<crypto::Certificate, crypto::VerifyError> Verify(base::ByteSpan message,
                                                              base::ByteSpan content,
                                                              const crypto::Trust& trust) {
  Work() = 0;
  return crypto::VerifyDetached(message, {content}, trust);
}

void CheckCertificate(const crypto::Certificate& certificate) {
  const auto tbs = certificate.tbs_der();
  Require(tbs.size() < certificate.der().size(), "tbsCertificate is a part of a certificate");
  const auto name = certificate.common_name();
  Require(!name || name->size() < certificate.der().size(), "a name is a part of a certificate");
  static_cast<void>(certificate.subject_text());
  static_cast<void>(certificate.not_after());
}

void CheckMessage(base::ByteSpan message, base::ByteSpan content) {
  const auto anyone = Verify(message, content, {.any_signer = true});
  Require(!Verify(message, content, {}).ok(), "nobody is trusted by default");
  if (!anyone) {
    Require(!crypto::VerifyErrorName(anyone.error()).empty(), "every error has a name");
    return;
  }
  CheckCertificate(*anyone);
  Require(Verify(message, content, {.equals = {*anyone}}).ok(), "the signer is the signer");
  Require(Verify(message, content, {.anchors = {*anyone}}).ok(),
          "the signer is an anchor of its own");
  const base::Bytes other(content.size() + 1, 0x5A);
  Require(!Verify(message, other, {.any_signer = true}).ok(), "a signature counts for its content");
}

}  // namespace
}  // namespace varstored::fuzz

// NOLINTBEGIN(readability-identifier-naming): the linker's names.
extern "C" {
X509* __real_d2i_X509(X509** certificate, const unsigned char** in, long size);
X509* __wrap_d2i_X509(X509** certificate, const unsigned char** in, long size) {
  X509* decoded = __real_d2i_X509(certificate, in, size);
  varstored::fuzz::Count(varstored::fuzz::CostOfDecoding(decoded));
  return decoded;
}

int __real_X509_verify(X509* certificate, EVP_PKEY* key);
int __wrap_X509_verify(X509* certificate, EVP_PKEY* key) {
  varstored::fuzz::Count(varstored::fuzz::CostOfCheck(key));
  return __real_X509_verify(certificate, key);
}

int __real_EVP_DigestVerifyFinal(EVP_MD_CTX* context, const unsigned char* signature,
                                 std::size_t size);
int __wrap_EVP_DigestVerifyFinal(EVP_MD_CTX* context, const unsigned char* signature,
                                 std::size_t size) {
  varstored::fuzz::Count(
      varstored::fuzz::CostOfCheck(EVP_PKEY_CTX_get0_pkey(EVP_MD_CTX_get_pkey_ctx(context))));
  return __real_EVP_DigestVerifyFinal(context, signature, size);
}
}
// NOLINTEND(readability-identifier-naming)

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  const base::ByteSpan bytes(data, size);
  if (const auto descriptor = efi::ParseAuthenticationDescriptor(bytes)) {
    fuzz::Require(descriptor->signed_data.size() + descriptor->payload.size() + 40 == size,
                  "a descriptor, a message and a payload are all that there is");
    fuzz::CheckMessage(descriptor->signed_data, descriptor->payload);
    if (const auto anchor = crypto::Certificate::Parse(descriptor->payload)) {
      fuzz::CheckCertificate(*anchor);
      const auto signer =
          fuzz::Verify(descriptor->signed_data, descriptor->payload, {.anchors = {*anchor}});
      fuzz::Require(
          !signer.ok() ||
              fuzz::Verify(descriptor->signed_data, descriptor->payload, {.any_signer = true}).ok(),
          "who is trusted has signed");
    }
  }
  if (const auto certificate = crypto::Certificate::Parse(bytes)) {
    fuzz::CheckCertificate(*certificate);
  }
  return 0;
}
