#include "varstored/daemon/options.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <utility>
#include <vector>

#include "varstored/backend/kinds.h"
#include "varstored/base/file.h"

namespace varstored::daemon {
namespace {

using Applied = base::Result<void, OptionError>;

constexpr std::size_t kMaxConfigurationBytes = 65536;

base::Failure<OptionError> Misuse(std::string message) { return {{std::move(message), 2}}; }
base::Failure<OptionError> BadValue(std::string message) { return {{std::move(message), 1}}; }

/// One option: how it is written, and what it does. People read of it in docs/tools/varstored.md
/// and docs/tools/varstored-loopback.md.
struct Option {
  std::string_view name;
  bool has_value;
  Applied (*apply)(Options& options, std::string_view value);
  bool in_configuration = false;
  std::optional<Program::Door> only_with = std::nullopt;

  [[nodiscard]] bool BelongsTo(const Program& program) const {
    return !only_with || *only_with == program.door;
  }
};

/// As strtol with base 0 reads it: decimal, 0x..., 0...; nothing else before or behind, and at most
/// `maximum`.
template <class Number>
Applied ApplyNumber(std::string_view text, Number maximum, Number& number) {
  const std::string copy(text);
  char* end = nullptr;
  errno = 0;
  const long long wide = std::strtoll(copy.c_str(), &end, 0);
  if (copy.empty() || *end != '\0' || errno != 0 || wide < 0 || wide > maximum) {
    return BadValue("'" + copy + "' is not a number from 0 to " + std::to_string(maximum));
  }
  number = static_cast<Number>(wide);
  return {};
}

/// The highest value of a user or a group stands for none.
template <class Id>
Applied ApplyId(std::string_view text, std::optional<Id>& id) {
  return ApplyNumber(text, std::numeric_limits<Id>::max() - 1, id.emplace());
}

Applied ApplyYesOrNo(std::string_view text, bool& value) {
  if (text != "yes" && text != "no") {
    return BadValue("'" + std::string(text) + "' is neither yes nor no");
  }
  value = text == "yes";
  return {};
}

/// Splits "name:value" or "name=value"; nothing without the separator or without a name.
std::optional<std::pair<std::string_view, std::string_view>> Split(std::string_view text,
                                                                   char separator) {
  const std::size_t at = text.find(separator);
  if (at == std::string_view::npos || at == 0) {
    return std::nullopt;
  }
  return std::pair(text.substr(0, at), text.substr(at + 1));
}

Applied ApplyBackend(Options& options, std::string_view name) {
  if (!options.backend.empty()) {
    return Misuse("given twice");
  }
  if (backend::FindBackendKind(name) == nullptr) {
    std::string known;
    for (const backend::BackendKind& kind : backend::BackendKinds()) {
      known += (known.empty() ? "" : ", ") + std::string(kind.name);
    }
    return Misuse("there is no backend '" + std::string(name) + "'; there are: " + known);
  }
  options.backend = name;
  return {};
}

/// Which names are known is a matter of the backend, so that one has to come first.
Applied ApplyBackendArgument(Options& options, std::string_view text) {
  const backend::BackendKind* kind = backend::FindBackendKind(options.backend);
  if (kind == nullptr) {
    return Misuse("comes before --backend");
  }
  const auto parts = Split(text, ':');
  if (!parts) {
    return Misuse("'" + std::string(text) + "' is not NAME:VALUE");
  }
  const auto [name, value] = *parts;
  if (name == "save") {
    options.save_path = value;
  } else if (name == "resume") {
    options.resume_path = value;
  } else if (kind->Takes(name) || name == "socket" || name == "uuid") {
    // The toolstack gives the last two whatever the backend is, which its user chooses.
    options.backend_arguments.insert_or_assign(std::string(name), std::string(value));
  } else {
    return Misuse("the backend " + options.backend + " has no '" + std::string(name) + "'");
  }
  return {};
}

Applied ApplyPlatform(Options& options, std::string_view text) {
  const auto parts = Split(text, '=');
  if (!parts) {
    return Misuse("'" + std::string(text) + "' is not KEY=VALUE");
  }
  // Others are the business of other programs, as in xenstore.
  if (parts->first == "secureboot") {
    options.platform.secureboot = parts->second;
  } else if (parts->first == "auth-enforce") {
    options.platform.auth_enforce = parts->second;
  } else if (parts->first == "secureboot-enforce") {
    options.platform.secureboot_enforce = parts->second;
  }
  return {};
}

Applied ApplyLogLevel(Options& options, std::string_view word) {
  if (!base::ParseLogLevel(word, options.log_level)) {
    return BadValue("'" + std::string(word) + "' is none of error, warning, info, debug");
  }
  return {};
}

Applied ApplyLive(Options& options, std::string_view value) {
  if (value != "no" && !value.starts_with('/')) {
    return BadValue("'" + std::string(value) + "' is neither no nor a folder's path from the root");
  }
  options.live_folder = value == "no" ? "" : value;
  return {};
}

/// An option whose value is put into one member.
template <auto kMember>
Applied Assign(Options& options, std::string_view value) {
  options.*kMember = std::string(value);
  return {};
}
template <auto kMember>
Applied Set(Options& options, std::string_view /*value*/) {
  options.*kMember = true;
  return {};
}
template <auto kMember>
Applied AssignYesOrNo(Options& options, std::string_view value) {
  return ApplyYesOrNo(value, options.*kMember);
}
template <auto kMember>
Applied AssignId(Options& options, std::string_view value) {
  return ApplyId(value, options.*kMember);
}
Applied AssignDomain(Options& options, std::string_view value) {
  // Above are Xen's own numbers for domains (DOMID_FIRST_RESERVED).
  return ApplyNumber(value, std::uint32_t{0x7FEF}, options.domain);
}

constexpr std::uint32_t kMostSeconds = 3600;
/// Linux reports a virtual CPU that stands still for 20 seconds, and panics where it is told to.
constexpr std::uint32_t kMostSecondsOfOperatingSystem = 60;

template <auto kMember, std::uint32_t kMost = kMostSeconds>
Applied AssignSeconds(Options& options, std::string_view value) {
  std::uint32_t seconds = 0;
  if (auto applied = ApplyNumber(value, kMost, seconds); !applied) {
    return applied;
  }
  if (seconds == 0) {
    return BadValue("0 seconds are not enough for any call");
  }
  options.*kMember = std::chrono::seconds(seconds);
  return {};
}

/// The name of before there were two patiences.
Applied ApplyRequestBudget(Options& options, std::string_view value) {
  auto applied = AssignSeconds<&Options::write_patience>(options, value);
  options.boot_write_patience = options.write_patience;
  return applied;
}

Applied ApplySecureBoot(Options& options, std::string_view value) {
  if (value != "no" && value != "enforce") {
    return BadValue("'" + std::string(value) + "' is neither no nor enforce");
  }
  options.require_secure_boot = value == "enforce";
  return {};
}

constexpr auto kXen = Program::Door::kXen;
constexpr auto kLoopback = Program::Door::kLoopback;

constexpr std::array kOptions = {
    Option{"domain", true, AssignDomain, false, kXen},
    Option{"listen", true, Assign<&Options::listen_path>, false, kLoopback},
    Option{"platform", true, ApplyPlatform, false, kLoopback},
    Option{"backend", true, ApplyBackend},
    Option{"arg", true, ApplyBackendArgument},
    Option{"nonpersistent", false, Set<&Options::nonpersistent>},
    Option{"resume", false, Set<&Options::resume>},
    Option{"pidfile", true, Assign<&Options::pid_path>},
    Option{"chroot", true, Assign<&Options::chroot_path>},
    Option{"depriv", false, Set<&Options::depriv>},
    Option{"uid", true, AssignId<&Options::uid>},
    Option{"gid", true, AssignId<&Options::gid>},
    Option{"config", true, Assign<&Options::configuration_path>},
    Option{"log-level", true, ApplyLogLevel, true},
    Option{"auth-dir", true, Assign<&Options::auth_folder>, true},
    Option{"require-kek", true, AssignYesOrNo<&Options::require_kek>, true},
    Option{"require-db", true, AssignYesOrNo<&Options::require_db>, true},
    Option{"update-dbx", true, AssignYesOrNo<&Options::update_dbx>, true},
    Option{"update-clones", true, AssignYesOrNo<&Options::update_clones>, true},
    Option{"secure-boot", true, ApplySecureBoot, true},
    Option{"default-keys", true, AssignYesOrNo<&Options::default_keys>, true},
    Option{"live", true, ApplyLive, true},
    Option{"start-budget", true, AssignSeconds<&Options::start_budget>, true},
    Option{"boot-write-patience", true, AssignSeconds<&Options::boot_write_patience>, true},
    Option{"write-patience", true,
           AssignSeconds<&Options::write_patience, kMostSecondsOfOperatingSystem>, true},
    Option{"request-budget", true, ApplyRequestBudget, true},
    Option{"capabilities", false, Set<&Options::capabilities>},
    Option{"version", false, Set<&Options::version>},
    Option{"help", false, Set<&Options::help>},
};

const Option* FindOption(const Program& program, std::string_view name) {
  const auto* found = std::ranges::find(kOptions, name, &Option::name);
  return found != kOptions.end() && found->BelongsTo(program) ? found : nullptr;
}

/// An option as it was given.
struct Given {
  const Option* option;
  std::string_view value;
};

base::Result<std::vector<Given>, OptionError> SplitCommandLine(
    const Program& program, std::span<const std::string_view> arguments) {
  std::vector<Given> all;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (!argument.starts_with("--")) {
      return Misuse("'" + std::string(argument) + "' is no option");
    }
    const std::size_t equals = argument.find('=');
    const bool is_joined = equals != std::string_view::npos;
    const std::string_view name = argument.substr(2, is_joined ? equals - 2 : equals);
    const Option* option = FindOption(program, name);
    if (option == nullptr) {
      return Misuse("there is no option --" + std::string(name));
    }
    Given given = {option, is_joined ? argument.substr(equals + 1) : std::string_view()};
    if (!option->has_value && is_joined) {
      return Misuse("--" + std::string(name) + " has no value");
    }
    if (option->has_value && !is_joined) {
      if (++i == arguments.size()) {
        return Misuse("--" + std::string(name) + " needs a value");
      }
      given.value = arguments[i];
    }
    all.push_back(given);
  }
  return all;
}

Applied ApplyAll(const std::vector<Given>& all, Options& options) {
  for (const Given& given : all) {
    if (auto applied = given.option->apply(options, given.value); !applied) {
      return base::Failure<OptionError>{
          {"--" + std::string(given.option->name) + ": " + applied.error().message,
           applied.error().exit_code}};
    }
  }
  return {};
}

/// The rules about several options together.
Applied CheckComplete(const Program& program, const std::vector<Given>& all,
                      const Options& options) {
  const auto is_given = [&](std::string_view name) {
    return std::ranges::any_of(all, [&](const Given& given) { return given.option->name == name; });
  };
  const std::string_view door = program.door == kXen ? "domain" : "listen";
  for (const std::string_view needed : {door, std::string_view("backend")}) {
    if (!is_given(needed)) {
      return Misuse("--" + std::string(needed) + " is missing");
    }
  }
  for (const backend::BackendArgument& argument :
       backend::FindBackendKind(options.backend)->arguments) {
    if (argument.is_required && !options.backend_arguments.contains(argument.name)) {
      return Misuse("--arg " + std::string(argument.name) + ":... is missing for the backend " +
                    options.backend);
    }
  }
  if (options.resume_path && !options.resume) {
    return Misuse("--arg resume:... without --resume");
  }
  return {};
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

Applied ApplyLine(const Program& program, std::string_view line, Options& options) {
  const auto parts = Split(line, '=');
  if (!parts) {
    return BadValue("not KEY=VALUE");
  }
  const std::string_view key = Trim(parts->first);
  const Option* option = FindOption(program, key);
  if (option == nullptr || !option->in_configuration) {
    return BadValue("unknown key '" + std::string(key) + "'");
  }
  if (auto applied = option->apply(options, Trim(parts->second)); !applied) {
    return BadValue(std::string(key) + ": " + applied.error().message);
  }
  return {};
}

/// The configuration's file is read if it is there; one that was asked for must be.
Applied ReadConfiguration(const Program& program, const std::optional<std::string>& asked_for,
                          Options& options) {
  const std::string path = asked_for.value_or(std::string(program.configuration_path));
  if (path.empty() && !asked_for) {
    return {};
  }
  const auto bytes = base::ReadFileIfThere(path, kMaxConfigurationBytes);
  if (!bytes) {
    return BadValue(bytes.error().message);
  }
  if (!bytes->has_value()) {
    return asked_for ? Applied(BadValue(path + ": no such file")) : Applied();
  }
  return ApplyConfiguration(program, path, base::ToString(**bytes), options);
}

}  // namespace

base::Result<Options, OptionError> ReadOptions(const Program& program,
                                               std::span<const std::string_view> arguments) {
  const auto all = SplitCommandLine(program, arguments);
  if (!all) {
    return all.failure();
  }
  Options alone;
  if (auto applied = ApplyAll(*all, alone); !applied) {
    return applied.failure();
  }
  if (alone.help || alone.version || alone.capabilities) {
    return alone;
  }
  if (auto complete = CheckComplete(program, *all, alone); !complete) {
    return complete.failure();
  }
  // What the command line says comes last and so wins.
  Options options;
  if (auto read = ReadConfiguration(program, alone.configuration_path, options); !read) {
    return read.failure();
  }
  if (auto applied = ApplyAll(*all, options); !applied) {
    return applied.failure();
  }
  return options;
}

base::Result<void, OptionError> ApplyConfiguration(const Program& program, const std::string& path,
                                                   std::string_view text, Options& options) {
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#') {
      continue;
    }
    if (auto applied = ApplyLine(program, line, options); !applied) {
      return BadValue(path + ":" + std::to_string(number) + ": " + applied.error().message);
    }
  }
  return {};
}

}  // namespace varstored::daemon
