#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include "page.h"
#include "varstored/base/file.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/status.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known_names.h"
#include "varstored/tool/session.h"
#include "varstored/tool/well_known.h"

namespace {

using namespace varstored;

constexpr std::size_t kMaxListBytes = 65536;
constexpr std::string_view kBlanks = " \t\r";

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  return first == std::string_view::npos
             ? std::string_view()
             : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

using Variables = std::vector<tool::NamedVariable>;

/// Adds the variables of one list: lines of "GUID NAME" or of a name that needs no GUID, empty
/// lines, and lines that begin with '#'.
base::Result<void> AddList(const std::string& path, Variables& variables) {
  const auto content = base::ReadFile(path, kMaxListBytes);
  if (!content) {
    return content.failure();
  }
  const std::string text = base::ToString(*content);
  std::size_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    ++number;
    const std::size_t end = rest.find('\n');
    const std::string_view line = Trim(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.empty() || line.front() == '#') {
      continue;
    }
    const std::size_t blank = std::min(line.find_first_of(kBlanks), line.size());
    auto variable = blank == line.size() && !efi::ParseGuid(line)
                        ? tool::ParseWellKnownVariable(line)
                        : tool::ParseNamedVariable(line.substr(0, blank), Trim(line.substr(blank)));
    if (!variable) {
      return base::Fail(path + ":" + std::to_string(number) + ": " + variable.error().message);
    }
    variables.push_back(*std::move(variable));
  }
  return {};
}

/// All lists in `folder`, in the order of their names, without hidden files and folders. No folder
/// is no list.
base::Result<Variables> ReadLists(const std::string& folder) {
  Variables variables;
  std::vector<std::string> paths;
  std::error_code error;
  for (std::filesystem::directory_iterator file(folder, error), end; !error && file != end;
       file.increment(error)) {
    std::error_code unknown;
    if (!file->path().filename().string().starts_with('.') && !file->is_directory(unknown)) {
      paths.push_back(file->path().string());
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return base::Fail(folder + ": " + error.message());
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    if (auto added = AddList(path, variables); !added) {
      return added.failure();
    }
  }
  return variables;
}

/// What was asked for.
struct Wishes {
  bool is_clone = false;
  bool only_shows = false;
  std::string pattern;
};

/// What is to be removed: these, or what the pattern matches.
struct Selection {
  Variables variables;
  /// For the pattern: of this vendor only; nothing: of those that need no GUID.
  std::optional<efi::Guid> vendor;
};

/// The non-volatile variables whose name, as varstore-ls prints it, the pattern matches. None is an
/// error.
base::Result<Variables> Matching(const store::Store& store, const std::optional<efi::Guid>& vendor,
                                 const std::string& pattern) {
  Variables variables;
  for (const auto* entry = store.First(); entry != nullptr; entry = store.After(*entry)) {
    auto name = efi::VariableName::FromBytes(base::ToBytes(entry->name()));
    const auto wanted = vendor ? vendor : efi::WellKnownVendor(entry->name());
    if (entry->vendor() == wanted && entry->Has(efi::kNonVolatile) && name &&
        ::fnmatch(pattern.c_str(), efi::EscapeName(entry->name()).c_str(), FNM_NOESCAPE) == 0) {
      variables.push_back({entry->vendor(), *std::move(name)});
    }
  }
  if (variables.empty()) {
    return base::Fail("no variable " +
                      (vendor ? "of " + efi::ToText(*vendor) : std::string("that needs no GUID")) +
                      " has a name like '" + base::Printable(pattern) + "'");
  }
  return variables;
}

/// Removes `variables` together, and gives the lines that say so. Whether one that is absent is a
/// failure, `wishes` say.
base::Result<std::string> Remove(tool::Session& session, const Variables& variables,
                                 const Wishes& wishes) {
  std::string lines;
  for (const tool::NamedVariable& variable : variables) {
    const std::string text = tool::Describe(variable.key());
    const auto reason = session.Delete(variable.key());
    if (engine::StatusOf(reason) != efi::Status::kSuccess &&
        !(wishes.is_clone && reason == engine::Reason::kNothingToDelete)) {
      return tool::Refused(text, reason, tool::HintOfPlace(variable.key()));
    }
    if (wishes.only_shows && reason == engine::Reason::kNothingToDelete) {
      continue;
    }
    const std::size_t blank = text.find(' ');
    lines += std::string(wishes.only_shows ? "Would remove" : "Removing") + ": GUID: '" +
             text.substr(0, blank) + "' Name: '" + text.substr(blank + 1) + "'\n";
  }
  if (wishes.only_shows) {
    return lines;
  }
  const auto saved = session.Save();
  return saved ? base::Result<std::string>(std::move(lines)) : saved.failure();
}

/// Takes the operands, the place's among them.
base::Result<Selection> Select(const Wishes& wishes, const std::string& lists,
                               tool::PlaceOptions& place, std::vector<std::string>& operands) {
  Selection selection;
  const bool has_pattern = !wishes.pattern.empty();
  if (wishes.is_clone && has_pattern) {
    return tool::Misuse("-c and --match exclude each other");
  }
  if (!wishes.is_clone && !has_pattern) {
    auto variable = tool::TakeVariable(place, operands, 0);
    if (!variable) {
      return variable.failure();
    }
    selection.variables.push_back(*std::move(variable));
    return selection;
  }
  const std::size_t place_operands = place.backend.empty() ? 1 : 0;
  const bool has_guid = has_pattern && operands.size() > place_operands;
  if (auto taken = tool::TakePlace(place, operands, has_guid ? 1 : 0); !taken) {
    return taken.failure();
  }
  if (wishes.is_clone) {
    auto read = ReadLists(lists);
    if (!read) {
      return read.failure();
    }
    selection.variables = *std::move(read);
    return selection;
  }
  if (!has_guid) {
    return selection;
  }
  selection.vendor = efi::ParseGuid(operands[0]);
  if (!selection.vendor) {
    return tool::Misuse("'" + base::Printable(operands[0]) + "' is no GUID");
  }
  return selection;
}

/// For a helper process.
base::Result<std::string> RemoveSelected(tool::Session& session, Selection& selection,
                                         const Wishes& wishes) {
  const bool has_pattern = !wishes.pattern.empty();
  if (has_pattern) {
    auto found = Matching(session.store(), selection.vendor, wishes.pattern);
    if (!found) {
      return found.failure();
    }
    selection.variables = *std::move(found);
  }
  auto text = Remove(session, selection.variables, wishes);
  const bool is_one = !wishes.is_clone && !has_pattern && !wishes.only_shows;
  return text && is_one ? std::string() : text;
}

}  // namespace

int main(int argc, char** argv) {
  tool::PlaceOptions place;
  tool::Rights rights;
  Wishes wishes;
  std::string lists = "/etc/xapi.d/efi-clone";
  return tool::Main({page::kName, page::kHelp}, argc, argv,
                    tool::Joined({tool::OptionsOf(place),
                                  tool::OptionsOf(rights),
                                  {tool::Flag('c', "clone", wishes.is_clone),
                                   tool::Value('\0', "clone-lists", lists),
                                   tool::Value('\0', "match", wishes.pattern),
                                   tool::Flag('\0', "dry-run", wishes.only_shows)}}),
                    [&](auto operands, auto& log) -> base::Result<std::string> {
                      auto selection = Select(wishes, lists, place, operands);
                      if (!selection) {
                        return selection.failure();
                      }
                      place.only_looks = wishes.only_shows;
                      return tool::WithSession(place, rights, log,
                                               [&](tool::Session& session, base::Log& /*lines*/) {
                                                 return RemoveSelected(session, *selection, wishes);
                                               });
                    });
}
