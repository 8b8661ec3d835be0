#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "varstored/backend/kinds.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/guest/door.h"

namespace varstored::daemon {

/// What differs between the programs that are made of this room.
struct Program {
  enum class Door { kXen, kLoopback };

  std::string_view name;
  std::string_view help;  // the whole text of --help
  Door door;              // decides which options there are
  /// The configuration that is read when it is there and --config names no other; empty: none.
  std::string_view configuration_path;
  /// The folder of the first boot's keys when none is given; it may be missing. Empty: none.
  std::string_view auth_folder;
  /// Where the running VM is looked into when nothing else is said. Empty: nowhere.
  std::string_view live_folder = {};
};

/// What the command line and the configuration say (docs/toolstack.md, "Options").
struct Options {
  bool help = false;
  bool version = false;
  bool capabilities = false;

  std::uint32_t domain = 0;  // Program::Door::kXen
  std::string listen_path;   // Program::Door::kLoopback
  guest::Platform platform;  // Program::Door::kLoopback

  std::string backend;
  backend::BackendArguments backend_arguments;
  bool nonpersistent = false;
  bool resume = false;
  std::optional<std::string> resume_path;
  std::optional<std::string> save_path;

  std::optional<std::string> pid_path;
  std::optional<std::string> chroot_path;
  bool depriv = false;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;

  /// How long a backend may try when the toolstack does not answer: at the start in all, for a
  /// write while the guest's firmware runs, and for a request after that. A vCPU of the guest
  /// stands still meanwhile.
  std::chrono::seconds start_budget = std::chrono::seconds(25);
  std::chrono::seconds boot_write_patience = std::chrono::minutes(5);
  std::chrono::seconds write_patience = std::chrono::seconds(15);

  std::optional<std::string> configuration_path;
  base::LogLevel log_level = base::LogLevel::kInfo;
  std::optional<std::string> auth_folder;
  bool require_kek = false;
  bool require_db = false;
  bool update_dbx = false;
  bool update_clones = false;
  /// A boot at which Secure Boot is wanted and would not be in force fails.
  bool require_secure_boot = false;
  /// The guest is shown PKDefault and the like: what the host's files hold.
  bool default_keys = true;
  /// Where the running VM is looked into (LiveSocket); nothing: as the Program says. Empty:
  /// nowhere.
  std::optional<std::string> live_folder;
};

/// Why the program cannot start with these options.
struct OptionError {
  std::string message;
  /// 2: the command line is not understood, and the usage helps. 1: a value is wrong.
  int exit_code = 2;
};

/// Reads the command line (`arguments` is argv without the program's name) and the configuration.
/// What the command line gives wins.
[[nodiscard]] base::Result<Options, OptionError> ReadOptions(
    const Program& program, std::span<const std::string_view> arguments);

/// Puts the values of a configuration's `text` into `options`: lines of KEY=VALUE, empty lines and
/// lines that start with '#'. The keys are those options that an operator decides. `path` is for
/// the error, which starts with "path:line: ".
[[nodiscard]] base::Result<void, OptionError> ApplyConfiguration(const Program& program,
                                                                 const std::string& path,
                                                                 std::string_view text,
                                                                 Options& options);

}  // namespace varstored::daemon
