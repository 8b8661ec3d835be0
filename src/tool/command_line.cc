#include "varstored/tool/command_line.h"

#include <getopt.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <utility>

#include "varstored/base/file.h"
#include "varstored/base/standard_streams.h"
#include "varstored/version.h"

namespace varstored::tool {
namespace {

/// Lines for people, on standard error.
class Diagnostics final : public base::Log {
 public:
  explicit Diagnostics(std::string_view name) : name_(name) {}

  void Put(base::LogLevel level, std::string_view /*name*/, std::string_view line) override {
    if (level > base::LogLevel::kInfo) {
      return;
    }
    const std::string text = std::string(name_) + ": " +
                             (level == base::LogLevel::kWarning ? "warning: " : "") +
                             base::Printable(line) + "\n";
    // What cannot be said here has nowhere else to go.
    static_cast<void>(std::fputs(text.c_str(), stderr));
  }

 private:
  std::string_view name_;
};

/// The values that getopt gives for long options start where letters end.
constexpr int kFirstLong = 256;
constexpr int kVersionOption = kFirstLong - 1;

/// The end of what is said of a misuse. An Error has no more than its text, so this tells it apart.
constexpr std::string_view kShowsUsage = " (--help shows the usage)";

/// What getopt wants to know of `options`.
struct Descriptions {
  std::string letters = ":h";  // the colon tells a missing value from an unknown option
  std::vector<option> longs = {{"help", no_argument, nullptr, 'h'},
                               {"version", no_argument, nullptr, kVersionOption}};

  explicit Descriptions(std::span<const Option> options) {
    for (std::size_t i = 0; i < options.size(); ++i) {
      const Option& row = options[i];
      if (row.letter != '\0') {
        letters.push_back(row.letter);
        letters += row.has_value ? ":" : "";
      }
      longs.push_back({row.name.c_str(), row.has_value ? required_argument : no_argument, nullptr,
                       kFirstLong + static_cast<int>(i)});
    }
    longs.push_back({});
  }
};

const Option* FindOption(std::span<const Option> options, int found) {
  if (found >= kFirstLong) {
    return &options[static_cast<std::size_t>(found - kFirstLong)];
  }
  for (const Option& row : options) {
    if (row.letter == found) {
      return &row;
    }
  }
  return nullptr;
}

/// Of a word that getopt did not understand; `last` is the word before the next one.
base::Failure<base::Error> NotUnderstood(const Descriptions& described, const std::string& last) {
  if (::optopt == 0) {
    return Misuse("there is no option '" + last + "'");
  }
  // What it knows, it only refuses with a value.
  const auto letter = static_cast<char>(::optopt);
  if (::optopt >= kVersionOption || described.letters.find(letter) != std::string::npos) {
    return Misuse("'" + last + "': this option has no value");
  }
  return Misuse(std::string("there is no option '-") + letter + "'");
}

enum class Wish { kWork, kHelp, kVersion };

/// Applies the options and moves all others to the end of `argv`, at ::optind.
base::Result<Wish> ReadCommandLine(int argc, char** argv, std::span<const Option> options) {
  const Descriptions described(options);
  ::opterr = 0;
  ::optind = 0;  // start over, as a second call in one process has to
  for (;;) {
    const int found =
        ::getopt_long(argc, argv, described.letters.c_str(), described.longs.data(), nullptr);
    if (found == -1) {
      return Wish::kWork;
    }
    if (found == 'h') {
      return Wish::kHelp;
    }
    if (found == kVersionOption) {
      return Wish::kVersion;
    }
    if (found == ':') {
      return Misuse(std::string("'") + argv[::optind - 1] + "' needs a value");
    }
    const Option* option = FindOption(options, found);
    if (option == nullptr) {
      return NotUnderstood(described, argv[::optind - 1]);
    }
    const std::string_view value = option->has_value ? ::optarg : "";
    if (auto applied = option->apply(value); !applied) {
      return Misuse("--" + option->name + ": " + applied.error().message);
    }
  }
}

base::Result<std::string> Run(const Program& program, int argc, char** argv,
                              std::span<const Option> options, const Work& work, base::Log& log) {
  const auto wish = ReadCommandLine(argc, argv, options);
  if (!wish) {
    return wish.failure();
  }
  if (*wish == Wish::kHelp) {
    return std::string(program.help);
  }
  if (*wish == Wish::kVersion) {
    return std::string(program.name) + " " + std::string(varstored::kVersion) + "\n";
  }
  const std::span<char* const> words(argv, static_cast<std::size_t>(argc));
  const auto operands = words.subspan(static_cast<std::size_t>(::optind));
  return work({operands.begin(), operands.end()}, log);
}

}  // namespace

Option Flag(char letter, std::string name, bool& flag) {
  return {letter, std::move(name), false, [&flag](std::string_view /*value*/) {
            flag = true;
            return base::Result<void>();
          }};
}

Option Value(char letter, std::string name, std::string& value) {
  return {letter, std::move(name), true, [&value](std::string_view given) -> base::Result<void> {
            // An empty variable of a script's is no wish that the option were not there.
            if (given.empty()) {
              return base::Fail("it needs a value that is not empty");
            }
            value = given;
            return {};
          }};
}

Option Values(std::string name, std::vector<std::string>& values) {
  return {'\0', std::move(name), true, [&values](std::string_view given) -> base::Result<void> {
            values.emplace_back(given);
            return {};
          }};
}

std::vector<Option> Joined(std::initializer_list<std::vector<Option>> lists) {
  std::vector<Option> all;
  for (const std::vector<Option>& list : lists) {
    all.insert(all.end(), list.begin(), list.end());
  }
  return all;
}

base::Result<unsigned long long> ParseNumber(std::string_view text, unsigned long long maximum) {
  const std::string copy(text);
  char* end = nullptr;
  errno = 0;
  const unsigned long long number = std::strtoull(copy.c_str(), &end, 0);
  // strtoull takes blanks in front, and a sign, which turns the number around.
  const bool has_digit = !copy.empty() && copy[0] >= '0' && copy[0] <= '9';
  if (!has_digit || *end != '\0' || errno != 0 || number > maximum) {
    return base::Fail("'" + copy + "' is not a number from 0 to " + std::to_string(maximum));
  }
  return number;
}

base::Failure<base::Error> Misuse(const std::string& what) {
  return base::Fail(what + std::string(kShowsUsage));
}

int Main(const Program& program, int argc, char** argv, std::span<const Option> options,
         const Work& work) {
  base::OpenStandardStreams();
  // A file that may not grow any more (setrlimit(2)) is an error that is told, and its half is
  // removed.
  static_cast<void>(std::signal(SIGXFSZ, SIG_IGN));
  Diagnostics log(program.name);
  try {
    const auto output = Run(program, argc, argv, options, work, log);
    if (!output) {
      constexpr int kMisuseExitCode = 2;
      log.Error(output.error().message);
      return output.error().message.ends_with(kShowsUsage) ? kMisuseExitCode : 1;
    }
    if (std::fwrite(output->data(), 1, output->size(), stdout) != output->size() ||
        std::fflush(stdout) != 0) {
      log.Error("cannot write to standard output: " + base::ErrnoText());
      return 1;
    }
    return 0;
  } catch (const std::bad_alloc&) {
    log.Error("out of memory");
    return 1;
  }
}

}  // namespace varstored::tool
