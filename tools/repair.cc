#include "repair.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "backup.h"
#include "varstored/base/held_file.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/variable_name.h"
#include "varstored/health/fix.h"
#include "varstored/health/report.h"
#include "varstored/health/text.h"
#include "varstored/pcr/pcr7.h"
#include "varstored/sandbox/helper.h"

namespace varstored::tools {
namespace {

std::string SubjectOf(const OpenSubject& subject) {
  const std::string& target = subject.context.target;
  const auto uuid = efi::ParseGuid(target);
  return uuid ? efi::ToText(*uuid) : std::filesystem::path(target).filename().string();
}

/// Keeps what is there before a repair, in a file whose path it gives.
base::Result<std::string> KeepBackup(const OpenSubject& subject, const RepairOptions& options) {
  const auto keep = [&subject](const base::HeldFolder& folder) {
    return MakeBackup(folder, SubjectOf(subject), *subject.place.kept().bytes, subject.context.now);
  };
  std::string path = options.backup_folder;
  if (path.empty() && subject.place.file() != nullptr) {
    return keep(subject.place.file()->folder());
  }
  if (path.empty() && !subject.is_toolstack()) {
    const auto parent = std::filesystem::path(subject.context.target).parent_path();
    const auto beside = base::HeldFolder::Open(parent.empty() ? "." : parent.string());
    if (!beside || beside->CheckMayMake()) {
      return beside ? keep(*beside) : beside.failure();
    }
  }
  // The content of variables is nobody's business.
  const auto folder = base::HeldFolder::OpenOrMake(path.empty() ? kBackupFolder : path, 0700);
  return folder ? keep(*folder) : folder.failure();
}

/// The process of a VM that is not halted has its own copy, and would overwrite what is written.
base::Result<void> CheckHalted(OpenSubject& subject, const RepairOptions& options, base::Log& log) {
  if (!subject.is_toolstack() || options.force) {
    return {};
  }
  const std::string& target = subject.context.target;
  const auto state = subject.place.VmState(log);
  if (!state) {
    return base::Fail(target + ": whether the VM is halted is not known, so nothing was written: " +
                      state.error().message);
  }
  if (!*state) {
    return base::Fail(target +
                      ": whether the VM is halted is not known at this socket, so nothing was "
                      "written. Use the toolstack's own socket, or --force if it is halted");
  }
  if (**state != "Halted") {
    return base::Fail(target + ": the VM is not halted but " + **state +
                      ", so nothing was written: its varstored has its own copy of the variables, "
                      "and would overwrite the change. Shut it down first");
  }
  return {};
}

/// All that comes before the one write, in this order. Gives the backup's path, empty where there
/// was nothing to keep.
base::Result<std::string> Prepare(OpenSubject& subject, const RepairOptions& options,
                                  base::Log& log) {
  if (auto halted = CheckHalted(subject, options, log); !halted) {
    return halted.failure();
  }
  std::string backup;
  if (subject.place.kept().bytes) {
    auto made = KeepBackup(subject, options);
    if (!made) {
      return base::Fail("nothing was written, because there is no backup: " + made.error().message);
    }
    backup = *std::move(made);
  }
  if (auto unchanged = subject.place.CheckUnchanged(log); !unchanged) {
    return base::Fail(subject.context.target + ": " + unchanged.error().message);
  }
  // Again: making the backup took time.
  if (auto halted = CheckHalted(subject, options, log); !halted) {
    return halted.failure();
  }
  return backup;
}

/// A repair, and what of it could not be done.
struct Mending {
  health::Repaired repaired;
  std::string not_added;
  std::vector<std::string> revoked;
};

/// Those of Microsoft's certificates of 2023 in db that dbx revokes.
std::vector<std::string> RevokedSuccessors(const health::State& state,
                                           const health::Context& context) {
  std::vector<std::string> names;
  for (const health::SuccessionInfo& row : health::MakeReport(state, context).successions) {
    if (row.variable == "db" && row.has_new && row.is_new_revoked) {
      names.emplace_back(row.new_name);
    }
  }
  return names;
}

/// Adds the certificates of 2023 where they are missing beside those of 2011.
void AddCertificates(const Subject& subject, const engine::FirstBootKeys& keys, Mending& mending) {
  constexpr auto kIsAbout = [](const health::Finding& finding) {
    return finding.kind == health::FindingKind::kCertificates2011Only;
  };
  health::Repaired& repaired = mending.repaired;
  if (std::none_of(repaired.left.begin(), repaired.left.end(), kIsAbout)) {
    return;
  }
  auto after = health::WithSuccessors(repaired.state, subject.context, keys);
  if (!after) {
    mending.not_added = after.error().message;
    return;
  }
  // Not only the certificates: where the host's configuration says so, dbx has become newer too.
  std::vector<health::Finding> left = health::FindingsOf(*after, subject.context);
  std::copy_if(repaired.left.begin(), repaired.left.end(), std::back_inserter(repaired.fixed),
               [&left](const health::Finding& was) {
                 return std::none_of(left.begin(), left.end(), [&was](const health::Finding& is) {
                   return is.kind == was.kind && is.variable == was.variable;
                 });
               });
  repaired.state = *std::move(after);
  repaired.left = std::move(left);
  mending.revoked = RevokedSuccessors(repaired.state, subject.context);
}

/// Fails where nothing can be saved.
base::Result<Mending> Mended(const Subject& subject, const RepairOptions& options) {
  const health::State state = StateOf(subject.kept);
  const bool has_damage = !state.damage.empty();
  if (has_damage && !options.fix) {
    return base::Fail(subject.context.target + ": not all of it can be read: " +
                      health::ShellCommand("varstore-repair --fix", {subject.context.target}) +
                      " saves what can be saved");
  }
  Mending mending;
  health::Repaired& repaired = mending.repaired;
  repaired = options.fix
                 ? health::FixAll(state, subject.context)
                 : health::Repaired{state, {}, health::FindingsOf(state, subject.context), {}};
  if (repaired.state.entries.empty() && has_damage && !options.force) {
    return base::Fail(subject.context.target +
                      ": no variable can be read, so nothing can be saved. Restore a backup, or "
                      "give --force for a VM without any variable");
  }
  if (options.certificates) {
    AddCertificates(subject, *options.certificates, mending);
  }
  return mending;
}

std::vector<pcr::Event> EventsOf(const health::State& state) {
  // Whether the host wants Secure Boot is the same before and after.
  return pcr::PcrEvents(state.entries, true);
}

/// A key that is lost was measured while it was there.
Repair RepairOf(const Subject& subject, const Mending& mending) {
  const health::Repaired& repaired = mending.repaired;
  return {
      repaired.fixed,
      repaired.left,
      repaired.lost_keys,
      mending.not_added,
      mending.revoked,
      !repaired.lost_keys.empty() || EventsOf(StateOf(subject.kept)) != EventsOf(repaired.state)};
}

/// What comes back from the helper process: flags, what is shown, and what is to be written.
base::Result<base::Bytes> Mend(const Subject& subject, const RepairOptions& options,
                               const ShowRepair& show) {
  const auto mending = Mended(subject, options);
  if (!mending) {
    return mending.failure();
  }
  const health::Repaired* const repaired = &mending->repaired;
  const base::Bytes shown = show(RepairOf(subject, *mending));
  base::Writer writer;
  writer.WriteU8(repaired->fixed.empty() ? 0 : 1);
  writer.WriteU8(repaired->left.empty() ? 0 : 1);
  writer.WriteU32(static_cast<std::uint32_t>(shown.size()));
  writer.WriteBytes(shown);
  if (!repaired->fixed.empty()) {
    tool::WriteNewBytes(writer, BytesOf(repaired->state, subject.kept));
  }
  return writer.Take();
}

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

}  // namespace

std::string WordsOnPcr7(const health::State& before, const health::State& after) {
  return pcr::WordsOnChange(EventsOf(before), EventsOf(after));
}

std::string Described(const health::Finding& finding) {
  std::string text(health::TypeOf(finding.kind).name);
  if (finding.variable) {
    text += ": " + efi::EscapeName(finding.variable->name);
  }
  return text;
}

std::vector<std::string> WordsOnLeft(const std::vector<health::Finding>& left) {
  std::vector<std::string> lines;
  for (const health::Finding& finding : left) {
    const auto who = finding.is_fixable ? health::Who::kHost : health::TypeOf(finding.kind).left_to;
    lines.push_back("left " + Described(finding) + ", for " + std::string(health::ToText(who)));
  }
  return lines;
}

std::vector<std::string> WordsOnKeys(const Repair& repair) {
  std::vector<std::string> lines;
  if (!repair.lost_keys.empty()) {
    lines.push_back("Keys of Secure Boot are lost: " + Joined(repair.lost_keys) + ".");
  }
  if (!repair.not_added.empty()) {
    lines.push_back("The certificates of 2023 are not added: " + repair.not_added + ".");
  }
  if (!repair.revoked.empty()) {
    lines.push_back("dbx revokes what was added: " + Joined(repair.revoked) +
                    ". Boot loaders that only these have signed do not start.");
  }
  if (!repair.fixed.empty()) {
    lines.push_back(pcr::WordsOnChange(repair.changes_pcr7));
  }
  return lines;
}

base::Result<std::string> KeepInstead(OpenSubject& subject, const tool::NewBytes& changed,
                                      const RepairOptions& options, base::Log& log) {
  auto backup = Prepare(subject, options, log);
  if (!backup) {
    return backup.failure();
  }
  if (const auto written = subject.place.Keep(changed, log); !written) {
    return base::Fail(written.error().message +
                      (backup->empty() ? "" : "; what was kept before is in " + *backup));
  }
  return backup;
}

base::Result<Repair> PlanRepair(const Subject& subject, const RepairOptions& options) {
  auto repaired = Mended(subject, options);
  if (!repaired) {
    return repaired.failure();
  }
  return RepairOf(subject, *repaired);
}

base::Result<Fixed> FixPlace(OpenSubject& subject, const RepairOptions& options,
                             const ShowRepair& show, base::Log& log) {
  if (auto may = subject.place.CheckMayKeep(); !may) {
    return may.failure();
  }
  const auto answer = sandbox::InHelper(
      [&](base::Log& /*lines*/) { return Mend(subject.subject(), options, show); }, log,
      {.stop = options.stop});
  if (!answer) {
    return answer.failure();
  }
  base::Reader reader(*answer);
  std::uint8_t has_fixed = 0;
  std::uint8_t has_left = 0;
  std::uint32_t size = 0;
  base::ByteSpan shown;
  if (!reader.ReadU8(has_fixed) || !reader.ReadU8(has_left) || !reader.ReadU32(size) ||
      !reader.ReadBytes(size, shown)) {
    return sandbox::BrokenAnswer();
  }
  Fixed fixed{has_fixed != 0, has_left != 0, {}, base::ToBytes(shown)};
  if (!fixed.has_fixed) {
    return fixed;
  }
  const auto changed = tool::ReadNewBytes(reader);
  if (!changed) {
    return changed.failure();
  }
  auto backup = KeepInstead(subject, *changed, options, log);
  if (!backup) {
    return backup.failure();
  }
  fixed.backup = *std::move(backup);
  return fixed;
}

namespace {

/// For a helper process: what becomes of PCR 7, and what is to be written of a backup.
base::Result<base::Bytes> BytesOfBackup(const std::string& path, const Backup& backup,
                                        const Subject& subject) {
  tool::NewBytes changed;
  const bool is_toolstack = subject.kept.form == tool::Kept::Form::kText;
  if (backup.is_of_subject) {
    const health::State state = StateOf({subject.kept.form, path, backup.content});
    changed = {backup.content, tool::AreCertificatesUpToDate(state.entries)};
  } else {
    const auto blob = tool::DecodeBlobFile(backup.content);
    if (!blob) {
      return base::Fail(path + ": " + blob.error().message);
    }
    if (blob->form.is_save_file && is_toolstack) {
      return base::Fail(path + ": all of a suspended VM, not what is kept of one that is off");
    }
    changed = BytesOf({blob->blob.entries, blob->blob.ancillary, {}}, subject.kept);
  }
  const tool::Kept restored = {subject.kept.form, path, changed.bytes};
  base::Writer writer;
  tool::WriteText(writer, WordsOnPcr7(StateOf(subject.kept), StateOf(restored)));
  tool::WriteNewBytes(writer, changed);
  return writer.Take();
}

}  // namespace

base::Result<std::string> RestorePlace(OpenSubject& subject, const std::string& path,
                                       const RepairOptions& options, base::Log& log) {
  const std::string& target = subject.context.target;
  if (auto may = subject.place.CheckMayKeep(); !may) {
    return may.failure();
  }
  const auto backup = ReadBackup(path, SubjectOf(subject));
  if (!backup) {
    return backup.failure();
  }
  if (!backup->is_of_subject && !options.force) {
    return base::Fail(path + ": " + backup->reason +
                      ". With --force any whole VARS blob can be restored");
  }
  const auto answer = sandbox::InHelper(
      [&](base::Log& /*lines*/) { return BytesOfBackup(path, *backup, subject.subject()); }, log);
  if (!answer) {
    return answer.failure();
  }
  base::Reader reader(*answer);
  std::string words;
  if (!tool::ReadText(reader, words)) {
    return sandbox::BrokenAnswer();
  }
  const auto changed = tool::ReadNewBytes(reader);
  if (!changed) {
    return changed.failure();
  }
  if (subject.place.kept().bytes == backup->content) {
    return health::ForTerminal(target) + ": is what the backup has already; nothing was written\n";
  }
  const auto before = KeepInstead(subject, *changed, options, log);
  if (!before) {
    return before.failure();
  }
  return health::ForTerminal(target) + ": restored from " + health::ForTerminal(path) + "\n" +
         words + "\n" +
         (before->empty() ? ""
                          : "what was there before is in " + health::ForTerminal(*before) + "\n");
}

}  // namespace varstored::tools
