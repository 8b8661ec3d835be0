#include "update_candidates.h"

#include <algorithm>
#include <ctime>
#include <optional>
#include <utility>

#include "kept_state.h"
#include "repair.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/health/finding.h"
#include "varstored/pool/databases.h"
#include "varstored/pool/texts.h"
#include "varstored/tool/progress.h"
#include "varstored/tool/vm_name.h"

namespace varstored::tools {
namespace {

/// What a helper process says of a VM's variables.
struct Verdict {
  bool is_needed = false;
  bool changes_pcr7 = false;
  std::vector<std::string> findings;
  /// Why the host's files do not update it.
  std::string not_added;
};

Verdict Judge(const Subject& subject, const engine::FirstBootKeys& keys) {
  Verdict verdict;
  for (const health::Finding& finding :
       health::FindingsOf(StateOf(subject.kept), subject.context)) {
    verdict.findings.emplace_back(health::TypeOf(finding.kind).name);
    verdict.is_needed =
        verdict.is_needed || finding.kind == health::FindingKind::kCertificates2011Only;
  }
  if (!verdict.is_needed) {
    return verdict;
  }
  RepairOptions options;
  options.fix = false;
  options.certificates = keys;
  const auto repair = PlanRepair(subject, options);
  if (!repair) {
    verdict.not_added = repair.error().message;
  } else {
    verdict.not_added = repair->not_added;
    verdict.changes_pcr7 = repair->changes_pcr7;
  }
  return verdict;
}

base::Result<Verdict> JudgeInHelper(const Subject& subject, const engine::FirstBootKeys& keys,
                                    sandbox::Stop& stop, base::Log& log) {
  const auto answer = sandbox::InHelper(
      [&](base::Log& /*lines*/) -> base::Result<base::Bytes> {
        const Verdict verdict = Judge(subject, keys);
        base::Writer writer;
        pool::WriteFlag(writer, verdict.is_needed);
        pool::WriteFlag(writer, verdict.changes_pcr7);
        pool::WriteTexts(writer, verdict.findings);
        tool::WriteText(writer, verdict.not_added);
        return writer.Take();
      },
      log, {.stop = &stop});
  if (!answer) {
    return answer.failure();
  }
  base::Reader reader(*answer);
  Verdict verdict;
  if (!pool::ReadFlag(reader, verdict.is_needed) || !pool::ReadFlag(reader, verdict.changes_pcr7) ||
      !pool::ReadTexts(reader, verdict.findings) || !tool::ReadText(reader, verdict.not_added)) {
    return sandbox::BrokenAnswer();
  }
  return verdict;
}

/// Whether `has` has one of `wanted`; with none wanted always.
bool HasOneOf(const std::vector<std::string>& has, const std::vector<std::string>& wanted) {
  return wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&has](const auto& one) {
           return std::find(has.begin(), has.end(), one) != has.end();
         });
}

class Look {
 public:
  Look(const CandidateWishes& wishes, const engine::FirstBootKeys& keys,
       const pool::StopSignals& signals, sandbox::Stop& stop, base::Log& log)
      : wishes_(wishes), keys_(keys), signals_(signals), stop_(stop), log_(log) {}

  base::Result<Candidates> Run() {
    std::optional<tool::Progress> progress;
    std::size_t done = 0;
    const auto begin = [&](std::size_t begun, std::size_t total) {
      if (!progress) {
        progress.emplace(total);
      }
      done = begun;
      progress->Show(done, {});
    };
    const auto failed = [this](const std::string& uuid, const std::string& why) {
      ++found_.count;
      ++found_.skipped;
      found_.has_failed = true;
      Add("failed", uuid, {}, why);
    };
    base::Result<std::string> early = std::string();
    if (wishes_.has_toolstack) {
      early = pool::VisitToolstack({wishes_.place.socket, wishes_.place.wait}, signals_,
                                   {begin,
                                    [&](const backend::PoolVm& vm) {
                                      progress->Show(done, vm.name);
                                      LookAt(vm);
                                    },
                                    [&](const std::string& why) { failed({}, why); }},
                                   log_);
    } else {
      const tool::HostFolders host;
      early = pool::VisitFolder({wishes_.folder.empty() ? host.vms : wishes_.folder, host.live},
                                signals_,
                                {begin,
                                 [&](const pool::Vm& vm) {
                                   if (!vm.error.empty()) {
                                     failed(vm.uuid, vm.error);
                                   } else {
                                     LookAt(vm);
                                   }
                                 }},
                                log_);
    }
    if (!early) {
      return early.failure();
    }
    return early->empty() ? base::Result<Candidates>(std::move(found_)) : base::Fail(*early);
  }

 private:
  void Add(const std::string& result, const std::string& uuid, const std::string& name,
           const std::string& words) {
    found_.others.push_back({result, uuid, name, words});
  }

  void LookAt(const backend::PoolVm& vm) {
    ++found_.count;
    if (vm.is_control_domain || vm.is_default_template || !vm.is_uefi ||
        !HasOneOf(vm.tags, wishes_.tags)) {
      return;
    }
    const std::string why_not =
        vm.is_snapshot   ? "a snapshot, which is never changed"
        : vm.is_template ? "a template, which is never started: varstore-repair --fix-certificates"
        : vm.certificates_state == "update_on_boot" ? "is marked already"
        : vm.certificates_state.empty()
            ? "this XAPI has no marks: varstore-repair --fix-certificates"
        : vm.certificates_state != "update_available"
            ? "XAPI says '" + vm.certificates_state + "', and takes no mark"
            : "";
    Consider({vm.uuid, vm.name, vm.domain, {}, {}}, SubjectInPool(vm), why_not, vm.has_tpm);
  }

  void LookAt(const pool::Vm& vm) {
    ++found_.count;
    const bool runs = vm.form == pool::Vm::Form::kSnapshot;
    Subject subject;
    subject.kept.form = tool::Kept::Form::kRows;
    subject.kept.bytes = runs ? std::nullopt : vm.bytes;
    subject.context.secure_boot_at_last_start = vm.secure_boot_at_last_start;
    subject.context.target = vm.target;
    subject.context.is_first_boot = !subject.kept.bytes;
    subject.context.now = std::time(nullptr);
    if (runs) {
      ++found_.skipped;
      Add("skipped", vm.uuid, vm.name, "it runs: shut it down first");
      return;
    }
    // Nobody can tell whether it has a TPM.
    Consider({vm.uuid, vm.name, {}, vm.target, {}}, subject, {}, true);
  }

  void Consider(Pick pick, const Subject& subject, const std::string& why_not, bool may_have_tpm) {
    const auto verdict = JudgeInHelper(subject, keys_, stop_, log_);
    if (verdict && (!verdict->is_needed || !HasOneOf(verdict->findings, wishes_.filter))) {
      return;
    }
    const bool may_ask = verdict && verdict->changes_pcr7 && may_have_tpm;
    const std::string skip = !verdict                      ? verdict.error().message
                             : !why_not.empty()            ? why_not
                             : !verdict->not_added.empty() ? verdict->not_added
                             : wishes_.only_clean && may_ask
                                 ? "PCR 7 changes, and it has or may have a TPM"
                                 : "";
    if (!skip.empty()) {
      ++found_.skipped;
      found_.has_failed = found_.has_failed || !verdict;
      Add(verdict ? "skipped" : "failed", pick.uuid, pick.name, skip);
      return;
    }
    pick.words = std::string("certificates of 2023 are missing; ") +
                 (!verdict->changes_pcr7  ? "PCR 7 stays"
                  : !may_have_tpm         ? "PCR 7 changes, and it has no TPM"
                  : wishes_.has_toolstack ? "PCR 7 changes, and it has a TPM: BitLocker may ask"
                                          : "PCR 7 changes");
    found_.picks.push_back(std::move(pick));
  }

  const CandidateWishes& wishes_;
  const engine::FirstBootKeys& keys_;
  const pool::StopSignals& signals_;
  sandbox::Stop& stop_;
  base::Log& log_;
  Candidates found_;
};

}  // namespace

base::Result<Candidates> FindCandidates(const CandidateWishes& wishes,
                                        const engine::FirstBootKeys& keys,
                                        const pool::StopSignals& signals, sandbox::Stop& stop,
                                        base::Log& log) {
  return Look(wishes, keys, signals, stop, log).Run();
}

}  // namespace varstored::tools
