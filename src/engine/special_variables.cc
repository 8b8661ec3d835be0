#include "special_variables.h"

#include <array>
#include <cstddef>
#include <string_view>

#include "varstored/efi/well_known.h"

namespace varstored::engine {
namespace {

struct Row {
  efi::WellKnownVariable variable = {};
  Special special = Special::kNone;
};

constexpr std::array<Row, 25> kRows = {{
    {efi::kSetupMode, Special::kComputed},          // UEFI 2.10, 3.3: read-only
    {efi::kAuditMode, Special::kMode},              // 3.3, 32.3: written at boot, in some modes
    {efi::kDeployedMode, Special::kMode},           // likewise
    {efi::kSecureBoot, Special::kComputed},         // 3.3: read-only
    {efi::kSignatureSupport, Special::kComputed},   // 3.3: read-only
    {efi::kPk, Special::kPk},                       // 32.3.1
    {efi::kKek, Special::kKek},                     // 32.3.3
    {efi::kDb, Special::kDatabase},                 // 32.5.1
    {efi::kDbx, Special::kDatabase},                // 32.5.1
    {efi::kDbt, Special::kDatabase},                // 32.5.1
    {efi::kDbr, Special::kDatabase},                // 32.5.1
    {efi::kOsRecoveryOrder, Special::kOsRecovery},  // 3.4.1, 32.3; its options: IsOsRecoveryOption
    {efi::kPkDefault, Special::kReserved},          // 3.3: should be treated as read-only
    {efi::kKekDefault, Special::kReserved},         // 3.3, likewise
    {efi::kDbDefault, Special::kReserved},          // 3.3, likewise
    {efi::kDbxDefault, Special::kReserved},         // 3.3, likewise
    {efi::kDbtDefault, Special::kReserved},         // 3.3, likewise
    {efi::kDbrDefault, Special::kReserved},         // 3.3, likewise
    {efi::kVendorKeys, Special::kReserved},         // 3.3: only firmware may change it
    {efi::kModeMark, Special::kReserved},           // what is behind these two
    {efi::kMorControl, Special::kMorControl},
    {efi::kMorLock, Special::kMorLock},
    {efi::kPpiFlags, Special::kPpiFlags},
    {efi::kPpiFlagsLock, Special::kPpiFlagsLock},
    {efi::kPpiBuffer, Special::kPpiBuffer},
}};

/// UEFI 2.10, 3.1.1: the digits of OsRecovery#### are 0 to 9 and A to F. Whichever GUID it is
/// under: OsRecoveryOrder can name any.
bool IsOsRecoveryOption(std::string_view name) {
  constexpr std::size_t kDigits = 4;
  if (!name.starts_with(efi::kOsRecoveryPrefix) ||
      name.size() != efi::kOsRecoveryPrefix.size() + 2 * kDigits) {
    return false;
  }
  for (std::size_t i = efi::kOsRecoveryPrefix.size(); i < name.size(); i += 2) {
    const char digit = name[i];
    const bool is_digit = (digit >= '0' && digit <= '9') || (digit >= 'A' && digit <= 'F');
    if (!is_digit || name[i + 1] != 0) {
      return false;
    }
  }
  return true;
}

}  // namespace

Special SpecialOf(const store::Key& key) {
  for (const Row& row : kRows) {
    if (row.variable.Is(key.name, key.vendor)) {
      return row.special;
    }
  }
  return IsOsRecoveryOption(key.name) ? Special::kOsRecovery : Special::kNone;
}

}  // namespace varstored::engine
