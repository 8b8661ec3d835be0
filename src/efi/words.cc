#include "varstored/efi/words.h"

#include <sstream>
#include <utility>

#include "varstored/base/ascii.h"
#include "varstored/efi/well_known.h"
#include "varstored/efi/well_known_names.h"

namespace varstored::efi {
namespace {

using NamedGuid = std::pair<Guid, std::string_view>;

constexpr std::array<NamedGuid, 7> kGuidNames = {{
    {kGlobalVariableGuid, "EFI_GLOBAL_VARIABLE"},
    {kImageSecurityDatabaseGuid, "EFI_IMAGE_SECURITY_DATABASE_GUID"},
    {kHardwareErrorGuid, "EFI_HARDWARE_ERROR_VARIABLE"},
    // EDK II, MdePkg/Include/Guid/MemoryOverwriteControl.h and
    // MdePkg/Include/IndustryStandard/MemoryOverwriteRequestControlLock.h.
    {kMorControlGuid, "MEMORY_ONLY_RESET_CONTROL_GUID"},
    {kMorLockGuid, "MEMORY_OVERWRITE_REQUEST_CONTROL_LOCK_GUID"},
    // shim, lib/guid.c.
    {kShimLockGuid, "SHIM_LOCK_GUID"},
    // Linux, include/linux/efi.h.
    {kLinuxCrashGuid, "LINUX_EFI_CRASH_GUID"},
}};

std::string HexText(std::uint32_t number) {
  std::ostringstream text;
  text << "0x" << std::hex << number;
  return text.str();
}

}  // namespace

std::string AttributesText(std::uint32_t raw) {
  std::string text;
  for (const AttributeName& row : kAttributeNames) {
    if ((raw & row.bit) != 0) {
      text += (text.empty() ? "" : "+") + std::string(row.letters);
      raw &= ~std::uint32_t{row.bit};
    }
  }
  if (raw != 0) {
    text += (text.empty() ? "" : "+") + HexText(raw);
  }
  return text.empty() ? "0" : text;
}

std::string TimeText(const Time& time) {
  using base::Padded;
  return Padded(int{time.year}, 4) + "-" + Padded(int{time.month}, 2) + "-" +
         Padded(int{time.day}, 2) + "T" + Padded(int{time.hour}, 2) + ":" +
         Padded(int{time.minute}, 2) + ":" + Padded(int{time.second}, 2) + "Z";
}

std::string_view NameOfGuid(const Guid& guid) {
  for (const auto& [known, name] : kGuidNames) {
    if (known == guid) {
      return name;
    }
  }
  return {};
}

}  // namespace varstored::efi
