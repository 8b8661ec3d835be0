#pragma once

#include <optional>

#include "varstored/store/store.h"

namespace varstored::engine {

/// User mode: a platform key is enrolled (UEFI 2.10, 32.3.1). Without one it is setup mode.
[[nodiscard]] bool HasPlatformKey(const store::StagedStore& staged);

/// Puts the variables that follow from PK: SetupMode, AuditMode, DeployedMode and SecureBoot, which
/// is 1 if there is a platform key and the host wants `secure_boot`. Without a value SecureBoot
/// stays as it is: this boot is over, and what it did does not change.
void StageModes(store::StagedStore& staged, std::optional<bool> secure_boot);

/// The same for a machine that goes on: SecureBoot keeps what was saved, and is computed only where
/// nothing usable was.
void StageModesAtResume(store::StagedStore& staged, bool secure_boot);

/// Puts SignatureSupport, which never changes.
void StageSignatureSupport(store::StagedStore& staged);

}  // namespace varstored::engine
