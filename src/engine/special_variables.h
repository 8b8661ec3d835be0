#pragma once

#include <cstdint>

#include "varstored/store/store.h"

namespace varstored::engine {

/// Variables that SetVariable treats by rules of their own.
enum class Special : std::uint8_t {
  kNone,
  kComputed,  // SetupMode, AuditMode, DeployedMode, SecureBoot, SignatureSupport
  kPk,
  kKek,
  kDatabase,  // db, dbx, dbt, dbr
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

}  // namespace varstored::engine
