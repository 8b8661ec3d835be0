#include <algorithm>
#include <cstdint>
#include <utility>

#include "varstored/boot/image.h"
#include "varstored/boot/loaders.h"
#include "varstored/boot/shim.h"
#include "varstored/health/key_content.h"
#include "varstored/health/usage.h"

namespace varstored::boot {
namespace {

using health::FindingKind;
using health::Severity;

/// What is looked at, and with which variables.
struct Subject {
  const health::State& state;
  const health::State* after;
  const ReadEspFile& read;
};

NextStage LookBehindShim(const Subject& subject, const Candidate& candidate, const Image& shim) {
  NextStage next;
  next.file = FileBehindShim(candidate.file, shim.machine);
  const auto file = subject.read(next.file, candidate.partition);
  if (!file || !*file) {
    next.error = file ? "" : file.error().message;
    return next;
  }
  next.is_found = true;
  next.now = ShimVerdictOn(**file, *ShimRulesOf(shim, subject.state));
  if (subject.after != nullptr) {
    next.after = ShimVerdictOn(**file, *ShimRulesOf(shim, *subject.after));
  }
  return next;
}

Loader LookAtOne(const Subject& subject, const Databases& now, const Databases* after,
                 Candidate candidate) {
  Loader loader;
  loader.candidate = std::move(candidate);
  const auto file = subject.read(loader.candidate.file, loader.candidate.partition);
  if (!file || !*file) {
    loader.error = file ? "" : file.error().message;
    return loader;
  }
  loader.is_found = true;
  loader.now = VerdictOn(**file, now);
  if (after != nullptr) {
    loader.after = VerdictOn(**file, *after);
  }
  const auto image = ParseImage(**file);
  const auto rules = image ? ShimRulesOf(*image, subject.state) : std::nullopt;
  if (rules) {
    loader.too_old = TooOld(*image, rules->level);
    loader.level_date = rules->level_date;
    loader.level_source = rules->level_source;
    loader.has_mok_list_x = rules->has_mok_list_x;
    loader.next = LookBehindShim(subject, loader.candidate, *image);
  }
  return loader;
}

bool IsRevoked(Reason reason) {
  return reason == Reason::kSignerRevoked || reason == Reason::kSignerHashRevoked ||
         reason == Reason::kAnchorHashRevoked || reason == Reason::kHashRevoked ||
         reason == Reason::kSbatRevoked;
}

bool HasYear(const Verdict& verdict, int year) {
  return std::any_of(verdict.signatures.begin(), verdict.signatures.end(),
                     [year](const SignatureInfo& one) { return one.microsoft_year == year; });
}

/// The finding that a verdict is, if it is one.
std::optional<FindingKind> KindOf(const Verdict& verdict) {
  if (OutcomeOf(verdict.reason) == Outcome::kRefused) {
    return IsRevoked(verdict.reason) ? FindingKind::kLoaderRevoked
           : verdict.reason == Reason::kSignerNotInDb && HasYear(verdict, 2023)
               ? FindingKind::kLoaderNeeds2023
               : FindingKind::kLoaderNotTrusted;
  }
  return verdict.reason == Reason::kSignerInDb && HasYear(verdict, 2011) && !HasYear(verdict, 2023)
             ? std::optional(FindingKind::kLoaderSignedBy2011Only)
             : std::nullopt;
}

std::string NameOf(const Candidate& candidate) {
  return candidate.file + (candidate.option.empty() ? "" : " of " + candidate.option);
}

/// That of the loader, or of what a shim starts.
template <class Looked>
const Verdict& VerdictOf(const Looked& looked, bool is_after) {
  return is_after && looked.after ? *looked.after : looked.now;
}

/// Why the shim `loader` does not start what is behind it; empty where it does, and of what is no
/// shim.
std::string WhatStopsShim(const Loader& loader, bool is_after) {
  if (!loader.too_old.empty()) {
    return "shim ends itself: " + loader.too_old.front();
  }
  if (!loader.next) {
    return "";
  }
  if (!loader.next->is_found) {
    return loader.next->file +
           (loader.next->error.empty() ? " is not there" : ": " + loader.next->error);
  }
  const Verdict& verdict = VerdictOf(*loader.next, is_after);
  return OutcomeOf(verdict.reason) == Outcome::kStarts
             ? ""
             : loader.next->file + " behind shim: " + WordsOn(verdict);
}

/// The findings of a VM, one of a kind.
class Findings {
 public:
  Findings(const BootReport& report, bool is_after) : is_after_(is_after) {
    const bool is_off = report.secure_boot == false;
    for (const Loader& loader : report.loaders) {
      starts_ = starts_ || (loader.is_found && (is_off || Starts(loader)));
      is_any_found_ = is_any_found_ || loader.is_found;
    }
    for (const Loader& loader : report.loaders) {
      if (!loader.is_found) {
        AddMissing(loader);
      } else if (!is_off) {
        AddFound(loader);
      }
    }
    if (!is_any_found_ && found_.empty()) {
      Add(FindingKind::kLoaderMissing,
          "There is no boot loader: no boot option names a file of this disk, and it has neither "
          "\\EFI\\BOOT\\BOOTX64.EFI nor \\EFI\\BOOT\\BOOTAA64.EFI.",
          Severity::kError);
    }
  }

  /// In the order of their kinds.
  [[nodiscard]] std::vector<health::Finding> Take() {
    std::stable_sort(found_.begin(), found_.end(),
                     [](const auto& a, const auto& b) { return a.kind < b.kind; });
    return std::move(found_);
  }

 private:
  [[nodiscard]] bool Starts(const Loader& loader) const {
    return OutcomeOf(VerdictOf(loader, is_after_).reason) == Outcome::kStarts &&
           WhatStopsShim(loader, is_after_).empty();
  }

  /// Another one starts, so that the VM does too.
  [[nodiscard]] Severity SeverityOfBad() const {
    return starts_ ? Severity::kWarning : Severity::kError;
  }

  void AddMissing(const Loader& loader) {
    // That a disk has no file for another machine, or none besides an option's, is no fault.
    if (!loader.candidate.option.empty() &&
        loader.candidate.file.find(R"(\EFI\BOOT\BOOT)") == std::string::npos) {
      Add(FindingKind::kLoaderMissing,
          NameOf(loader.candidate) +
              (loader.error.empty() ? " is not there." : ": " + loader.error + "."),
          is_any_found_ ? Severity::kWarning : Severity::kError);
    }
  }

  void AddFound(const Loader& loader) {
    const std::string name = NameOf(loader.candidate);
    AddVerdict(name, VerdictOf(loader, is_after_), "The firmware");
    if (!loader.too_old.empty()) {
      Add(FindingKind::kLoaderRevoked,
          name + " ends itself: its component " + loader.too_old.front() + ", is too old.",
          SeverityOfBad());
    }
    if (loader.next && loader.next->is_found) {
      AddVerdict(loader.next->file, VerdictOf(*loader.next, is_after_), "shim");
    }
  }

  void AddVerdict(const std::string& name, const Verdict& verdict, const std::string& who) {
    const auto kind = KindOf(verdict);
    if (kind == FindingKind::kLoaderSignedBy2011Only) {
      Add(*kind,
          name + " is signed under a certificate of Microsoft's of 2011 alone, \"" +
              verdict.detail + "\": it does not start where only those of 2023 are in db, nor " +
              "once dbx revokes the older one.",
          Severity::kWarning);
    } else if (kind) {
      Add(*kind, who + " does not start " + name + ": " + WordsOn(verdict) + ".", SeverityOfBad());
    }
  }

  void Add(FindingKind kind, const std::string& explanation, Severity severity) {
    const auto same = std::find_if(found_.begin(), found_.end(),
                                   [kind](const auto& one) { return one.kind == kind; });
    if (same == found_.end()) {
      found_.push_back({kind, severity, std::nullopt, explanation, false, {}});
    } else if (same->explanation.find(explanation) == std::string::npos) {
      same->explanation += " " + explanation;
      same->severity = std::min(same->severity, severity);
    }
  }

  bool is_after_;
  bool starts_ = false;
  bool is_any_found_ = false;
  std::vector<health::Finding> found_;
};

}  // namespace

BootReport LookAt(const health::State& state, const health::State* after, const std::string& update,
                  const health::Context& context, const ReadEspFile& read) {
  BootReport report;
  report.target = context.target;
  // Without a platform key nothing is verified, whatever the host wants.
  report.secure_boot =
      health::IsUserMode(state) ? health::IsSecureBootOn(state, context) : std::optional(false);
  report.update = after == nullptr ? "" : update;
  const auto dbx =
      efi::UsableSignatureLists(health::DataOf(after == nullptr ? state : *after, efi::kDbx));
  report.has_minimum_versions = dbx && !health::VersionsIn(*dbx).empty();
  Candidates candidates = CandidatesOf(state);
  report.elsewhere = std::move(candidates.elsewhere);
  const Databases now(state);
  const auto then = after == nullptr ? std::nullopt : std::optional<Databases>(*after);
  const Subject subject = {state, after, read};
  for (Candidate& candidate : candidates.tried) {
    report.loaders.push_back(
        LookAtOne(subject, now, then ? &*then : nullptr, std::move(candidate)));
  }
  report.findings = Findings(report, false).Take();
  if (after != nullptr) {
    report.findings_after = Findings(report, true).Take();
  }
  return report;
}

base::Result<Started> StartedOf(const BootReport& report, bool is_after) {
  // Firmware starts programs for its own machine alone, which that of the first one is taken for: a
  // disk may have the files of both.
  std::uint16_t machine = 0;
  for (const Loader& loader : report.loaders) {
    const std::string name = NameOf(loader.candidate);
    if (!loader.error.empty()) {
      return base::Fail("it is not known whether " + name +
                        " starts: it cannot be read: " + loader.error);
    }
    const Verdict& verdict = VerdictOf(loader, is_after);
    const Outcome outcome = OutcomeOf(verdict.reason);
    machine = machine == 0 ? verdict.machine : machine;
    if (!loader.is_found || outcome == Outcome::kRefused || verdict.machine != machine) {
      continue;
    }
    if (outcome == Outcome::kNotKnown || !verdict.authority) {
      return base::Fail("it is not known whether " + name + " starts: " + WordsOn(verdict));
    }
    if (const std::string stops = WhatStopsShim(loader, is_after); !stops.empty()) {
      return base::Fail(std::string(name).append(" starts, and goes no further: ").append(stops));
    }
    return Started{name, *verdict.authority, loader.next.has_value()};
  }
  return base::Fail("no boot loader of this disk starts");
}

}  // namespace varstored::boot
