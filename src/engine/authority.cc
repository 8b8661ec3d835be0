#include "authority.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "modes.h"
#include "varstored/base/hex.h"
#include "varstored/base/log.h"
#include "varstored/base/writer.h"
#include "varstored/crypto/certificate.h"
#include "varstored/crypto/digest.h"
#include "varstored/crypto/signed_data.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"

namespace varstored::engine {
namespace {

/// As much of a signer's common name as its digest takes: other stores of the same blobs do.
constexpr std::size_t kMaxCommonNameBytes = 127;

/// The usable certificates of a variable that holds signature lists. What is stored may be older
/// than the rules on it, so what cannot be read is left out: it can then verify nothing, and keeps
/// nothing else from being used.
std::vector<crypto::Certificate> CertificatesIn(base::ByteSpan lists_bytes) {
  std::vector<crypto::Certificate> certificates;
  const auto lists = efi::UsableSignatureLists(lists_bytes);
  if (!lists) {
    return certificates;
  }
  for (const efi::SignatureList& list : *lists) {
    if (list.kind != efi::SignatureKind::kX509) {
      continue;
    }
    for (const efi::SignatureEntry& entry : list.entries) {
      auto certificate = crypto::Certificate::Parse(entry.data);
      if (certificate) {
        certificates.push_back(*std::move(certificate));
      }
    }
  }
  return certificates;
}

std::vector<crypto::Certificate> CertificatesOf(const store::StagedStore& staged,
                                                const efi::WellKnownVariable& variable) {
  return CertificatesIn(store::ContentOf(staged, variable));
}

crypto::Trust TrustFor(Authority authority, const store::StagedStore& staged,
                       const efi::AuthenticationDescriptor& descriptor) {
  crypto::Trust trust;
  switch (authority) {
    case Authority::kNewKeyItself:
      trust.equals = CertificatesIn(descriptor.payload);
      // A payload that holds no certificate is refused for its form, once the signature is good.
      trust.any_signer = trust.equals.empty();
      break;
    case Authority::kPlatformKey:
      trust.equals = CertificatesOf(staged, efi::kPk);
      break;
    case Authority::kKeyExchange:
      trust.equals = CertificatesOf(staged, efi::kPk);
      trust.anchors = CertificatesOf(staged, efi::kKek);
      break;
    case Authority::kRecovery: {
      trust.equals = CertificatesOf(staged, efi::kPk);
      trust.anchors = CertificatesOf(staged, efi::kKek);
      auto recovery = CertificatesOf(staged, efi::kDbr);
      std::move(recovery.begin(), recovery.end(), std::back_inserter(trust.anchors));
      break;
    }
    case Authority::kFirstSigner:
    case Authority::kAnySigner:
      trust.any_signer = true;
      break;
    case Authority::kNobody:
      break;
  }
  return trust;
}

Reason ReasonOf(crypto::VerifyError error) {
  switch (error) {
    case crypto::VerifyError::kMalformed:
      return Reason::kSignatureMalformed;
    case crypto::VerifyError::kTooManyCertificates:
      return Reason::kTooManyCertificates;
    case crypto::VerifyError::kSignerCount:
      return Reason::kSignerCount;
    case crypto::VerifyError::kDigestAlgorithm:
      return Reason::kDigestNotAllowed;
    case crypto::VerifyError::kSignedAttributes:
      return Reason::kSignedAttributesWrong;
    case crypto::VerifyError::kSignerCertificateMissing:
      return Reason::kSignerCertificateMissing;
    case crypto::VerifyError::kCertificateNotAllowed:
      return Reason::kCertificateNotAllowed;
    case crypto::VerifyError::kSignatureAlgorithm:
      return Reason::kSignatureAlgorithm;
    case crypto::VerifyError::kSignature:
      return Reason::kSignatureWrong;
    case crypto::VerifyError::kUntrusted:
      return Reason::kSignerNotTrusted;
    case crypto::VerifyError::kOutOfMemory:
      return Reason::kOutOfMemory;
  }
  return Reason::kSignatureMalformed;
}

/// SHA-256 of the signer's common name and tbsCertificate.
base::Result<store::SignerDigest, Reason> DigestOfSigner(const crypto::Certificate& signer) {
  const auto common_name = signer.common_name();
  if (!common_name) {
    return base::Failure<Reason>{Reason::kSignerWithoutCommonName};
  }
  const auto end = std::find(common_name->begin(), common_name->end(), 0);
  const auto length =
      std::min(static_cast<std::size_t>(end - common_name->begin()), kMaxCommonNameBytes);
  const auto digest =
      crypto::Sha256({base::ByteSpan(*common_name).first(length), signer.tbs_der()});
  if (!digest) {
    return base::Failure<Reason>{Reason::kOutOfMemory};
  }
  return *digest;
}

/// As much of a name as a line should hold.
constexpr std::size_t kMaxShownName = 64;
/// More than these would only hide the first ones.
constexpr std::size_t kMaxShownTrusted = 4;

/// In quotes, none of which is the name's own.
std::string Quoted(std::string_view name) {
  std::string text = base::Printable(name.substr(0, kMaxShownName));
  std::replace(text.begin(), text.end(), '"', '\'');
  return '"' + text + (name.size() > kMaxShownName ? "...\"" : "\"");
}

/// A name takes time in proportion to its length, so that of a certificate that is no signer's,
/// and may be as long as a variable, is left.
std::string NameOf(const crypto::Certificate& certificate) {
  return certificate.may_be_decoded() ? Quoted(certificate.subject_text())
                                      : "a certificate that verifies nothing";
}

}  // namespace

Mode ModeOf(const Policy& policy, const store::StagedStore& staged) {
  if (!policy.enforce) {
    return Mode::kPermissive;
  }
  return HasPlatformKey(staged) ? Mode::kUser : Mode::kSetup;
}

Operation OperationOf(efi::Attributes attributes, bool payload_is_empty, bool exists) {
  const bool append = attributes.Has(efi::kAppendWrite);
  if (payload_is_empty) {
    return append ? Operation::kTouch : Operation::kDelete;
  }
  return append && exists ? Operation::kAppend : Operation::kSet;
}

Authority AuthorityFor(Special special, Mode mode, Operation operation, const Policy& policy) {
  struct Row {
    Special special;
    Authority setup;
    Authority user;
    Authority permissive;
  };
  // UEFI 2.10, 32.3 and 8.2.2. Everything else with authenticated access is private.
  constexpr std::array<Row, 4> kRows = {{
      {Special::kPk, Authority::kNewKeyItself, Authority::kPlatformKey, Authority::kNobody},
      {Special::kKek, Authority::kNobody, Authority::kPlatformKey, Authority::kNobody},
      {Special::kDatabase, Authority::kNobody, Authority::kKeyExchange, Authority::kNobody},
      {Special::kOsRecovery, Authority::kNobody, Authority::kRecovery, Authority::kNobody},
  }};
  constexpr Row kPrivate = {Special::kNone, Authority::kFirstSigner, Authority::kFirstSigner,
                            Authority::kAnySigner};
  const auto* found = std::find_if(kRows.begin(), kRows.end(),
                                   [special](const Row& row) { return row.special == special; });
  const bool is_private = found == kRows.end();
  if (is_private && policy.tool && operation == Operation::kDelete) {
    return Authority::kNobody;
  }
  const Row& row = is_private ? kPrivate : *found;
  switch (mode) {
    case Mode::kSetup:
      return row.setup;
    case Mode::kUser:
      return row.user;
    case Mode::kPermissive:
      return row.permissive;
  }
  return row.user;
}

bool ChecksTime(Authority authority) {
  return authority != Authority::kNobody && authority != Authority::kAnySigner;
}

base::Result<store::SignerDigest, Reason> VerifyAuthority(
    Authority authority, const store::StagedStore& staged, const store::Entry* current,
    const SetVariableRequest& request, const efi::AuthenticationDescriptor& descriptor,
    std::optional<UntrustedSigner>* untrusted) {
  // UEFI 2.10, 32.3.1: in setup mode a new PK "may be signed with its PKpriv". One that says
  // that the host manages the keys has none (32.4.1).
  if (authority == Authority::kNobody ||
      (authority == Authority::kNewKeyItself && efi::IsManagedByTheHost(descriptor.payload))) {
    return store::SignerDigest{};
  }
  // UEFI 2.10, 8.2.2: what is signed is VariableName without its terminator, VendorGuid,
  // Attributes, TimeStamp and the new content.
  base::Writer covered;
  covered.WriteBytes(request.name);
  covered.WriteBytes(request.vendor.bytes);
  covered.WriteU32(request.attributes);
  efi::WriteTime(covered, descriptor.timestamp);
  const base::Bytes header = covered.Take();

  crypto::Trust trust = TrustFor(authority, staged, descriptor);
  std::optional<crypto::Certificate> stranger;
  const auto signer = crypto::VerifyDetached(descriptor.signed_data, {header, descriptor.payload},
                                             trust, &stranger);
  if (!signer) {
    if (stranger && untrusted != nullptr) {
      std::move(trust.anchors.begin(), trust.anchors.end(), std::back_inserter(trust.equals));
      *untrusted = UntrustedSigner{*std::move(stranger), std::move(trust.equals)};
    }
    return base::Failure<Reason>{ReasonOf(signer.error())};
  }
  if (authority != Authority::kFirstSigner && authority != Authority::kAnySigner) {
    return store::SignerDigest{};
  }
  auto digest = DigestOfSigner(*signer);
  if (digest && authority == Authority::kFirstSigner && current != nullptr &&
      *digest != current->signer()) {
    return base::Failure<Reason>{Reason::kSignerDiffers};
  }
  return digest;
}

std::string UntrustedSignerText(const UntrustedSigner& untrusted) {
  std::string text = "signed by " + NameOf(untrusted.signer) + ", issued by " +
                     Quoted(untrusted.signer.issuer_text());
  if (const auto digest = crypto::Sha256({untrusted.signer.der()})) {
    text += ", SHA-256 " + base::ToHex(*digest);
  }
  const std::size_t shown = std::min(untrusted.trusted.size(), kMaxShownTrusted);
  text += shown == 0 ? "; nobody is trusted" : "; trusted: ";
  for (std::size_t i = 0; i < shown; ++i) {
    text += (i == 0 ? "" : ", ") + NameOf(untrusted.trusted[i]);
  }
  const std::size_t rest = untrusted.trusted.size() - shown;
  return text + (rest == 0 ? "" : " and " + std::to_string(rest) + " more");
}

}  // namespace varstored::engine
