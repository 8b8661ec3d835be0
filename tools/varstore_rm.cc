#include <algorithm>
#include <filesystem>
#include <system_error>

#include "page.h"
#include "varstored/base/file.h"
#include "varstored/efi/status.h"
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

/// Adds the variables of one list: lines of "GUID NAME", empty lines, and lines that begin with
/// '#'.
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
    auto variable = tool::ParseNamedVariable(line.substr(0, blank), Trim(line.substr(blank)));
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

/// Removes `variables` together, and gives the lines that say so. Whether one that is absent is a
/// failure, the caller decides.
base::Result<std::string> Remove(tool::Session& session, const Variables& variables,
                                 bool may_be_absent) {
  std::string lines;
  for (const tool::NamedVariable& variable : variables) {
    const std::string text = tool::Describe(variable.key());
    const auto reason = session.Delete(variable.key());
    if (engine::StatusOf(reason) != efi::Status::kSuccess &&
        !(may_be_absent && reason == engine::Reason::kNothingToDelete)) {
      return tool::Refused(text, reason, tool::HintOfPlace(variable.key()));
    }
    const std::size_t blank = text.find(' ');
    lines +=
        "Removing: GUID: '" + text.substr(0, blank) + "' Name: '" + text.substr(blank + 1) + "'\n";
  }
  const auto saved = session.Save();
  return saved ? base::Result<std::string>(std::move(lines)) : saved.failure();
}

}  // namespace

int main(int argc, char** argv) {
  tool::PlaceOptions place;
  tool::Rights rights;
  bool is_clone = false;
  std::string lists = "/etc/xapi.d/efi-clone";
  return tool::Main(
      {page::kName, page::kHelp}, argc, argv,
      tool::Joined({tool::OptionsOf(place),
                    tool::OptionsOf(rights),
                    {tool::Flag('c', "clone", is_clone), tool::Value('\0', "clone-lists", lists)}}),
      [&](auto operands, auto& log) -> base::Result<std::string> {
        Variables variables;
        if (is_clone) {
          if (auto taken = tool::TakePlace(place, operands, 0); !taken) {
            return taken.failure();
          }
          auto read = ReadLists(lists);
          if (!read) {
            return read.failure();
          }
          variables = *std::move(read);
        } else {
          auto variable = tool::TakeVariable(place, operands, 0);
          if (!variable) {
            return variable.failure();
          }
          variables.push_back(*std::move(variable));
        }
        return tool::WithSession(
            place, rights, log,
            [&](tool::Session& session, base::Log& /*lines*/) -> base::Result<std::string> {
              auto text = Remove(session, variables, is_clone);
              return text && !is_clone ? std::string() : text;
            });
      });
}
