// A write that is authenticated: the descriptor, the SignedData in it, and every certificate of
// that. Input: the data of a SetVariable call, of which the payload alone is signed. A payload that
// is a certificate is an anchor, so that chains are built from what the message holds.

#include <algorithm>

#include "support.h"
#include "varstored/crypto/certificate.h"
#include "varstored/crypto/signed_data.h"
#include "varstored/efi/authentication_descriptor.h"

namespace varstored::fuzz {
namespace {

void CheckCertificate(const crypto::Certificate& certificate) {
  const auto tbs = certificate.tbs_der();
  Require(tbs.size() < certificate.der().size(), "tbsCertificate is a part of a certificate");
  const auto name = certificate.common_name();
  Require(!name || name->size() < certificate.der().size(), "a name is a part of a certificate");
  static_cast<void>(certificate.subject_text());
  static_cast<void>(certificate.not_after());
}

void CheckMessage(base::ByteSpan message, base::ByteSpan content) {
  const auto anyone = crypto::VerifyDetached(message, {content}, {.any_signer = true});
  Require(!crypto::VerifyDetached(message, {content}, {}).ok(), "nobody is trusted by default");
  if (!anyone) {
    Require(!crypto::VerifyErrorName(anyone.error()).empty(), "every error has a name");
    return;
  }
  CheckCertificate(*anyone);
  Require(crypto::VerifyDetached(message, {content}, {.equals = {*anyone}}).ok(),
          "the signer is the signer");
  Require(crypto::VerifyDetached(message, {content}, {.anchors = {*anyone}}).ok(),
          "the signer is an anchor of its own");
  const base::Bytes other(content.size() + 1, 0x5A);
  Require(!crypto::VerifyDetached(message, {other}, {.any_signer = true}).ok(),
          "a signature counts for its content");
}

}  // namespace
}  // namespace varstored::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  const base::ByteSpan bytes(data, size);
  if (const auto descriptor = efi::ParseAuthenticationDescriptor(bytes)) {
    fuzz::Require(descriptor->signed_data.size() + descriptor->payload.size() + 40 == size,
                  "a descriptor, a message and a payload are all that there is");
    fuzz::CheckMessage(descriptor->signed_data, descriptor->payload);
    if (const auto anchor = crypto::Certificate::Parse(descriptor->payload)) {
      fuzz::CheckCertificate(*anchor);
      const auto signer = crypto::VerifyDetached(descriptor->signed_data, {descriptor->payload},
                                                 {.anchors = {*anchor}});
      fuzz::Require(
          !signer.ok() || crypto::VerifyDetached(descriptor->signed_data, {descriptor->payload},
                                                 {.any_signer = true})
                              .ok(),
          "who is trusted has signed");
    }
  }
  if (const auto certificate = crypto::Certificate::Parse(bytes)) {
    fuzz::CheckCertificate(*certificate);
  }
  return 0;
}
