#include "varstored/boot/verdict.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "varstored/crypto/authenticode.h"
#include "varstored/efi/signature_list.h"
#include "varstored/health/key_content.h"

namespace varstored::boot {
namespace {

/// Each entry costs as many checks as there are certificates in db and dbx.
constexpr std::size_t kMaxSignatures = 16;

struct ReasonRow {
  Reason reason{};
  std::string_view name;
  Outcome outcome{};
};

constexpr std::array<ReasonRow, 17> kReasons = {{
    {Reason::kSignerInDb, "signer-in-db", Outcome::kStarts},
    {Reason::kHashInDb, "hash-in-db", Outcome::kStarts},
    {Reason::kSignerInShim, "signer-in-shim", Outcome::kStarts},
    {Reason::kHashInShim, "hash-in-shim", Outcome::kStarts},
    {Reason::kNoImage, "no-image", Outcome::kRefused},
    {Reason::kTableBroken, "table-broken", Outcome::kRefused},
    {Reason::kNotSigned, "not-signed", Outcome::kRefused},
    {Reason::kSignerNotInDb, "signer-not-in-db", Outcome::kRefused},
    {Reason::kSignatureBad, "signature-bad", Outcome::kRefused},
    {Reason::kSignerRevoked, "signer-revoked", Outcome::kRefused},
    {Reason::kSignerHashRevoked, "signer-hash-revoked", Outcome::kRefused},
    {Reason::kAnchorHashRevoked, "anchor-hash-revoked", Outcome::kRefused},
    {Reason::kHashRevoked, "hash-revoked", Outcome::kRefused},
    {Reason::kSbatRevoked, "sbat-revoked", Outcome::kRefused},
    {Reason::kTimeNotKnown, "time-not-known", Outcome::kNotKnown},
    {Reason::kTooManySignatures, "too-many-signatures", Outcome::kNotKnown},
    {Reason::kSbatNotKnown, "sbat-not-known", Outcome::kNotKnown},
}};

const ReasonRow& RowOf(Reason reason) { return kReasons[static_cast<std::size_t>(reason)]; }

efi::SignatureKind KindOf(crypto::DigestKind kind) {
  switch (kind) {
    case crypto::DigestKind::kSha1:
      return efi::SignatureKind::kSha1;
    case crypto::DigestKind::kSha224:
      return efi::SignatureKind::kSha224;
    case crypto::DigestKind::kSha256:
      return efi::SignatureKind::kSha256;
    case crypto::DigestKind::kSha384:
      return efi::SignatureKind::kSha384;
    case crypto::DigestKind::kSha512:
      break;
  }
  return efi::SignatureKind::kSha512;
}

base::Bytes SignatureData(const efi::SignatureEntry& entry) {
  base::Bytes bytes(entry.owner.bytes.begin(), entry.owner.bytes.end());
  bytes.insert(bytes.end(), entry.data.begin(), entry.data.end());
  return bytes;
}

/// The certificate, if it may be used at all.
std::optional<crypto::Certificate> UsableCertificate(base::ByteSpan bytes) {
  auto certificate = crypto::Certificate::Parse(bytes);
  return certificate && certificate->may_be_decoded() ? std::optional(*std::move(certificate))
                                                      : std::nullopt;
}

bool IsDb(const Authority& entry) { return entry.variable.Is(efi::kDb.name, efi::kDb.vendor); }

/// The first certificate, in the order in which they are stored, that the signature chains to.
const Databases::Anchor* AnchorOf(const crypto::Authenticode& signature,
                                  const std::vector<Databases::Anchor>& anchors) {
  const auto found =
      std::find_if(anchors.begin(), anchors.end(), [&signature](const Databases::Anchor& anchor) {
        return crypto::VerifyAuthenticode(signature, {.anchors = {anchor.certificate}}).ok();
      });
  return found == anchors.end() ? nullptr : &*found;
}

/// What one signature comes to: `reason` is of what ends the search, or of a start.
struct Step {
  Reason reason = Reason::kSignerNotInDb;
  std::string detail;
  std::optional<Authority> authority;
};

std::string SinceText(const std::string& day) { return day.empty() ? "" : ", since " + day; }

/// That the hash of a certificate is in dbx: for all times, or from a day on.
Step Revoked(Reason reason, const crypto::Certificate& certificate,
             const health::Revocation& revocation, bool has_dbt) {
  const bool may_be_older = !revocation.since.empty() && has_dbt;
  return {may_be_older ? Reason::kTimeNotKnown : reason,
          certificate.subject_text() + SinceText(revocation.since),
          {}};
}

Step ByHash(Authority entry) {
  return {IsDb(entry) ? Reason::kHashInDb : Reason::kHashInShim, {}, std::move(entry)};
}

Step JudgeSignature(const crypto::Authenticode& signature, base::ByteSpan digest,
                    const Databases& databases) {
  const bool is_of_image =
      std::equal(digest.begin(), digest.end(), signature.digest.begin(), signature.digest.end());
  const health::RevokedEntries& revoked = databases.revoked();
  if (is_of_image) {
    if (const auto* anchor = AnchorOf(signature, databases.forbidden())) {
      return {Reason::kSignerRevoked, anchor->certificate.subject_text(), {}};
    }
  }
  if (signature.signer) {
    const auto revocation = revoked.OfTbs(signature.signer->tbs_der());
    if (revocation.by != health::RevokedBy::kNothing) {
      return Revoked(Reason::kSignerHashRevoked, *signature.signer, revocation, revoked.has_dbt());
    }
  }
  Step step;
  const auto* anchor = is_of_image ? AnchorOf(signature, databases.allowed()) : nullptr;
  if (anchor != nullptr) {
    const auto revocation = revoked.OfTbs(anchor->certificate.tbs_der());
    step = revocation.by == health::RevokedBy::kNothing
               ? Step{IsDb(anchor->entry) ? Reason::kSignerInDb : Reason::kSignerInShim,
                      anchor->certificate.subject_text(), anchor->entry}
               : Revoked(Reason::kAnchorHashRevoked, anchor->certificate, revocation,
                         revoked.has_dbt());
  } else if (!is_of_image || !crypto::VerifyAuthenticode(signature, {.any_signer = true}).ok()) {
    step.reason = Reason::kSignatureBad;
  }
  if (databases.IsHashRevoked(signature.digest_kind, digest)) {
    return {Reason::kHashRevoked, {}, {}};
  }
  if (OutcomeOf(step.reason) != Outcome::kStarts) {
    if (auto entry = databases.AllowedHash(signature.digest_kind, digest)) {
      return ByHash(*std::move(entry));
    }
  }
  return step;
}

/// Whether the firmware looks at no further signature.
bool EndsSearch(Reason reason) {
  return reason == Reason::kSignerRevoked || reason == Reason::kSignerHashRevoked ||
         reason == Reason::kHashRevoked;
}

SignatureInfo InfoOf(const crypto::Authenticode& signature) {
  SignatureInfo info;
  if (signature.signer) {
    info.signer = signature.signer->subject_text();
    info.issuer = signature.signer->issuer_text();
    info.microsoft_year =
        info.issuer == "Microsoft Windows Production PCA 2011" ||
                info.issuer == "Microsoft Corporation UEFI CA 2011"
            ? 2011
        : info.issuer == "Windows UEFI CA 2023" || info.issuer == "Microsoft UEFI CA 2023" ? 2023
                                                                                           : 0;
  }
  return info;
}

void Take(Verdict& verdict, Step step) {
  verdict.reason = step.reason;
  verdict.detail = std::move(step.detail);
  verdict.authority = std::move(step.authority);
}

void JudgeSignatures(const Image& image, const Databases& databases, Verdict& verdict) {
  std::map<crypto::DigestKind, base::Bytes> digests;  // each is of all of the image
  bool has_started = false;
  bool is_first = true;
  bool is_over = false;
  for (const base::ByteSpan bytes : image.signatures) {
    const auto signature = crypto::ReadAuthenticode(bytes);
    verdict.signatures.push_back(signature ? InfoOf(*signature) : SignatureInfo());
    if (is_over || (!signature && signature.error() == crypto::VerifyError::kDigestAlgorithm)) {
      continue;
    }
    // Whose signer cannot be told from it is forbidden as soon as there is a dbx.
    if (databases.revoked().has_dbx() && (!signature || !signature->signer)) {
      verdict.signatures.back().reason = Reason::kSignatureBad;
      Take(verdict, {Reason::kSignatureBad, {}, {}});
      is_over = true;
    }
    if (!signature || is_over) {
      continue;
    }
    base::Bytes& digest = digests[signature->digest_kind];
    if (digest.empty()) {
      auto made = DigestOf(image, signature->digest_kind);
      if (!made) {
        continue;
      }
      digest = *std::move(made);
    }
    Step step = JudgeSignature(*signature, digest, databases);
    const Outcome outcome = OutcomeOf(step.reason);
    verdict.signatures.back().reason = step.reason;
    is_over = EndsSearch(step.reason);
    // One that allows the image stays, unless a later one forbids it.
    if (is_over || (!has_started && (is_first || outcome != Outcome::kRefused))) {
      Take(verdict, std::move(step));
    }
    has_started = has_started || outcome == Outcome::kStarts;
    is_first = false;
  }
}

}  // namespace

std::string_view NameOf(Reason reason) { return RowOf(reason).name; }
Outcome OutcomeOf(Reason reason) { return RowOf(reason).outcome; }

Databases::Databases(const health::State& state) : revoked_(state) {
  Allow(efi::kDb, health::DataOf(state, efi::kDb));
  const auto lists = efi::UsableSignatureLists(health::DataOf(state, efi::kDbx));
  for (const efi::SignatureList& list : lists.value_or(std::vector<efi::SignatureList>())) {
    for (const efi::SignatureEntry& entry : list.entries) {
      auto certificate =
          list.kind == efi::SignatureKind::kX509 ? UsableCertificate(entry.data) : std::nullopt;
      if (certificate) {
        forbidden_.push_back({*std::move(certificate), {efi::kDbx, SignatureData(entry)}});
      }
    }
  }
}

void Databases::Allow(const efi::WellKnownVariable& variable, base::ByteSpan lists) {
  const auto parsed = efi::UsableSignatureLists(lists);
  for (const efi::SignatureList& list : parsed.value_or(std::vector<efi::SignatureList>())) {
    for (const efi::SignatureEntry& entry : list.entries) {
      if (list.kind == efi::SignatureKind::kX509) {
        if (auto certificate = UsableCertificate(entry.data)) {
          allowed_.push_back({*std::move(certificate), {variable, SignatureData(entry)}});
        }
      } else {
        allowed_hashes_.push_back({list.kind, {variable, SignatureData(entry)}});
      }
    }
  }
}

void Databases::AllowCertificate(const efi::WellKnownVariable& variable, const efi::Guid& owner,
                                 base::ByteSpan certificate) {
  if (auto usable = UsableCertificate(certificate)) {
    allowed_.push_back({*std::move(usable), {variable, SignatureData({owner, certificate})}});
  }
}

std::optional<Authority> Databases::AllowedHash(crypto::DigestKind kind,
                                                base::ByteSpan digest) const {
  const auto found = std::find_if(
      allowed_hashes_.begin(), allowed_hashes_.end(), [kind, digest](const Hash& hash) {
        const base::ByteSpan data =
            base::ByteSpan(hash.entry.signature_data).subspan(sizeof(efi::Guid));
        return hash.kind == KindOf(kind) &&
               std::equal(data.begin(), data.end(), digest.begin(), digest.end());
      });
  return found == allowed_hashes_.end() ? std::nullopt : std::optional(found->entry);
}

bool Databases::IsHashRevoked(crypto::DigestKind kind, base::ByteSpan digest) const {
  return revoked_.Holds(KindOf(kind), digest);
}

Verdict VerdictOn(base::ByteSpan file, const Databases& databases) {
  Verdict verdict;
  const auto image = ParseImage(file);
  if (!image) {
    verdict.detail = image.error().message;
    return verdict;
  }
  verdict.machine = image->machine;
  const auto sha256 = DigestOf(*image, crypto::DigestKind::kSha256);
  if (!sha256) {
    verdict.detail = sha256.error().message;
    return verdict;
  }
  verdict.sha256 = *sha256;
  if (!image->is_signed) {
    auto entry = databases.AllowedHash(crypto::DigestKind::kSha256, *sha256);
    if (databases.IsHashRevoked(crypto::DigestKind::kSha256, *sha256)) {
      verdict.reason = Reason::kHashRevoked;
    } else if (entry) {
      Take(verdict, ByHash(*std::move(entry)));
    } else {
      verdict.reason = Reason::kNotSigned;
    }
    return verdict;
  }
  if (!image->is_table_whole) {
    verdict.reason = Reason::kTableBroken;
    return verdict;
  }
  if (image->signatures.size() > kMaxSignatures) {
    verdict.reason = Reason::kTooManySignatures;
    verdict.detail = "it has " + std::to_string(image->signatures.size()) +
                     " signatures, and at most " + std::to_string(kMaxSignatures) +
                     " are looked at";
    return verdict;
  }
  verdict.reason = Reason::kSignatureBad;
  JudgeSignatures(*image, databases, verdict);
  return verdict;
}

}  // namespace varstored::boot
