#include "varstored/health/report.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "boot.h"
#include "key_content.h"
#include "known.h"
#include "usage.h"
#include "varstored/crypto/certificate.h"
#include "varstored/efi/well_known.h"

namespace varstored::health {
namespace {

std::string_view KindText(efi::SignatureKind kind) {
  switch (kind) {
    case efi::SignatureKind::kSha1:
      return "SHA-1";
    case efi::SignatureKind::kSha224:
      return "SHA-224";
    case efi::SignatureKind::kSha256:
      return "SHA-256";
    case efi::SignatureKind::kSha384:
      return "SHA-384";
    case efi::SignatureKind::kSha512:
      return "SHA-512";
    case efi::SignatureKind::kRsa2048:
      return "RSA-2048";
    case efi::SignatureKind::kRsa2048Sha1:
      return "RSA-2048 over SHA-1";
    case efi::SignatureKind::kRsa2048Sha256:
      return "RSA-2048 over SHA-256";
    case efi::SignatureKind::kX509:
      return "X.509";
    case efi::SignatureKind::kX509Sha256:
      return "X.509 by SHA-256";
    case efi::SignatureKind::kX509Sha384:
      return "X.509 by SHA-384";
    case efi::SignatureKind::kX509Sha512:
      return "X.509 by SHA-512";
    case efi::SignatureKind::kSm3:
      return "SM3";
    case efi::SignatureKind::kX509Sm3:
      return "X.509 by SM3";
    case efi::SignatureKind::kExternalManagement:
      return "external management";
  }
  return "";
}

CertificateInfo InfoOf(const efi::SignatureEntry& entry, const Context& context) {
  CertificateInfo info;
  info.owner = entry.owner;
  info.owner_name = entry.owner == kMicrosoftOwner ? "Microsoft" : "";
  if (const auto digest = crypto::Sha256({entry.data})) {
    const auto known = FindKnownCertificate(*digest);
    info.microsoft_year = known ? known->year : 0;
  }
  const auto certificate = crypto::Certificate::Parse(entry.data);
  if (!certificate) {
    info.name = "not a certificate";
    return info;
  }
  info.name = certificate->subject_text();
  info.not_after = certificate->not_after();
  info.has_expired = info.not_after && *info.not_after < context.now;
  return info;
}

KeyVariable KeyOf(const State& state, const KeyRow& row, const Context& context) {
  KeyVariable key;
  key.name = row.name;
  const store::Entry* entry = FindEntry(state, row.variable);
  key.is_present = entry != nullptr;
  if (entry == nullptr) {
    return key;
  }
  const auto lists = efi::ParseSignatureLists(entry->data());
  key.is_readable = lists.has_value();
  key.is_managed_by_host = efi::IsManagedByTheHost(entry->data());
  if (!lists) {
    return key;
  }
  std::map<efi::SignatureKind, std::size_t> others;
  for (const efi::SignatureList& list : *lists) {
    if (list.kind != efi::SignatureKind::kX509) {
      others[list.kind] += list.entries.size();
      continue;
    }
    for (const efi::SignatureEntry& one : list.entries) {
      key.certificates.push_back(InfoOf(one, context));
    }
  }
  for (const auto& [kind, count] : others) {
    key.others.push_back({KindText(kind), count});
  }
  return key;
}

/// The entries of a list of keys by what they mean, whoever owns them.
using Contents = std::set<std::pair<efi::SignatureKind, base::Bytes>>;

Contents ContentsOf(base::ByteSpan bytes) {
  Contents contents;
  const auto lists = efi::ParseSignatureLists(bytes);
  if (lists) {
    for (const efi::SignatureList& list : *lists) {
      for (const efi::SignatureEntry& entry : list.entries) {
        contents.emplace(list.kind, base::ToBytes(entry.data));
      }
    }
  }
  return contents;
}

base::ByteSpan DataOf(const State& state, const efi::WellKnownVariable& variable) {
  const store::Entry* entry = FindEntry(state, variable);
  return entry == nullptr ? base::ByteSpan() : base::ByteSpan(entry->data());
}

std::vector<SuccessionInfo> SuccessionsOf(const State& state) {
  const auto digests_of = [&state](const efi::WellKnownVariable& variable) {
    std::set<crypto::Sha256Digest> digests;
    for (const auto& [kind, data] : ContentsOf(DataOf(state, variable))) {
      if (const auto digest = crypto::Sha256({data})) {
        digests.insert(*digest);
      }
    }
    return digests;
  };
  const auto in_kek = digests_of(efi::kKek);
  const auto in_db = digests_of(efi::kDb);
  std::vector<SuccessionInfo> rows;
  for (const engine::Succession& row : engine::Successions()) {
    const bool is_kek = row.holder == engine::CertificateHolder::kKek;
    const auto& held = is_kek ? in_kek : in_db;
    rows.push_back({.variable = is_kek ? "KEK" : "db",
                    .old_name = row.old_certificate.name,
                    .has_old = held.contains(row.old_certificate.digest),
                    .new_name = row.successor.name,
                    .has_new = held.contains(row.successor.digest)});
  }
  rows.push_back({.variable = "db",
                  .new_name = kOptionRom2023.name,
                  .has_new = in_db.contains(kOptionRom2023.digest)});
  return rows;
}

Revocations RevocationsOf(const State& state, const Context& context) {
  const Contents contents = ContentsOf(DataOf(state, efi::kDbx));
  const auto hashes = std::count_if(contents.begin(), contents.end(), [](const auto& entry) {
    return entry.first == efi::SignatureKind::kSha256;
  });
  Revocations revocations;
  revocations.distinct = contents.size();
  revocations.newest_known = KnownLists().back().date;
  revocations.newest_known_count = KnownLists().back().hashes;
  bool has_all = true;
  for (const KnownList& list : KnownLists()) {
    if (contents.contains({efi::SignatureKind::kSha256, base::ToBytes(list.marker)})) {
      revocations.newest_seen = list.date;
    } else {
      has_all = false;
    }
  }
  revocations.seems_current =
      has_all && static_cast<std::size_t>(hashes) >= revocations.newest_known_count;
  if (context.dbx_update) {
    const Contents wanted = ContentsOf(*context.dbx_update);
    const auto missing =
        std::count_if(wanted.begin(), wanted.end(),
                      [&contents](const auto& entry) { return !contents.contains(entry); });
    revocations.comparison = {.total = wanted.size(), .missing = static_cast<std::size_t>(missing)};
  }
  return revocations;
}

std::vector<BootOption> BootOptionsIn(const State& state) {
  const auto options = BootOptionsOf(state);
  std::vector<BootOption> rows;
  std::set<std::uint16_t> seen;
  const auto add = [&](std::uint16_t number, bool is_ordered) {
    if (!seen.insert(number).second) {
      return;
    }
    BootOption row;
    row.number = number;
    row.is_ordered = is_ordered;
    if (const auto found = options.find(number); found != options.end()) {
      row.is_present = true;
      if (const auto& option = found->second) {
        // UEFI 2.10, 3.1.3: LOAD_OPTION_ACTIVE, LOAD_OPTION_HIDDEN.
        row.is_readable = true;
        row.is_active = (option->attributes & 0x01U) != 0;
        row.is_hidden = (option->attributes & 0x08U) != 0;
        row.description = option->description;
        row.path = option->path;
      }
    }
    rows.push_back(std::move(row));
  };
  for (const std::uint16_t number : NumbersIn(DataOf(state, kBootOrder))) {
    add(number, true);
  }
  for (const auto& [number, option] : options) {
    add(number, false);
  }
  return rows;
}

}  // namespace

Report MakeReport(const State& state, const Context& context) {
  Report report;
  report.target = context.target;
  report.is_first_boot = context.is_first_boot;
  report.is_user_mode = IsUserMode(state);
  const auto chosen =
      engine::ChosenMode(FindEntry(state, efi::kPk), FindEntry(state, efi::kModeMark));
  report.is_mode_chosen = chosen.has_value();
  report.mode = chosen.value_or(report.is_user_mode ? engine::SecureBootMode::kDeployed
                                                    : engine::SecureBootMode::kSetup);
  report.secure_boot = IsSecureBootOn(state, context);
  for (const KeyRow& row : KeyRows()) {
    report.keys.push_back(KeyOf(state, row, context));
  }
  for (const KeyRow& row : DefaultRows()) {
    const store::Entry* entry = FindEntry(state, row.variable);
    if (entry != nullptr && IsServed(*entry)) {
      report.defaults.push_back(KeyOf(state, row, context));
    }
  }
  const store::Entry* vendor_keys = FindEntry(state, efi::kVendorKeys);
  if (vendor_keys != nullptr && IsServed(*vendor_keys)) {
    report.vendor_keys = vendor_keys->data() == base::Bytes{1};
  }
  report.successions = SuccessionsOf(state);
  report.revocations = RevocationsOf(state, context);
  const auto next = NumbersIn(DataOf(state, kBootNext));
  report.boot_next = next.empty() ? std::nullopt : std::optional(next.front());
  report.boot_options = BootOptionsIn(state);
  report.usage = UsageOf(state);
  report.findings = FindingsOf(state, context);
  report.running = context.running;
  return report;
}

}  // namespace varstored::health
