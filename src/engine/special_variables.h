#pragma once

#include <cstdint>

#include "varstored/store/store.h"

namespace varstored::engine {

/// Variables that SetVariable treats by rules of their own.
enum class Special : std::uint8_t {
  kNone,
  kComputed,  // SetupMode, SecureBoot, SignatureSupport
  kMode,      // AuditMode, DeployedMode: computed, and written to choose a mode
  kPk,
  kKek,
  kDatabase,    // db, dbx, dbt, dbr
  kOsRecovery,  // OsRecoveryOrder, OsRecovery####
  kReserved,    // PKDefault, KEKDefault, dbDefault, dbxDefault, dbtDefault, dbrDefault, VendorKeys,
                // and the mark of a mode
  kMorControl,
  kMorLock,
  kPpiFlags,
  kPpiFlagsLock,
  kPpiBuffer,
};

/// What stands under `key` by the specifications, whether it exists or not.
[[nodiscard]] Special SpecialOf(const store::Key& key);

/// PK, KEK, db, dbx, dbt, dbr: their content is lists of signatures, and a mode guards them.
[[nodiscard]] constexpr bool IsSecureBootVariable(Special special) {
  return special == Special::kPk || special == Special::kKek || special == Special::kDatabase;
}

/// Those and the recovery options: the keys sign for them, so they have one set of attributes, and
/// no signer of a first write.
[[nodiscard]] constexpr bool IsGuardedByKeys(Special special) {
  return IsSecureBootVariable(special) || special == Special::kOsRecovery;
}

}  // namespace varstored::engine
