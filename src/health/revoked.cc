#include "varstored/health/revoked.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "known.h"
#include "varstored/base/ascii.h"
#include "varstored/base/reader.h"
#include "varstored/crypto/certificate.h"
#include "varstored/efi/well_known.h"
#include "varstored/health/key_content.h"

namespace varstored::health {
namespace {

struct VersionedProgram {
  efi::Guid guid;
  std::string_view name;
};

// Microsoft's dbx_info_msft_latest.json as of July 2026, "svns".
constexpr std::array<VersionedProgram, 3> kVersionedPrograms = {{
    {*efi::ParseGuid("9d132b61-59d5-4388-ab1c-185c3cb2eb92"), kWindowsBootManager},
    {*efi::ParseGuid("e8f82e9d-e127-4158-a488-4c18abe2f284"), "cdboot"},
    {*efi::ParseGuid("c999cac2-7ffe-496f-8127-9e2a8a535976"), "wdsmgfw"},
}};

/// A digest of a certificate that an entry of dbx may hold, and of what.
struct RevokingKind {
  efi::SignatureKind kind;
  RevokedBy by;
  crypto::DigestKind digest;
};

constexpr std::array<RevokingKind, 8> kRevokingKinds = {{
    {efi::SignatureKind::kX509Sha256, RevokedBy::kTbsHash, crypto::DigestKind::kSha256},
    {efi::SignatureKind::kX509Sha384, RevokedBy::kTbsHash, crypto::DigestKind::kSha384},
    {efi::SignatureKind::kX509Sha512, RevokedBy::kTbsHash, crypto::DigestKind::kSha512},
    {efi::SignatureKind::kSha256, RevokedBy::kHash, crypto::DigestKind::kSha256},
    {efi::SignatureKind::kSha384, RevokedBy::kHash, crypto::DigestKind::kSha384},
    {efi::SignatureKind::kSha512, RevokedBy::kHash, crypto::DigestKind::kSha512},
    {efi::SignatureKind::kSha224, RevokedBy::kHash, crypto::DigestKind::kSha224},
    {efi::SignatureKind::kSha1, RevokedBy::kHash, crypto::DigestKind::kSha1},
}};

/// Behind the hash of a tbsCertificate stands a TimeOfRevocation (UEFI 2.10, 32.4.1).
constexpr std::size_t kTimeBytes = 16;

/// The day of an EFI_TIME; empty for one that is all zeros.
std::string DayOf(base::ByteSpan time) {
  if (std::all_of(time.begin(), time.end(), [](std::uint8_t byte) { return byte == 0; })) {
    return {};
  }
  base::Reader reader(time);
  std::uint16_t year = 0;
  std::uint8_t month = 0;
  std::uint8_t day = 0;
  if (!reader.ReadU16(year) || !reader.ReadU8(month) || !reader.ReadU8(day)) {
    return {};
  }
  return base::Padded(year, 4) + "-" + base::Padded(month, 2) + "-" + base::Padded(day, 2);
}

/// A version number, a GUID, minor and major, and zeros: 32 bytes, as a SHA-256 has them.
MinimumVersion VersionOf(base::ByteSpan data) {
  base::Reader reader(data);
  std::uint8_t form = 0;
  base::ByteSpan guid_bytes;
  MinimumVersion version;
  if (!reader.ReadU8(form) || form != 1 || !reader.ReadBytes(16, guid_bytes) ||
      !reader.ReadU16(version.minor) || !reader.ReadU16(version.major)) {
    return {};
  }
  efi::Guid guid{};
  std::copy(guid_bytes.begin(), guid_bytes.end(), guid.bytes.begin());
  const auto* const known =
      std::find_if(kVersionedPrograms.begin(), kVersionedPrograms.end(),
                   [&guid](const VersionedProgram& program) { return program.guid == guid; });
  version.program =
      known == kVersionedPrograms.end() ? efi::ToText(guid) : std::string(known->name);
  return version;
}

/// The entries of a list of keys by what they mean, whoever owns them; and the minimum versions.
struct Contents {
  std::set<std::pair<efi::SignatureKind, base::Bytes>> entries;
  /// Major and minor of the highest, by program.
  std::map<std::string, std::pair<std::uint16_t, std::uint16_t>> versions;
};

Contents ContentsOf(const std::vector<efi::SignatureList>& lists) {
  Contents contents;
  for (const efi::SignatureList& list : lists) {
    for (const efi::SignatureEntry& entry : list.entries) {
      if (!IsVersion(list.kind, entry)) {
        contents.entries.emplace(list.kind, base::ToBytes(entry.data));
      }
    }
  }
  for (const MinimumVersion& version : VersionsIn(lists)) {
    if (!version.is_superseded) {
      contents.versions[version.program] = {version.major, version.minor};
    }
  }
  return contents;
}

Revocations::Comparison Compare(const Contents& held, const Contents& wanted) {
  Revocations::Comparison comparison;
  comparison.total = wanted.entries.size() + wanted.versions.size();
  for (const auto& entry : wanted.entries) {
    comparison.missing += held.entries.contains(entry) ? 0U : 1U;
  }
  for (const auto& [program, version] : wanted.versions) {
    const auto found = held.versions.find(program);
    comparison.missing += found != held.versions.end() && found->second >= version ? 0U : 1U;
  }
  return comparison;
}

}  // namespace

bool IsVersion(efi::SignatureKind kind, const efi::SignatureEntry& entry) {
  return kind == efi::SignatureKind::kSha256 && entry.owner == kVersionsOwner;
}

std::vector<MinimumVersion> VersionsIn(const std::vector<efi::SignatureList>& lists) {
  std::vector<MinimumVersion> versions;
  std::map<std::string, std::pair<std::uint16_t, std::uint16_t>> highest;
  for (const efi::SignatureList& list : lists) {
    for (const efi::SignatureEntry& entry : list.entries) {
      if (IsVersion(list.kind, entry)) {
        versions.push_back(VersionOf(entry.data));
        const MinimumVersion& one = versions.back();
        auto& high = highest[one.program];
        high = std::max(high, {one.major, one.minor});
      }
    }
  }
  for (MinimumVersion& version : versions) {
    version.is_superseded = std::pair(version.major, version.minor) < highest[version.program];
  }
  return versions;
}

RevokedEntries::RevokedEntries(const State& state)
    : has_dbx_(FindEntry(state, efi::kDbx) != nullptr),
      has_dbt_(FindEntry(state, efi::kDbt) != nullptr) {
  const store::Entry* dbx = FindEntry(state, efi::kDbx);
  const auto lists = dbx == nullptr ? std::nullopt : efi::UsableSignatureLists(dbx->data());
  if (!lists) {
    return;
  }
  for (const efi::SignatureList& list : *lists) {
    for (const efi::SignatureEntry& entry : list.entries) {
      if (list.kind == efi::SignatureKind::kX509) {
        if (const auto digest = crypto::Sha256({entry.data})) {
          certificates_.insert(*digest);
        }
      } else if (!IsVersion(list.kind, entry)) {
        const std::size_t time = efi::IsHashOfCertificate(list.kind) ? kTimeBytes : 0;
        const std::size_t digest = entry.data.size() - time;
        std::string day = DayOf(entry.data.subspan(digest));
        const auto [place, is_new] =
            digests_[list.kind].try_emplace(base::ToBytes(entry.data.first(digest)), day);
        if (!is_new) {
          // Of two days the earlier one counts; none is the earliest.
          place->second = std::min(place->second, day);
        }
      }
    }
  }
}

std::optional<Revocation> RevokedEntries::Find(efi::SignatureKind kind, RevokedBy by,
                                               crypto::DigestKind digest,
                                               base::ByteSpan bytes) const {
  const auto of_kind = digests_.find(kind);
  if (of_kind == digests_.end()) {
    return std::nullopt;
  }
  const auto value = crypto::Digest(digest, bytes);
  if (!value) {
    return std::nullopt;
  }
  const auto found = of_kind->second.find(*value);
  return found == of_kind->second.end() ? std::nullopt
                                        : std::optional(Revocation{by, found->second});
}

Revocation RevokedEntries::Of(base::ByteSpan certificate) const {
  if (!certificates_.empty()) {
    const auto digest = crypto::Sha256({certificate});
    if (digest && certificates_.contains(*digest)) {
      return {RevokedBy::kCertificate, {}};
    }
  }
  const auto parsed = crypto::Certificate::Parse(certificate);
  return Find(parsed ? std::optional(parsed->tbs_der()) : std::nullopt, certificate);
}

Revocation RevokedEntries::OfTbs(base::ByteSpan tbs) const { return Find(tbs, std::nullopt); }

Revocation RevokedEntries::Find(std::optional<base::ByteSpan> tbs,
                                std::optional<base::ByteSpan> whole) const {
  std::optional<Revocation> dated;
  for (const RevokingKind& row : kRevokingKinds) {
    const auto& bytes = row.by == RevokedBy::kTbsHash ? tbs : whole;
    const auto found = bytes ? Find(row.kind, row.by, row.digest, *bytes) : std::nullopt;
    if (found && found->since.empty()) {
      return *found;
    }
    if (found && (!dated || found->since < dated->since)) {
      dated = found;
    }
  }
  return dated.value_or(Revocation());
}

bool RevokedEntries::IsUseless(efi::SignatureKind kind, const efi::SignatureEntry& entry) const {
  if (kind == efi::SignatureKind::kX509) {
    const Revocation revocation = Of(entry.data);
    return revocation.by != RevokedBy::kNothing && (revocation.since.empty() || !has_dbt_);
  }
  return Holds(kind, entry.data);
}

bool RevokedEntries::Holds(efi::SignatureKind kind, base::ByteSpan digest) const {
  const auto of_kind = digests_.find(kind);
  return of_kind != digests_.end() && of_kind->second.contains(base::ToBytes(digest));
}

Revocations RevocationsOf(const State& state, const Context& context) {
  const store::Entry* dbx = FindEntry(state, efi::kDbx);
  const auto lists = dbx == nullptr ? std::nullopt : efi::ParseSignatureLists(dbx->data());
  const std::vector<efi::SignatureList> held_lists =
      lists.value_or(std::vector<efi::SignatureList>());
  const Contents held = ContentsOf(held_lists);
  const KnownRevocations known(context.microsoft_list);
  Revocations revocations;
  revocations.distinct = held.entries.size();
  revocations.newest_known = known.lists().back().date;
  revocations.newest_known_count = known.lists().back().hashes;
  bool has_all = true;
  for (const KnownList& list : known.lists()) {
    if (held.entries.contains({efi::SignatureKind::kSha256, base::ToBytes(list.marker)})) {
      revocations.newest_seen = list.date;
    } else {
      has_all = false;
    }
  }
  std::set<base::Bytes> unknown;
  for (const efi::SignatureList& list : held_lists) {
    for (const efi::SignatureEntry& entry : list.entries) {
      if (list.kind == efi::SignatureKind::kSha256 && entry.owner == kMicrosoftOwner &&
          !known.Knows(entry.data)) {
        unknown.insert(base::ToBytes(entry.data));
      }
    }
  }
  revocations.unknown_of_microsofts = unknown.size();
  const auto hashes =
      std::count_if(held.entries.begin(), held.entries.end(),
                    [](const auto& entry) { return entry.first == efi::SignatureKind::kSha256; });
  revocations.seems_current =
      has_all && static_cast<std::size_t>(hashes) >= revocations.newest_known_count;
  if (context.dbx_update) {
    if (const auto wanted = efi::ParseSignatureLists(*context.dbx_update)) {
      revocations.comparison = Compare(held, ContentsOf(*wanted));
    }
  }
  return revocations;
}

}  // namespace varstored::health
