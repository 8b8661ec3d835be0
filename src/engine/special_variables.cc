#include "special_variables.h"

#include <array>

#include "varstored/efi/well_known.h"

namespace varstored::engine {
namespace {

struct Row {
  efi::WellKnownVariable variable = {};
  Special special = Special::kNone;
};

constexpr std::array<Row, 16> kRows = {{
    {efi::kSetupMode, Special::kComputed},         // UEFI 2.10, 3.3: read-only
    {efi::kAuditMode, Special::kComputed},         // 3.3; only firmware may change it here
    {efi::kDeployedMode, Special::kComputed},      // 3.3; likewise
    {efi::kSecureBoot, Special::kComputed},        // 3.3: read-only
    {efi::kSignatureSupport, Special::kComputed},  // 3.3: read-only
    {efi::kPk, Special::kPk},                      // 32.3.1
    {efi::kKek, Special::kKek},                    // 32.3.3
    {efi::kDb, Special::kDatabase},                // 32.5.1
    {efi::kDbx, Special::kDatabase},               // 32.5.1
    {efi::kDbt, Special::kDatabase},               // 32.5.1
    {efi::kDbr, Special::kDatabase},               // 32.5.1
    {efi::kMorControl, Special::kMorControl},
    {efi::kMorLock, Special::kMorLock},
    {efi::kPpiFlags, Special::kPpiFlags},
    {efi::kPpiFlagsLock, Special::kPpiFlagsLock},
    {efi::kPpiBuffer, Special::kPpiBuffer},
}};

}  // namespace

Special SpecialOf(const store::Key& key) {
  for (const Row& row : kRows) {
    if (row.variable.Is(key.name, key.vendor)) {
      return row.special;
    }
  }
  return Special::kNone;
}

}  // namespace varstored::engine
