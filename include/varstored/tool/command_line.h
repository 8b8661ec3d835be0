#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/log.h"
#include "varstored/base/result.h"

/// What the command-line tools have in common: their command line, the place where a VM's variables
/// are kept, and a permissive store over it.
namespace varstored::tool {

/// Who runs: both from the program's "page.h".
struct Program {
  std::string_view name;
  std::string_view help;  // the whole text of --help
};

/// An option that a program takes besides -h, --help and --version, which all of them have.
struct Option {
  char letter = '\0';  // none
  std::string name;    // of the long form, without dashes
  bool has_value = false;
  /// `value` is empty for an option without one. An error ends the program.
  std::function<base::Result<void>(std::string_view value)> apply;
};

/// An option that sets `flag`, which belongs to the caller.
[[nodiscard]] Option Flag(char letter, std::string name, bool& flag);
/// An option whose value is put into `value`, which belongs to the caller; the last one counts.
[[nodiscard]] Option Value(char letter, std::string name, std::string& value);
/// One that may be given more than once: each value, even an empty one, is put behind the others.
[[nodiscard]] Option Values(std::string name, std::vector<std::string>& values);

/// All of several lists.
[[nodiscard]] std::vector<Option> Joined(std::initializer_list<std::vector<Option>> lists);

/// A number as in C: decimal, 0x... or 0..., from 0 to `maximum`, and nothing else.
[[nodiscard]] base::Result<unsigned long long> ParseNumber(std::string_view text,
                                                           unsigned long long maximum);

/// The failure of a program that was called wrongly: exit code 2, where every other one is 1.
[[nodiscard]] base::Failure<base::Error> Misuse(const std::string& what);

/// The program's work. `operands` are the words that are no options and no values of any, in their
/// order. What it gives is all that the program writes to its standard output; on failure that is
/// nothing.
using Work =
    std::function<base::Result<std::string>(std::vector<std::string> operands, base::Log& log)>;

/// All of main: reads the command line, in which options and operands may be mixed, and does the
/// work. Gives the exit code: 0, or with "NAME: what is wrong" on standard error 2 for a misuse and
/// 1 for all else; nothing else is written to standard output than the work's result. Errors and
/// warnings that are logged go to standard error too, in one line each.
[[nodiscard]] int Main(const Program& program, int argc, char** argv,
                       std::span<const Option> options, const Work& work);

}  // namespace varstored::tool
