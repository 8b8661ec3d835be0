#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <numeric>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "commands.h"
#include "findings.h"
#include "varstore/page.h"
#include "varstored/base/file.h"
#include "varstored/base/log.h"
#include "varstored/version.h"

namespace {

using namespace varstored;

constexpr int kFailedExitCode = 1;
constexpr int kMisuseExitCode = 2;

/// One line on standard error.
int Fail(int exit_code, const std::string& what) {
  // What cannot be said here has nowhere else to go.
  static_cast<void>(std::fputs(("varstore: " + what + "\n").c_str(), stderr));
  return exit_code;
}

int Misuse(const std::string& what) {
  return Fail(kMisuseExitCode, what + " (--help shows the usage)");
}

int Say(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return Fail(kFailedExitCode, "cannot write to standard output: " + base::ErrnoText());
  }
  return 0;
}

/// How many characters have to be changed, put in or left out to make `b` of `a`.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// The row of this name, or the end.
template <class Table>
auto Find(const Table& table, std::string_view name) {
  return std::find_if(table.begin(), table.end(),
                      [name](const auto& row) { return row.name == name; });
}

/// That `table` has no such row, and the one whose name is most like it, if one is like it at all.
template <class Table>
int NoSuch(const std::string& what, const Table& table, std::string_view word) {
  constexpr std::size_t kLongest = 32;
  std::string text = "there is no " + what + " '" + base::Printable(word) + "'";
  if (word.size() <= kLongest) {
    const std::string_view name =
        std::min_element(table.begin(), table.end(), [word](const auto& a, const auto& b) {
          return Distance(word, a.name) < Distance(word, b.name);
        })->name;
    if (Distance(word, name) * 2 <= std::max(word.size(), name.size())) {
      text += "; the nearest is '" + std::string(name) + "'";
    }
  }
  return Misuse(text);
}

/// The folder that this program stands in; where there is no /proc, that of the path by which it
/// was called.
std::filesystem::path OwnFolder() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    return self.parent_path();
  }
  // The kernel's own vector has it so.
  // NOLINTNEXTLINE(performance-no-int-to-ptr,cppcoreguidelines-pro-type-reinterpret-cast)
  const auto* const path = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  return path == nullptr ? std::filesystem::path() : std::filesystem::path(path).parent_path();
}

/// Becomes `program` with `words`, of which the first one is its name; a failure comes back.
int Become(const std::string& program, std::vector<char*> words) {
  words.push_back(nullptr);
  const std::filesystem::path beside = OwnFolder() / program;
  ::execv(beside.c_str(), words.data());
  if (errno == ENOENT) {
    // Where toolstacks call create-auth.
    ::execv((std::filesystem::path(CREATE_AUTH_FOLDER) / program).c_str(), words.data());
    errno = ENOENT;
  }
  return Fail(kFailedExitCode, base::Printable(beside.string()) + ": " + base::ErrnoText());
}

/// A command that is part of this program.
struct OwnCommand {
  std::string_view name;
  int (*main)(int argc, char** argv);
};

constexpr std::array<OwnCommand, 6> kOwnCommands = {{
    {"varstore-update", tools::UpdateMain},
    {"varstore-boot", tools::BootMain},
    {"varstore-bootcheck", tools::BootCheckMain},
    {"varstore-edit", tools::EditMain},
    {"varstore-keys", tools::KeysMain},
    {"varstore-pcr7", tools::Pcr7Main},
}};

/// `words` are the command and what belongs to it.
int Command(std::vector<char*> words) {
  const std::string_view name = words.front();
  const auto* const found = Find(page::kCommands, name);
  if (found == page::kCommands.end()) {
    return NoSuch("command", page::kCommands, name);
  }
  std::string program(found->program);
  words.front() = program.data();
  const auto* const own = Find(kOwnCommands, program);
  if (own != kOwnCommands.end()) {
    const int count = static_cast<int>(words.size());
    words.push_back(nullptr);
    return own->main(count, words.data());
  }
  return Become(program, std::move(words));
}

/// One finding, or the names of all.
int HelpOnFindings(std::string_view name) {
  if (name.empty()) {
    std::string names;
    for (const page::Finding& finding : page::kFindings) {
      names += std::string(finding.name) + "\n";
    }
    return Say(names);
  }
  const auto* const found = Find(page::kFindings, name);
  return found == page::kFindings.end() ? NoSuch("finding", page::kFindings, name)
                                        : Say(found->text);
}

/// `words` are "help" and what belongs to it.
int Help(std::vector<char*> words) {
  if (words.size() == 1) {
    return Say(page::kHelp);
  }
  const bool is_of_findings = std::string_view(words[1]) == "findings";
  if (words.size() > (is_of_findings ? 3U : 2U)) {
    return Misuse("help is of one command or finding");
  }
  if (is_of_findings) {
    return HelpOnFindings(words.size() == 3 ? words[2] : "");
  }
  std::string option = "--help";
  return Command({words[1], option.data()});
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<char*> words(argv, argv + argc);
  words.erase(words.begin(), words.begin() + std::min<std::ptrdiff_t>(argc, 1));
  if (words.empty()) {
    return Misuse("a command is missing");
  }
  const std::string_view first = words.front();
  if (first == "-h" || first == "--help") {
    return Say(page::kHelp);
  }
  if (first == "--version") {
    return Say(std::string(page::kName) + " " + std::string(kVersion) + "\n");
  }
  if (first.starts_with('-')) {
    return Misuse("there is no option '" + base::Printable(first) + "' in front of a command");
  }
  return first == "help" ? Help(std::move(words)) : Command(std::move(words));
}
