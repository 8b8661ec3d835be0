#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/live/snapshot.h"
#include "varstored/sandbox/helper.h"
#include "varstored/tool/place.h"

/// What the word that names a VM means (docs/toolstack.md, "How a VM is named").
namespace varstored::tool {

/// The longest name that a VM is looked for by, in bytes. Longer ones have their uuid.
inline constexpr std::size_t kMaxVmNameBytes = 255;
/// The name of a VM of xl's stands in UUID.name beside its folder: that folder is its daemon's.
inline constexpr std::string_view kVmNameEnd = ".name";

/// Where the VMs of a host without a toolstack are.
struct HostFolders {
  std::string vms = "/var/lib/varstored";
  std::string live = std::string(live::kFolder);
};

enum class OperandKind : std::uint8_t { kPath, kUuid, kNumber, kName };

/// The first of these that holds: "-": a path, which means standard input (standard_input.h); with
/// a slash, "." or "..": a path; a uuid; a file or folder of this name here: a path; up to five
/// digits: the number of a domain; else a name. Only whether there is a file depends on the host.
[[nodiscard]] OperandKind KindOf(std::string_view operand);

/// The uuid of the VM that runs as the domain of this number: that of the daemon that listens in
/// `folders.live`. The error says what to do.
[[nodiscard]] base::Result<std::string> UuidOfDomain(const std::string& number,
                                                     const HostFolders& folders);
/// The uuid of the one VM of xl's that has this name and a folder in `folders.vms`. Two are a
/// misuse, and the error has their uuids.
[[nodiscard]] base::Result<std::string> UuidOfName(const std::string& name,
                                                   const HostFolders& folders);

/// `options` with the number or name of a VM replaced by its uuid; what is a path or a uuid already
/// stays. Where there is a toolstack, a helper process asks it for the name.
[[nodiscard]] base::Result<PlaceOptions> Understood(const PlaceOptions& options, base::Log& log,
                                                    sandbox::Stop* stop = nullptr);

/// Whether a toolstack is on this host, running or not: at its own socket, as nobody said another.
[[nodiscard]] bool HasToolstack();

}  // namespace varstored::tool
