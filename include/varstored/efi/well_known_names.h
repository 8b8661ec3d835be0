#pragma once

#include <optional>
#include <string_view>

#include "varstored/efi/guid.h"

/// The names of variables that need no GUID, because everybody knows theirs: the one table of them.
namespace varstored::efi {

/// EFI_HARDWARE_ERROR_VARIABLE (UEFI 2.10, 8.2.4.2).
inline constexpr Guid kHardwareErrorGuid = *ParseGuid("414e6bdd-e47b-47cc-b244-bb61020cf516");
/// LINUX_EFI_CRASH_GUID (Linux, drivers/firmware/efi/efi-pstore.c).
inline constexpr Guid kLinuxCrashGuid = *ParseGuid("cfc8fc79-be2e-4ddc-97f0-9f98bfe298a0");
/// SHIM_LOCK_GUID, the vendor of shim's variables.
inline constexpr Guid kShimLockGuid = *ParseGuid("605dab50-e046-4300-abb6-3dd810dd8b23");

/// The GUID under which a specification, shim or this project puts the variable of this name
/// (UTF-16LE bytes, held in characters), also one with a number such as Boot0001; nothing for a
/// name that they do not know.
[[nodiscard]] std::optional<Guid> WellKnownVendor(std::string_view name);

}  // namespace varstored::efi
