#include "arguments.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace varstored::xl {
namespace {

constexpr std::string_view kOwnPrefix = "--varstored-";
/// Numbers from here on stand for "myself" and the like (Xen's public header,
/// DOMID_FIRST_RESERVED).
constexpr unsigned int kFirstReservedDomain = 0x7ff0;
/// As XAPI's xenopsd has it; 0 is nobody's guest.
constexpr std::uint32_t kFirstUser = 65536;

/// Reads options one by one; a value stands behind the option or after '='.
class Words {
 public:
  explicit Words(std::span<const std::string> words) : left_(words) {}

  [[nodiscard]] bool empty() const { return left_.empty(); }
  [[nodiscard]] const std::string& front() const { return left_.front(); }

  std::string Take() {
    std::string word = left_.front();
    left_ = left_.subspan(1);
    return word;
  }

  /// Takes the next word when it is the option `name`, with its value.
  [[nodiscard]] base::Result<std::optional<std::string>> TakeOption(std::string_view name) {
    const std::string_view word = left_.front();
    if (!word.starts_with(name)) {
      return std::optional<std::string>();
    }
    const std::string_view rest = word.substr(name.size());
    if (rest.starts_with('=')) {
      std::string value(rest.substr(1));
      left_ = left_.subspan(1);
      return std::optional(std::move(value));
    }
    if (!rest.empty()) {
      return std::optional<std::string>();
    }
    if (left_.size() < 2) {
      return base::Fail(std::string(name) + " needs a value");
    }
    left_ = left_.subspan(1);
    return std::optional(Take());
  }

 private:
  std::span<const std::string> left_;
};

base::Result<bool> ParseYesOrNo(const std::string& option, const std::string& value) {
  if (value != "yes" && value != "no") {
    return base::Fail(option + ": '" + value + "' is neither yes nor no");
  }
  return value == "yes";
}

base::Result<void> CheckFolder(const std::string& option, const std::string& folder) {
  if (!folder.starts_with('/')) {
    return base::Fail(option + ": '" + folder + "' is no absolute path");
  }
  return {};
}

/// Takes an option that both programs have, `prefix` before its name. False when the next word is
/// none.
base::Result<bool> TakeSetting(Words& words, const std::string& prefix, Settings& settings) {
  const std::string folder_option = prefix + "folder";
  auto folder = words.TakeOption(folder_option);
  if (!folder) {
    return folder.failure();
  }
  if (*folder) {
    settings.folder = std::move(**folder);
    const auto checked = CheckFolder(folder_option, settings.folder);
    return checked ? base::Result<bool>(true) : base::Fail(checked.error().message);
  }
  const std::string secure_boot_option = prefix + "secure-boot";
  const auto secure_boot = words.TakeOption(secure_boot_option);
  if (!secure_boot) {
    return secure_boot.failure();
  }
  if (*secure_boot) {
    const auto wanted = ParseYesOrNo(secure_boot_option, **secure_boot);
    if (!wanted) {
      return wanted.failure();
    }
    settings.secure_boot = *wanted;
    return true;
  }
  return false;
}

/// Takes one of varstored-dm's own options.
base::Result<void> TakeOwnOption(Words& words, DeviceModelLine& line) {
  const std::string prefix(kOwnPrefix);
  const auto setting = TakeSetting(words, prefix, line.settings);
  if (!setting) {
    return setting.failure();
  }
  if (*setting) {
    return {};
  }
  auto device_model = words.TakeOption(prefix + "device-model");
  if (!device_model) {
    return device_model.failure();
  }
  if (*device_model) {
    line.device_model = std::move(**device_model);
    return {};
  }
  auto option = words.TakeOption(prefix + "option");
  if (!option) {
    return option.failure();
  }
  if (*option) {
    line.settings.daemon_options.push_back(std::move(**option));
    return {};
  }
  return base::Fail("no option: " + words.front());
}

}  // namespace

bool Settings::HasOwnBackend() const {
  return std::ranges::any_of(daemon_options, [](const std::string& word) {
    return word == "--backend" || word.starts_with("--backend=");
  });
}

base::Result<DeviceModelLine> ParseDeviceModelLine(std::span<const std::string> words_span) {
  DeviceModelLine line;
  Words words(words_span);
  while (!words.empty()) {
    if (words.front() == "--help" || words.front() == "--version") {
      (words.front() == "--help" ? line.help : line.version) = true;
      return line;
    }
    if (words.front().starts_with(kOwnPrefix)) {
      const auto taken = TakeOwnOption(words, line);
      if (!taken) {
        return base::Fail(taken.error().message);
      }
      continue;
    }
    const std::string word = words.Take();
    line.device_model_arguments.push_back(word);
    if (word == "-xen-domid") {
      line.domain = words.empty() ? std::nullopt : ParseDomain(words.front());
      if (!line.domain) {
        return base::Fail("-xen-domid is not followed by the number of a domain");
      }
    }
    if (word == "-incoming") {
      line.restores = true;
    }
  }
  return line;
}

base::Result<AttachLine> ParseAttachLine(std::span<const std::string> words_span) {
  AttachLine line;
  Words words(words_span);
  while (!words.empty()) {
    const std::string& word = words.front();
    if (word == "--help" || word == "--version") {
      (word == "--help" ? line.help : line.version) = true;
      return line;
    }
    if (word == "--") {
      words.Take();
      while (!words.empty()) {
        line.settings.daemon_options.push_back(words.Take());
      }
      break;
    }
    if (word == "--resume") {
      words.Take();
      line.resume = true;
      continue;
    }
    const auto setting = TakeSetting(words, "--", line.settings);
    if (!setting) {
      return setting.failure();
    }
    if (*setting) {
      continue;
    }
    if (word.starts_with('-')) {
      return base::Fail("no option: " + word + " (those of varstored stand behind --)");
    }
    if (!line.domain.empty()) {
      return base::Fail("two domains: " + line.domain + " and " + word);
    }
    line.domain = words.Take();
  }
  if (line.domain.empty()) {
    return base::Fail("no domain is named");
  }
  return line;
}

bool IsUuid(std::string_view text) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  return std::ranges::equal(text, kForm, [](char c, char form) {
    const bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    return form == '-' ? c == '-' : is_hex;
  });
}

std::optional<std::uint16_t> ParseDomain(std::string_view text) {
  std::uint16_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || number == 0 ||
      number >= kFirstReservedDomain) {
    return std::nullopt;
  }
  return number;
}

std::uint32_t UserFor(std::uint16_t domain) { return kFirstUser + domain; }

bool IsUserOfVm(std::uint32_t user) {
  return user >= kFirstUser && user - kFirstUser <= std::numeric_limits<std::uint16_t>::max();
}

std::vector<std::string> DaemonCommand(const Settings& settings, std::string_view program,
                                       std::uint16_t domain, const std::string& uuid, Start start) {
  std::vector<std::string> command = {std::string(program), "--domain", std::to_string(domain),
                                      "--pidfile", PidFileOf(uuid)};
  if (!settings.HasOwnBackend()) {
    const std::string user = std::to_string(UserFor(domain));
    const std::string state = "/" + std::string(kStateName);
    command.insert(command.end(),
                   {"--chroot", settings.folder + "/" + uuid, "--depriv", "--uid", user, "--gid",
                    user, "--backend", "sqlite", "--arg", "path:/" + std::string(kStoreName),
                    "--arg", "save:" + state, "--arg", "uuid:" + uuid});
    if (start != Start::kBoot) {
      command.emplace_back("--resume");
    }
    if (start == Start::kResume) {
      command.insert(command.end(), {"--arg", "resume:" + state});
    }
  }
  command.insert(command.end(), settings.daemon_options.begin(), settings.daemon_options.end());
  return command;
}

std::string PidFileOf(const std::string& uuid) { return "/run/varstored/" + uuid + ".pid"; }

std::optional<std::uint16_t> DomainOfDaemon(std::string_view command_line) {
  using namespace std::string_view_literals;
  constexpr std::string_view kOption = "\0--domain\0"sv;
  const auto at = command_line.find(kOption);
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view value = command_line.substr(at + kOption.size());
  return ParseDomain(value.substr(0, value.find('\0')));
}

}  // namespace varstored::xl
