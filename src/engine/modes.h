#pragma once

#include "varstored/store/store.h"

namespace varstored::engine {

/// User mode: a platform key is enrolled (UEFI 2.10, 32.3.1). Without one it is setup mode.
[[nodiscard]] bool HasPlatformKey(const store::StagedStore& staged);

/// Puts the variables that follow from PK: SetupMode, AuditMode, DeployedMode and SecureBoot, which
/// is 1 if there is a platform key and the host wants `secure_boot`.
void StageModes(store::StagedStore& staged, bool secure_boot);

/// Puts SignatureSupport, which never changes.
void StageSignatureSupport(store::StagedStore& staged);

}  // namespace varstored::engine
