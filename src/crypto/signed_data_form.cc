#include "signed_data_form.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "ber.h"

namespace varstored::crypto {
namespace {

using Failure = base::Failure<VerifyError>;

constexpr std::array<std::uint8_t, 9> kSignedData = {0x2A, 0x86, 0x48, 0x86, 0xF7,
                                                     0x0D, 0x01, 0x07, 0x02};

// The contents of the SignedData's SEQUENCE. ContentInfo ::= SEQUENCE { contentType OBJECT
// IDENTIFIER, content [0] EXPLICIT ANY } begins with another type than a SignedData.
std::optional<base::ByteSpan> Unwrap(base::ByteSpan bytes) {
  auto sequence = OnlyElement(bytes, ber::kSequence);
  if (!sequence) {
    return std::nullopt;
  }
  BerReader parts(sequence->contents);
  if (const auto type = parts.NextIf(ber::kOid)) {
    const auto content = parts.NextIf(ber::Context(0));
    if (!std::ranges::equal(type->contents, kSignedData) || !content || !parts.empty()) {
      return std::nullopt;
    }
    sequence = OnlyElement(content->contents, ber::kSequence);
  }
  return sequence ? std::optional(sequence->contents) : std::nullopt;
}

}  // namespace

base::Result<SignedDataForm, VerifyError> ReadSignedDataForm(base::ByteSpan bytes) {
  // SignedData ::= SEQUENCE { version, digestAlgorithms SET, contentInfo SEQUENCE,
  //   certificates [0] IMPLICIT SET OPTIONAL, crls [1] IMPLICIT SET OPTIONAL, signerInfos SET }
  const auto contents = Unwrap(bytes);
  if (!contents) {
    return Failure{VerifyError::kMalformed};
  }
  BerReader parts(*contents);
  const auto version = parts.NextIf(ber::kInteger);
  if (!version || version->contents.size() != 1 || version->contents.front() != 1 ||
      !parts.NextIf(ber::kSet)) {
    return Failure{VerifyError::kMalformed};
  }
  const auto content_info = parts.NextIf(ber::kSequence);
  if (!content_info) {
    return Failure{VerifyError::kMalformed};
  }
  const auto certificates = parts.NextIf(ber::Context(0));
  parts.SkipIf(ber::Context(1));
  const auto signer_infos = parts.NextIf(ber::kSet);
  if (!signer_infos || !parts.empty()) {
    return Failure{VerifyError::kMalformed};
  }
  SignedDataForm form;
  form.content_info = content_info->contents;
  BerReader each_certificate(certificates ? certificates->contents : base::ByteSpan());
  while (!each_certificate.empty()) {
    const auto certificate = each_certificate.NextIf(ber::kSequence);
    if (!certificate) {
      return Failure{VerifyError::kMalformed};
    }
    if (form.certificates.size() == kMaxCertificates) {
      return Failure{VerifyError::kTooManyCertificates};
    }
    form.certificates.push_back(certificate->whole);
  }
  BerReader each_signer(signer_infos->contents);
  while (!each_signer.empty()) {
    const auto signer_info = each_signer.NextIf(ber::kSequence);
    if (!signer_info) {
      return Failure{VerifyError::kMalformed};
    }
    form.signer_info = signer_info->whole;
    ++form.signer_count;
  }
  return form;
}

}  // namespace varstored::crypto
