#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "varstored/efi/attributes.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/time.h"

/// What a variable has besides its name and its data, in words for people and programs.
namespace varstored::efi {

/// An attribute bit (UEFI 2.10, 8.2.1), its name there, and two letters for it: of the shell's
/// dmpstore (UEFI Shell 2.2, 5.3) where that has some.
struct AttributeName {
  AttributeBit bit;
  std::string_view name;
  std::string_view letters;
};

inline constexpr std::array<AttributeName, 8> kAttributeNames = {{
    {kNonVolatile, "EFI_VARIABLE_NON_VOLATILE", "NV"},
    {kBootServiceAccess, "EFI_VARIABLE_BOOTSERVICE_ACCESS", "BS"},
    {kRuntimeAccess, "EFI_VARIABLE_RUNTIME_ACCESS", "RT"},
    {kHardwareErrorRecord, "EFI_VARIABLE_HARDWARE_ERROR_RECORD", "HR"},
    {kAuthenticatedWriteAccess, "EFI_VARIABLE_AUTHENTICATED_WRITE_ACCESS", "AW"},
    {kTimeBasedAuthenticatedWriteAccess, "EFI_VARIABLE_TIME_BASED_AUTHENTICATED_WRITE_ACCESS",
     "AT"},
    {kAppendWrite, "EFI_VARIABLE_APPEND_WRITE", "AP"},
    {kEnhancedAuthenticatedAccess, "EFI_VARIABLE_ENHANCED_AUTHENTICATED_ACCESS", "EA"},
}};

/// The bits in one word, as "NV+BS+RT+AT". Those that nobody has named stand behind the others as
/// one number, "NV+0x100"; "0" when no bit is set.
[[nodiscard]] std::string AttributesText(std::uint32_t raw);

/// "2026-06-24T08:15:00Z": the second of a time-based variable, field by field whatever is stored.
[[nodiscard]] std::string TimeText(const Time& time);

/// The constant by which a specification, or the program that made it up, calls this GUID, as
/// "EFI_GLOBAL_VARIABLE"; empty where none is known.
[[nodiscard]] std::string_view NameOfGuid(const Guid& guid);

}  // namespace varstored::efi
