#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands.h"
#include "esp.h"
#include "kept_state.h"
#include "repair.h"
#include "screen_here.h"
#include "varstore-bootcheck/page.h"
#include "varstored/base/ascii.h"
#include "varstored/base/file.h"
#include "varstored/boot/loaders.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/health/edit.h"
#include "varstored/signer/content.h"
#include "varstored/tool/command_line.h"

namespace varstored::tools {
namespace {

constexpr int kFoundExitCode = 2;
constexpr std::size_t kMaxUpdateBytes = std::size_t{1} << 20U;

struct Wishes {
  tool::Rights rights;
  tool::PlaceOptions place;
  std::string esp;
  std::vector<std::string> after;  // [KEY=]FILE
  bool json = false;
};

/// An update that is asked about, into which nobody has looked.
struct Update {
  std::string variable;  // empty: what is in it says which
  std::string path;
  base::Bytes bytes;
};

/// The variable that a file of this name is for, as Microsoft and toolstacks call such files:
/// DBXUpdate2024.bin, db.auth.
std::string VariableOfName(std::string_view path) {
  const std::string name = base::LowerAscii(path.substr(path.find_last_of('/') + 1));
  return name.starts_with("dbx")   ? "dbx"
         : name.starts_with("db")  ? "db"
         : name.starts_with("kek") ? "KEK"
                                   : "";
}

base::Result<std::vector<Update>> ReadUpdates(const std::vector<std::string>& words) {
  std::vector<Update> updates;
  for (const std::string& word : words) {
    Update update;
    const std::size_t end = word.find('=');
    if (end != std::string::npos && health::EditableKey(word.substr(0, end))) {
      update.variable = word.substr(0, end);
      update.path = word.substr(end + 1);
    } else {
      update.path = word;
      update.variable = VariableOfName(word);
    }
    auto bytes = base::ReadFile(update.path, kMaxUpdateBytes);
    if (!bytes) {
      return bytes.failure();
    }
    update.bytes = *std::move(bytes);
    updates.push_back(std::move(update));
  }
  return updates;
}

// From here on it is for the helper process.

/// The entries of an update, and the variable that they are for.
struct Entries {
  std::string variable;
  base::Bytes lists;
};

base::Result<Entries> EntriesOf(const Update& update) {
  const auto given = signer::ParseGiven(update.bytes);
  if (!given) {
    return base::Fail(update.path + ": " + given.error().message);
  }
  Entries entries;
  entries.variable = update.variable;
  if (given->update) {
    const auto descriptor = efi::ParseAuthenticationDescriptor(*given->update);
    if (!descriptor) {
      return base::Fail(update.path + ": a signed update whose descriptor cannot be read");
    }
    entries.lists = base::ToBytes(descriptor->payload);
  } else {
    const bool is_of_hashes = given->content->form == signer::ContentForm::kHashes ||
                              given->content->form == signer::ContentForm::kRevocationList;
    if (entries.variable.empty()) {
      entries.variable = is_of_hashes ? "dbx" : "db";
    }
    entries.lists = signer::EncodeContent(*given->content, signer::UsualOwner(entries.variable));
  }
  if (entries.variable.empty()) {
    return base::Fail(
        update.path +
        ": its name does not say which variable it updates; write KEY=" + update.path);
  }
  return entries;
}

base::Result<health::State> Updated(health::State state, const std::vector<Update>& updates) {
  for (const Update& update : updates) {
    const auto entries = EntriesOf(update);
    if (!entries) {
      return entries.failure();
    }
    const auto variable = health::EditableKey(entries->variable);
    auto edited = variable ? health::EditKey(std::move(state), {*variable, {}, entries->lists})
                           : base::Result<health::State>(variable.failure());
    if (!edited) {
      return base::Fail(update.path + ": " + edited.error().message);
    }
    state = *std::move(edited);
  }
  return state;
}

std::string NamesOf(const std::vector<Update>& updates) {
  std::string names;
  for (const Update& update : updates) {
    names += (names.empty() ? "" : ", ") + update.path.substr(update.path.find_last_of('/') + 1);
  }
  return names;
}

/// What is shown; in front of it a character that says whether there are findings.
base::Result<std::string> Show(const Wishes& wishes, const Subject& subject, const Esp& esp,
                               const std::vector<Update>& updates,
                               const health::ScreenOptions& screen) {
  const auto state = ReadableStateOf(subject);
  if (!state) {
    return state.failure();
  }
  const auto after =
      updates.empty() ? base::Result<health::State>(health::State()) : Updated(*state, updates);
  if (!after) {
    return after.failure();
  }
  const auto read = esp.Reader();
  if (!read) {
    return read.failure();
  }
  const boot::BootReport report = boot::LookAt(*state, updates.empty() ? nullptr : &*after,
                                               NamesOf(updates), subject.context, *read);
  // In a VM that was never started nothing is sealed.
  const std::string pcr7 = updates.empty() || subject.context.is_first_boot
                               ? ""
                               : "\n" + WordsOnPcr7(*state, *after) + "\n";
  return (report.findings.empty() && report.findings_after.empty() ? " " : "!") +
         (wishes.json ? boot::RenderJson(report) : boot::RenderScreen(report, screen) + pcr7);
}

// And up to here.

base::Result<std::string> Run(Wishes& wishes, std::vector<std::string> operands, int& exit_code,
                              base::Log& log) {
  if (auto taken = tool::TakePlace(wishes.place, operands, 0); !taken) {
    return taken.failure();
  }
  if (wishes.esp.empty()) {
    return tool::Misuse("--esp is missing: the disk, its image, or a folder with the ESP's files");
  }
  const auto updates = ReadUpdates(wishes.after);
  if (!updates) {
    return updates.failure();
  }
  if (auto dropped = tool::DropRights(wishes.rights, log); !dropped) {
    return dropped.failure();
  }
  wishes.place.only_looks = true;
  const auto opened = OpenKept(wishes.place, log);
  if (!opened) {
    return opened.failure();
  }
  const Subject subject = opened->subject();
  const auto esp = Esp::Open(
      wishes.esp, [&subject] { return ReadableStateOf(subject); }, log);
  if (!esp) {
    return esp.failure();
  }
  const health::ScreenOptions screen = ScreenOptionsHere();
  const auto answer =
      esp->TextInHelper([&] { return Show(wishes, subject, *esp, *updates, screen); }, log);
  if (!answer) {
    return answer.failure();
  }
  exit_code = answer->starts_with('!') ? kFoundExitCode : 0;
  return answer->substr(std::min<std::size_t>(answer->size(), 1));
}

}  // namespace

int BootCheckMain(int argc, char** argv) {
  Wishes wishes;
  int exit_code = 0;
  const int failed = tool::Main(
      {"varstore bootcheck", page::kHelp}, argc, argv,
      tool::Joined({tool::OptionsOf(wishes.rights),
                    tool::OptionsOf(wishes.place),
                    {tool::Value('\0', "esp", wishes.esp),
                     tool::Flag('\0', "json", wishes.json),
                     {'\0', "after", true,
                      [&wishes](std::string_view value) -> base::Result<void> {
                        wishes.after.emplace_back(value);
                        return {};
                      }}}}),
      [&](auto operands, auto& log) { return Run(wishes, std::move(operands), exit_code, log); });
  return failed != 0 ? failed : exit_code;
}

}  // namespace varstored::tools
