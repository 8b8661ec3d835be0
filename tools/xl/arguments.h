#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/result.h"

// The command lines of varstored-dm and varstored-attach, and the one that they make for varstored.
// Nothing here touches the system.

namespace varstored::xl {

/// What both programs are told about the store of a VM.
struct Settings {
  /// Holds a folder for each VM, named after its UUID.
  std::string folder = "/var/lib/varstored";
  /// Whether the VM wants Secure Boot; nothing: as xenstore says already, and else yes.
  std::optional<bool> secure_boot = std::nullopt;
  /// Further words for varstored's command line. When --backend is among them, the VM's folder is
  /// not used.
  std::vector<std::string> daemon_options = {};

  [[nodiscard]] bool HasOwnBackend() const;
};

/// What varstored-dm was called with.
struct DeviceModelLine {
  Settings settings;
  std::string device_model = "/usr/libexec/xen-qemu-system-i386";  // Debian's
  /// The domain that the device model is for; nothing when it only is to say its version or so.
  std::optional<std::uint16_t> domain;
  /// The domain goes on from a saved state.
  bool restores = false;
  /// The device model's arguments, in their order: all that do not begin with --varstored-.
  std::vector<std::string> device_model_arguments;
  bool help = false;
  bool version = false;
};

/// `words` are those behind the program's name.
[[nodiscard]] base::Result<DeviceModelLine> ParseDeviceModelLine(
    std::span<const std::string> words);

/// What varstored-attach was called with.
struct AttachLine {
  Settings settings;
  std::string domain;  // name, number or UUID
  bool resume = false;
  bool help = false;
  bool version = false;
};

/// `words` are those behind the program's name.
[[nodiscard]] base::Result<AttachLine> ParseAttachLine(std::span<const std::string> words);

/// 36 characters, hexadecimal with dashes at the usual places: also safe as the name of a file.
[[nodiscard]] bool IsUuid(std::string_view text);

/// The number of a domain, decimal; nothing for other text and for numbers that Xen gives to no
/// guest.
[[nodiscard]] std::optional<std::uint16_t> ParseDomain(std::string_view text);

/// Names inside of a VM's folder.
inline constexpr std::string_view kStoreName = "variables.sqlite";
inline constexpr std::string_view kStateName = "state";

/// How the VM's variables come about.
enum class Start {
  kBoot,
  kResume,             // from the saved state
  kResumeWithoutState  // from the store, though the guest is in the middle of its work
};

/// The user and group that serve a domain: each its own, as XAPI's toolstack has it.
[[nodiscard]] std::uint32_t UserFor(std::uint16_t domain);
/// Whether it is the user of some domain.
[[nodiscard]] bool IsUserOfVm(std::uint32_t user);

/// The command line of varstored, its name included. The daemon's root folder is the VM's.
[[nodiscard]] std::vector<std::string> DaemonCommand(const Settings& settings,
                                                     std::string_view program, std::uint16_t domain,
                                                     const std::string& uuid, Start start);

/// Where the daemon of a VM writes its process id, and holds a lock as long as it lives.
[[nodiscard]] std::string PidFileOf(const std::string& uuid);

/// The domain in a command line of varstored's as /proc shows it, words that end with NUL.
[[nodiscard]] std::optional<std::uint16_t> DomainOfDaemon(std::string_view command_line);

}  // namespace varstored::xl
