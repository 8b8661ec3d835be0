#include <array>
#include <optional>
#include <string>

#include "host_keys.h"
#include "page.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"
#include "varstored/store/store.h"
#include "varstored/tool/session.h"

namespace {

using namespace varstored;

/// XAPI hands this on to whoever called VM.set_uefi_mode.
constexpr std::string_view kOutput =
    "Removing PK...\n"
    "Removing KEK...\n"
    "Removing db...\n"
    "Removing dbx...\n";

/// What a key holds: "2 certificates", "443 entries".
std::string Counted(base::ByteSpan data) {
  const auto lists = efi::ParseSignatureLists(data);
  if (!lists) {
    return "in a form that is not known";
  }
  std::size_t count = 0;
  bool are_certificates = true;
  for (const efi::SignatureList& list : *lists) {
    count += list.entries.size();
    are_certificates = are_certificates && list.kind == efi::SignatureKind::kX509;
  }
  const char* const what = are_certificates && count != 0
                               ? (count == 1 ? "certificate" : "certificates")
                               : (count == 1 ? "entry" : "entries");
  return std::to_string(count) + " " + what;
}

/// A key's content; nothing where there is no such variable.
using KeyContents = std::array<std::optional<base::Bytes>, 4>;
constexpr std::array<efi::WellKnownVariable, 4> kKeys = {efi::kPk, efi::kKek, efi::kDb, efi::kDbx};
constexpr std::array<const char*, 4> kNames = {"PK", "KEK", "db", "dbx"};

KeyContents ContentsOf(const store::Store& store) {
  KeyContents contents;
  for (std::size_t i = 0; i < kKeys.size(); ++i) {
    if (const store::Entry* entry = store.Find(store::KeyOf(kKeys.at(i)))) {
      contents.at(i) = base::ToBytes(entry->data());
    }
  }
  return contents;
}

/// What became of each key, a line each. `folder` has the host's files; empty where none was used.
std::string WordsOn(const KeyContents& before, const KeyContents& after,
                    const std::string& folder) {
  std::string text;
  for (std::size_t i = 0; i < kKeys.size(); ++i) {
    const auto& was = before.at(i);
    const auto& is = after.at(i);
    const std::string file = folder + "/" + kNames.at(i) + ".auth";
    text += std::string(kNames.at(i)) + ": ";
    if (is) {
      text += (was == is ? "left as it was, " : "written, ") + Counted(*is) + ", as in " + file;
    } else {
      text += (was ? "removed, " + Counted(*was) : "there was none") +
              (folder.empty() ? "" : "; there is no " + file);
    }
    text += "\n";
  }
  return text;
}

base::Result<std::string> ChangeState(const tool::PlaceOptions& place, const tool::Rights& rights,
                                      const std::optional<engine::FirstBootKeys>& keys,
                                      const std::string& folder, base::Log& log) {
  const auto words = tool::WithSession(
      place, rights, log,
      [&](tool::Session& session, base::Log& /*lines*/) -> base::Result<std::string> {
        const KeyContents before = ContentsOf(session.store());
        if (const auto replaced = session.services().ReplaceKeys(keys); !replaced) {
          return replaced.failure();
        }
        // A VM that was never started would get the host's keys at its start, and leave setup mode.
        if (const auto saved = session.Save(tool::Session::Keep::kAlways); !saved) {
          return saved.failure();
        }
        return WordsOn(before, ContentsOf(session.store()), folder);
      });
  if (!words) {
    return words.failure();
  }
  // Only now it is kept.
  for (std::size_t at = 0, end = 0; (end = words->find('\n', at)) != std::string::npos;
       at = end + 1) {
    log.Info(base::Printable(words->substr(at, end - at)));
  }
  return std::string(kOutput);
}

}  // namespace

int main(int argc, char** argv) {
  tool::PlaceOptions place;
  tool::Rights rights;
  tools::HostKeysOptions host;
  return tool::Main(
      {page::kName, page::kHelp}, argc, argv,
      tool::Joined({tool::OptionsOf(place), tool::OptionsOf(rights), tools::OptionsOf(host)}),
      [&](auto operands, auto& log) -> base::Result<std::string> {
        if (auto taken = tool::TakePlace(place, operands, 1); !taken) {
          return taken.failure();
        }
        const std::string& state = operands.front();
        if (state != "setup" && state != "user") {
          return tool::Misuse("'" + state + "' is neither setup nor user");
        }
        std::optional<engine::FirstBootKeys> keys;
        std::string folder;
        if (state == "user") {
          auto read = tools::ReadHostKeys(host);
          if (!read) {
            return read.failure();
          }
          keys = *std::move(read);
          auto found = tools::HostFolder(host);
          if (!found) {
            return found.failure();
          }
          folder = *std::move(found);
        }
        return ChangeState(place, rights, keys, folder, log);
      });
}
