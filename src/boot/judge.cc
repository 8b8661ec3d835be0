#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "varstored/base/reader.h"
#include "varstored/boot/image.h"
#include "varstored/boot/loaders.h"
#include "varstored/boot/shim.h"
#include "varstored/health/key_content.h"
#include "varstored/health/revoked.h"
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

/// What Windows' boot manager says of itself.
std::optional<Version> VersionOf(const Image& image) {
  base::Reader reader(
      FindResource(image, "BOOTMGRSECURITYVERSIONNUMBER").value_or(base::ByteSpan()));
  Version version;
  return reader.ReadU16(version.minor) && reader.ReadU16(version.major) && reader.empty()
             ? std::optional(version)
             : std::nullopt;
}

/// The highest of those that dbx has for Windows' boot manager.
std::optional<Version> MinimumIn(const std::vector<health::MinimumVersion>& versions) {
  std::optional<Version> minimum;
  for (const health::MinimumVersion& one : versions) {
    if (one.program == health::kWindowsBootManager) {
      minimum = std::max(minimum.value_or(Version()), Version{one.major, one.minor});
    }
  }
  return minimum;
}

std::vector<health::MinimumVersion> VersionsOf(const health::State& state) {
  const auto dbx = efi::UsableSignatureLists(health::DataOf(state, efi::kDbx));
  return dbx ? health::VersionsIn(*dbx) : std::vector<health::MinimumVersion>();
}

/// The machine of the VM's firmware, as far as the loaders say it.
std::uint16_t MachineOf(const std::vector<Loader>& loaders) {
  const auto has = [&loaders](std::uint16_t machine) {
    return std::any_of(loaders.begin(), loaders.end(), [machine](const Loader& loader) {
      return loader.is_found && loader.now.machine == machine;
    });
  };
  const std::uint16_t other = kMachineOfHost == kMachineX64 ? kMachineAarch64 : kMachineX64;
  return !has(kMachineOfHost) && has(other) ? other : kMachineOfHost;
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
  loader.version = image ? VersionOf(*image) : std::nullopt;
  if (rules) {
    SbatComparison sbat = CompareSbat(*image, rules->level);
    loader.too_old = std::move(sbat.too_old);
    loader.sbat_not_known = sbat.is_whole ? "" : kSbatNotWhole;
    loader.level_date = rules->level_date;
    loader.level_source = rules->level_source;
    loader.level_data = rules->level_data;
    loader.measures_more = rules->measures_more;
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

/// Why `loader`, which the firmware starts, goes no further: it is shim or Windows' boot manager,
/// and ends itself, or shim does not start what is behind it. Else empty.
std::string WhatStops(const BootReport& report, const Loader& loader, bool is_after) {
  if (std::string why = WhyTooOld(report, loader, is_after); !why.empty()) {
    return why;
  }
  if (!loader.too_old.empty()) {
    return "shim ends itself: " + loader.too_old.front();
  }
  if (!loader.sbat_not_known.empty()) {
    return "it is not known whether shim ends itself: " + loader.sbat_not_known;
  }
  if (!loader.next) {
    return "";
  }
  if (!loader.next->is_found) {
    return loader.next->file +
           (loader.next->error.empty() ? " is not there" : ": " + loader.next->error);
  }
  const Verdict& verdict = VerdictOf(*loader.next, is_after);
  if (verdict.machine != loader.now.machine) {
    return loader.next->file + " is a program for " + MachineName(verdict.machine);
  }
  return OutcomeOf(verdict.reason) == Outcome::kStarts
             ? ""
             : loader.next->file + " behind shim: " + WordsOn(verdict);
}

/// The findings of a VM, one of a kind.
class Findings {
 public:
  Findings(const BootReport& report, bool is_after) : report_(report), is_after_(is_after) {
    const bool is_off = report.secure_boot == false;
    for (const Loader& loader : report.loaders) {
      const bool is_there = loader.is_found && !loader.is_for_other_machine;
      starts_ = starts_ || (is_there && (is_off || Starts(loader)));
      is_any_found_ = is_any_found_ || is_there;
    }
    for (const Loader& loader : report.loaders) {
      if (!loader.is_found || loader.is_for_other_machine) {
        AddMissing(loader);
      } else if (!is_off) {
        AddFound(loader);
      }
    }
    if (!is_any_found_ && found_.empty()) {
      Add(FindingKind::kLoaderMissing,
          "There is no boot loader: no boot option names a file of this disk that is a program for "
          "the VM's machine, nor is \\EFI\\BOOT\\BOOTX64.EFI or \\EFI\\BOOT\\BOOTAA64.EFI one.",
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
           WhatStops(report_, loader, is_after_).empty();
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
              (loader.is_for_other_machine
                   ? " is a program for " + MachineName(loader.now.machine) + ", and the VM is " +
                         MachineName(report_.machine) + "."
               : loader.error.empty() ? " is not there."
                                      : ": " + loader.error + "."),
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
    if (const std::string why = WhyTooOld(report_, loader, is_after_); !why.empty()) {
      Add(FindingKind::kLoaderRevoked, name + " " + why + ".", SeverityOfBad());
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

  const BootReport& report_;
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
  const auto versions = VersionsOf(state);
  const auto versions_after = after == nullptr ? versions : VersionsOf(*after);
  report.has_minimum_versions = !versions_after.empty();
  report.minimum = MinimumIn(versions);
  report.minimum_after = MinimumIn(versions_after);
  Candidates candidates = CandidatesOf(state);
  report.elsewhere = std::move(candidates.elsewhere);
  const Databases now(state);
  const auto then = after == nullptr ? std::nullopt : std::optional<Databases>(*after);
  const Subject subject = {state, after, read};
  for (Candidate& candidate : candidates.tried) {
    report.loaders.push_back(
        LookAtOne(subject, now, then ? &*then : nullptr, std::move(candidate)));
  }
  report.machine = MachineOf(report.loaders);
  for (Loader& loader : report.loaders) {
    // Of what is no program nobody knows the machine.
    loader.is_for_other_machine = loader.is_found && loader.now.reason != Reason::kNoImage &&
                                  loader.now.machine != report.machine;
  }
  report.findings = Findings(report, false).Take();
  if (after != nullptr) {
    report.findings_after = Findings(report, true).Take();
  }
  return report;
}

std::string WhyTooOld(const BootReport& report, const Loader& loader, bool is_after) {
  const auto& minimum = is_after ? report.minimum_after : report.minimum;
  return loader.version && minimum && *loader.version < *minimum
             ? "ends itself: its version is " + ToText(*loader.version) + ", and dbx wants " +
                   ToText(*minimum)
             : std::string();
}

base::Result<Started> StartedOf(const BootReport& report, bool is_after) {
  for (const Loader& loader : report.loaders) {
    const std::string name = NameOf(loader.candidate);
    if (!loader.error.empty()) {
      return base::Fail("it is not known whether " + name +
                        " starts: it cannot be read: " + loader.error);
    }
    const Verdict& verdict = VerdictOf(loader, is_after);
    const Outcome outcome = OutcomeOf(verdict.reason);
    if (!loader.is_found || outcome == Outcome::kRefused || loader.is_for_other_machine) {
      continue;
    }
    if (outcome == Outcome::kNotKnown || !verdict.authority) {
      return base::Fail("it is not known whether " + name + " starts: " + WordsOn(verdict));
    }
    if (const std::string stops = WhatStops(report, loader, is_after); !stops.empty()) {
      return base::Fail(std::string(name).append(" starts, and goes no further: ").append(stops));
    }
    Started started = {name, *verdict.authority, loader.next.has_value(), {}};
    const auto& next = loader.next ? VerdictOf(*loader.next, is_after).authority : std::nullopt;
    if (next && !loader.level_data.empty() && !loader.measures_more) {
      started.by_shim = MeasuredByShim(loader.level_data, *next);
    }
    return started;
  }
  return base::Fail("no boot loader of this disk starts");
}

}  // namespace varstored::boot
