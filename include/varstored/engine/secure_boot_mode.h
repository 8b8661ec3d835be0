#pragma once

#include <cstdint>
#include <optional>

#include "varstored/store/variable.h"

namespace varstored::engine {

/// UEFI 2.10, 32.3, "Secure Boot Modes". The values are stored.
enum class SecureBootMode : std::uint8_t { kSetup = 0, kUser = 1, kAudit = 2, kDeployed = 3 };

/// The mode that a guest, or an administrator's tool, has chosen, with all that followed from it,
/// of a VM with this PK and this mark (efi::kModeMark); null for one that is not there. Nothing as
/// long as nobody has: then PK alone decides between setup and deployed mode, which are the values
/// that the older daemon shows. A mark counts only while PK is as it was when the mark was made.
[[nodiscard]] std::optional<SecureBootMode> ChosenMode(const store::Entry* pk,
                                                       const store::Entry* mark);

}  // namespace varstored::engine
