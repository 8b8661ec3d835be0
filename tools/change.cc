#include "change.h"

#include <algorithm>
#include <set>
#include <utility>

#include "screen_here.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/health/fix.h"
#include "varstored/health/render.h"
#include "varstored/health/text.h"
#include "varstored/sandbox/helper.h"

namespace varstored::tools {
namespace {

using Lines = std::vector<std::string>;

base::Result<OpenSubject> Open(const ChangeOptions& options, base::Log& log) {
  if (auto dropped = tool::DropRights(options.rights, log); !dropped) {
    return dropped.failure();
  }
  return OpenKept(options.place, log);
}

/// Those of `lines` that `others` lacks, as often as it does, behind `sign`.
std::string Missing(const Lines& lines, const Lines& others, const std::string& sign) {
  std::multiset<std::string> left(others.begin(), others.end());
  std::string text;
  for (const std::string& line : lines) {
    const auto found = left.find(line);
    if (found == left.end()) {
      text.append("  ").append(sign).append(" ").append(line).append("\n");
    } else {
      left.erase(found);
    }
  }
  return text;
}

/// Whether all that `finding` is about was found before.
bool IsKnown(const health::Finding& finding, const health::Finding& old) {
  return old.kind == finding.kind && old.variable == finding.variable &&
         std::all_of(finding.about.begin(), finding.about.end(), [&old](const std::string& what) {
           return std::find(old.about.begin(), old.about.end(), what) != old.about.end();
         });
}

/// Those of `findings` that a VM with these variables has not.
std::vector<health::Finding> NewFindings(std::vector<health::Finding> findings,
                                         const health::State& before,
                                         const health::Context& context) {
  const auto known = health::FindingsOf(before, context);
  std::erase_if(findings, [&known](const health::Finding& finding) {
    return std::any_of(known.begin(), known.end(),
                       [&finding](const health::Finding& old) { return IsKnown(finding, old); });
  });
  return findings;
}

/// The bytes of this variable, or of all where it is nothing.
std::size_t BytesIn(const health::State& state, const std::optional<health::VariableId>& id) {
  std::size_t bytes = 0;
  for (const store::Entry& entry : state.entries) {
    if (!id || (entry.name() == id->name && entry.vendor() == id->vendor)) {
      bytes += entry.used_bytes();
    }
  }
  return bytes;
}

/// Whether the daemon and its guest still get on with what is kept. What is too large already may
/// become smaller only.
base::Result<void> CheckRoom(const health::State& before, const health::State& after,
                             const std::vector<health::Finding>& findings_after) {
  for (const health::Finding& finding : findings_after) {
    const bool is_about_room = finding.kind == health::FindingKind::kVariableOversized ||
                               finding.kind == health::FindingKind::kStoreOverfull;
    if (is_about_room && BytesIn(after, finding.variable) > BytesIn(before, finding.variable)) {
      return base::Fail("there is no room for it: " + finding.explanation);
    }
  }
  if (after.entries.size() > before.entries.size() && after.entries.size() > store::kMaxVariables) {
    return base::Fail("there is no room for it: the VM has " +
                      std::to_string(before.entries.size()) + " variables, the most are " +
                      std::to_string(store::kMaxVariables));
  }
  return {};
}

/// What comes back from the helper process.
struct Changed {
  std::string text;
  std::string findings;
  std::optional<tool::NewBytes> bytes;  // nothing where nothing changes
};

base::Bytes Encode(const Changed& changed) {
  base::Writer writer;
  tool::WriteText(writer, changed.text);
  tool::WriteText(writer, changed.findings);
  if (changed.bytes) {
    tool::WriteNewBytes(writer, *changed.bytes);
  }
  return writer.Take();
}

base::Result<Changed> Decode(base::ByteSpan answer) {
  base::Reader reader(answer);
  Changed changed;
  if (!tool::ReadText(reader, changed.text) || !tool::ReadText(reader, changed.findings)) {
    return sandbox::BrokenAnswer();
  }
  if (!reader.empty()) {
    auto bytes = tool::ReadNewBytes(reader);
    if (!bytes) {
      return bytes.failure();
    }
    changed.bytes = *std::move(bytes);
  }
  return changed;
}

/// For the helper process.
base::Result<Changed> Make(const Subject& subject, const Change& change,
                           const health::ScreenOptions& screen) {
  const std::string& target = subject.context.target;
  const auto readable = ReadableStateOf(subject);
  if (!readable) {
    return readable.failure();
  }
  const health::State& before = *readable;
  if (!before.damage.empty()) {
    return base::Fail(target + ": not all of it can be read: " +
                      health::ShellCommand("varstore-repair --fix", {target}) +
                      " saves what can be saved");
  }
  const auto after = change.apply(before);
  if (!after) {
    return base::Fail(target + ": " + after.error().message);
  }
  const auto old_lines = change.lines(before);
  const auto new_lines = change.lines(*after);
  if (!old_lines || !new_lines) {
    return base::Fail(target + ": " + (old_lines ? new_lines : old_lines).error().message);
  }
  Changed changed;
  changed.text = Missing(*old_lines, *new_lines, "-") + Missing(*new_lines, *old_lines, "+");
  if (after->entries == before.entries) {
    return changed;
  }
  if (changed.text.empty()) {
    changed.text = "  what changes is not shown: an owner, or a time of revocation\n";
  }
  auto findings = health::FindingsOf(*after, subject.context);
  if (auto room = CheckRoom(before, *after, findings); !room) {
    return base::Fail(target + ": " + room.error().message);
  }
  const auto news = NewFindings(std::move(findings), before, subject.context);
  changed.text += Wrapped(WordsOnPcr7(before, *after), 2, screen.width);
  changed.findings = news.empty() ? "" : "\n" + health::RenderFindings(news, screen);
  changed.bytes = BytesOf(*after, subject.kept);
  return changed;
}

}  // namespace

std::vector<tool::Option> OptionsOf(ChangeOptions& options) {
  return tool::Joined({tool::OptionsOf(options.rights),
                       tool::OptionsOf(options.place),
                       {tool::Flag('n', "dry-run", options.dry_run),
                        tool::Value('\0', "backup-folder", options.repair.backup_folder),
                        tool::Flag('\0', "force", options.repair.force)}});
}

base::Result<std::string> ShowPlace(const ChangeOptions& options, const Change& change,
                                    base::Log& log) {
  const auto opened = Open(options, log);
  if (!opened) {
    return opened.failure();
  }
  return sandbox::TextInHelper(
      [&](base::Log& /*lines*/) -> base::Result<std::string> {
        const auto state = ReadableStateOf(opened->subject());
        if (!state) {
          return state.failure();
        }
        const auto lines = change.lines(*state);
        if (!lines) {
          return base::Fail(opened->context.target + ": " + lines.error().message);
        }
        std::string text;
        for (const std::string& line : *lines) {
          text += line + "\n";
        }
        return text;
      },
      log);
}

base::Result<std::string> ChangePlace(const ChangeOptions& options, const Change& change,
                                      base::Log& log) {
  auto subject = Open(options, log);
  if (!subject) {
    return subject.failure();
  }
  if (auto may = subject->place.CheckMayKeep(); !may) {
    return may.failure();
  }
  const std::string& target = subject->context.target;
  if (subject->context.is_first_boot) {
    return base::Fail(target +
                      ": the VM has never been started, and has no variables yet: with this one it "
                      "would get none of the host's keys. Start it once");
  }
  const health::ScreenOptions screen = ScreenOptionsHere();
  const auto answer = sandbox::InHelper(
      [&](base::Log& /*lines*/) -> base::Result<base::Bytes> {
        const auto changed = Make(subject->subject(), change, screen);
        return changed ? base::Result<base::Bytes>(Encode(*changed)) : changed.failure();
      },
      log);
  if (!answer) {
    return answer.failure();
  }
  const auto changed = Decode(*answer);
  if (!changed) {
    return changed.failure();
  }
  std::string text = health::ForTerminal(target) + "\n" + changed->text;
  if (!changed->bytes) {
    return text + "  it is so already: nothing was written\n";
  }
  if (options.dry_run) {
    return text + "  nothing was written, because of --dry-run\n" + changed->findings;
  }
  const auto backup = KeepInstead(*subject, *changed->bytes, options.repair, log);
  if (!backup) {
    return backup.failure();
  }
  return text + "  backup: " + health::ForTerminal(*backup) + "\n" + changed->findings;
}

}  // namespace varstored::tools
