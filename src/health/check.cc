#include "varstored/health/check.h"

#include <algorithm>
#include <array>
#include <utility>

namespace varstored::health {
namespace {

struct CheckRow {
  Check check;
  std::string_view name;
};

constexpr std::array<CheckRow, 4> kChecks = {{
    {Check::kCertificates, "certificates"},
    {Check::kRevocations, "revocations"},
    {Check::kSecureBoot, "secure-boot"},
    {Check::kAll, "all"},
}};

/// Whether a finding of this kind is an answer of no.
bool IsAbout(FindingKind kind, Check check) {
  switch (kind) {
    case FindingKind::kListsMalformed:
      return true;
    case FindingKind::kCertificates2011Only:
    case FindingKind::kKekWithout2011:
    case FindingKind::kDbRevokedWithoutSuccessor:
      return check == Check::kCertificates || check == Check::kAll;
    case FindingKind::kRevocationsMissing:
    case FindingKind::kRevocationsDoubled:
      return check == Check::kRevocations || check == Check::kAll;
    case FindingKind::kSecureBootWithoutPk:
    case FindingKind::kSecureBootWithoutDb:
    case FindingKind::kKeyNotSecret:
      return check == Check::kSecureBoot || check == Check::kAll;
    case FindingKind::kDbAllRevoked:
      return check != Check::kRevocations;
    default:
      return check == Check::kAll;
  }
}

/// Of Secure Boot itself; nothing where it is on.
std::optional<Judgement> SecureBootJudged(const Report& report) {
  if (const auto& last = report.secure_boot_at_last_start) {
    return *last ? Judgement{Verdict::kRight, "Secure Boot was on at its last start"}
                 : Judgement{Verdict::kNotRight, "Secure Boot was off at its last start"};
  }
  if (!report.secure_boot) {
    return Judgement{Verdict::kNotKnown, "whether Secure Boot is on is not kept here"};
  }
  return *report.secure_boot ? std::nullopt
                             : std::optional(Judgement{Verdict::kNotRight, "Secure Boot is off"});
}

}  // namespace

std::optional<Check> CheckOf(std::string_view name) {
  const auto* const found = std::find_if(kChecks.begin(), kChecks.end(),
                                         [&name](const CheckRow& row) { return row.name == name; });
  return found == kChecks.end() ? std::nullopt : std::optional(found->check);
}

Judgement Judge(const Report& report, Check check) {
  Judgement judgement;
  const auto say = [&judgement](Verdict verdict, std::string_view why) {
    judgement.verdict = std::max(judgement.verdict, verdict);
    judgement.why += (judgement.why.empty() ? "" : ", ") + std::string(why);
  };
  if (report.is_first_boot) {
    say(Verdict::kNotKnown, "nothing was ever kept: its first start brings the host's keys");
    return judgement;
  }
  for (const Finding& finding : report.findings) {
    const std::string_view name = TypeOf(finding.kind).name;
    if (finding.kind == FindingKind::kBlobUnreadable) {
      say(Verdict::kNotKnown, name);
    } else if (IsAbout(finding.kind, check)) {
      if (judgement.why.find(name) == std::string::npos) {
        say(Verdict::kNotRight, name);
      }
    }
  }
  if (check == Check::kCertificates &&
      std::none_of(report.successions.begin(), report.successions.end(),
                   [](const SuccessionInfo& row) { return row.has_old || row.has_new; })) {
    say(Verdict::kNotKnown, "neither KEK nor db holds a certificate of Microsoft's");
  }
  if (check == Check::kRevocations && judgement.verdict == Verdict::kRight &&
      !report.revocations.comparison && !report.revocations.seems_current) {
    say(Verdict::kNotKnown,
        "dbx counts where a PK is enrolled and db holds a certificate of Microsoft's");
  }
  if (check == Check::kSecureBoot || check == Check::kAll) {
    if (const auto judged = SecureBootJudged(report)) {
      say(judged->verdict, judged->why);
    }
  }
  return judgement;
}

}  // namespace varstored::health
