#include "varstored/health/report.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "known.h"
#include "varstored/crypto/certificate.h"
#include "varstored/efi/well_known.h"
#include "varstored/health/boot.h"
#include "varstored/health/key_content.h"
#include "varstored/health/revoked.h"
#include "varstored/health/usage.h"

namespace varstored::health {
namespace {

/// Empty only when memory ran out.
base::Bytes DigestOf(crypto::DigestKind kind, base::ByteSpan bytes) {
  auto digest = crypto::Digest(kind, bytes);
  return digest ? *std::move(digest) : base::Bytes();
}

CertificateInfo InfoOf(const efi::SignatureEntry& entry, const Context& context) {
  CertificateInfo info;
  info.owner = entry.owner;
  info.owner_name = entry.owner == kMicrosoftOwner ? "Microsoft" : "";
  if (const auto digest = crypto::Sha256({entry.data})) {
    const auto known = FindKnownCertificate(*digest);
    info.microsoft_year = known ? known->year : 0;
    info.sha256 = base::ToBytes(*digest);
  }
  info.sha1 = DigestOf(crypto::DigestKind::kSha1, entry.data);
  const auto certificate = crypto::Certificate::Parse(entry.data);
  if (!certificate) {
    info.name = "not a certificate";
    return info;
  }
  info.name = certificate->subject_text();
  info.not_after = certificate->not_after();
  info.has_expired = info.not_after && *info.not_after < context.now;
  info.not_secret = WhyNotSecret(*certificate).value_or("");
  return info;
}

KeyVariable KeyOf(const State& state, const KeyRow& row, const RevokedEntries& revoked,
                  const Context& context) {
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
  const bool is_dbx = row.name == "dbx";
  std::map<efi::SignatureKind, std::size_t> others;
  for (const efi::SignatureList& list : *lists) {
    for (const efi::SignatureEntry& one : list.entries) {
      if (list.kind != efi::SignatureKind::kX509) {
        others[list.kind] += is_dbx && IsVersion(list.kind, one) ? 0U : 1U;
        continue;
      }
      key.certificates.push_back(InfoOf(one, context));
      if (!is_dbx) {
        const Revocation revocation = revoked.Of(one.data);
        key.certificates.back().revoked_by = revocation.by;
        key.certificates.back().revoked_since = revocation.since;
      }
    }
  }
  if (is_dbx) {
    key.versions = VersionsIn(*lists);
  }
  for (const auto& [kind, count] : others) {
    if (count > 0) {
      key.others.push_back({KindText(kind), count});
    }
  }
  return key;
}

/// What is held of Microsoft's certificates, from what is known of all.
std::vector<SuccessionInfo> SuccessionsOf(const std::vector<KeyVariable>& keys) {
  const auto find = [&keys](std::string_view variable,
                            const engine::MicrosoftCertificate& certificate) {
    const CertificateInfo* held = nullptr;
    for (const KeyVariable& key : keys) {
      for (const CertificateInfo& info : key.certificates) {
        if (key.name == variable && info.sha256 == base::ToBytes(certificate.digest)) {
          held = &info;
        }
      }
    }
    return held;
  };
  const auto is_revoked = [](const CertificateInfo* held) {
    return held != nullptr && held->revoked_by != RevokedBy::kNothing;
  };
  std::vector<SuccessionInfo> rows;
  const auto add = [&](std::string_view variable, const engine::MicrosoftCertificate* old,
                       const engine::MicrosoftCertificate& successor) {
    const CertificateInfo* held_old = old == nullptr ? nullptr : find(variable, *old);
    const CertificateInfo* held_new = find(variable, successor);
    rows.push_back({.variable = variable,
                    .old_name = old == nullptr ? std::string_view() : old->name,
                    .has_old = held_old != nullptr,
                    .is_old_revoked = is_revoked(held_old),
                    .new_name = successor.name,
                    .has_new = held_new != nullptr,
                    .is_new_revoked = is_revoked(held_new)});
  };
  for (const engine::Succession& row : engine::Successions()) {
    add(row.holder == engine::CertificateHolder::kKek ? "KEK" : "db", &row.old_certificate,
        row.successor);
  }
  add("db", nullptr, kOptionRom2023);
  return rows;
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

std::string_view ModeName(engine::SecureBootMode mode) {
  switch (mode) {
    case engine::SecureBootMode::kSetup:
      return "setup";
    case engine::SecureBootMode::kUser:
      return "user";
    case engine::SecureBootMode::kAudit:
      return "audit";
    case engine::SecureBootMode::kDeployed:
      return "deployed";
  }
  return "";
}

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
  if (!report.secure_boot) {
    report.secure_boot_at_last_start = context.secure_boot_at_last_start;
  }
  const RevokedEntries revoked(state);
  for (const KeyRow& row : KeyRows()) {
    report.keys.push_back(KeyOf(state, row, revoked, context));
  }
  for (const KeyRow& row : DefaultRows()) {
    const store::Entry* entry = FindEntry(state, row.variable);
    if (entry != nullptr && IsServed(*entry)) {
      report.defaults.push_back(KeyOf(state, row, revoked, context));
    }
  }
  const store::Entry* vendor_keys = FindEntry(state, efi::kVendorKeys);
  if (vendor_keys != nullptr && IsServed(*vendor_keys)) {
    report.vendor_keys = vendor_keys->data() == base::Bytes{1};
  }
  report.successions = SuccessionsOf(report.keys);
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
