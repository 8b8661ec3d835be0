#pragma once

#include <optional>

#include "varstored/engine/reason.h"
#include "varstored/engine/requests.h"
#include "varstored/engine/secure_boot_mode.h"
#include "varstored/engine/variable_services.h"
#include "varstored/store/store.h"

namespace varstored::engine {

/// A platform key is enrolled (UEFI 2.10, 32.3.1): user or deployed mode.
[[nodiscard]] bool HasPlatformKey(const store::StagedStore& staged);

/// The same of a store's PK and mark.
[[nodiscard]] std::optional<SecureBootMode> ChosenMode(const store::StagedStore& staged);

/// Keeps in the mark what a change of PK makes of the mode that was chosen before it (figure 32-4).
/// It fails when memory runs out; the mark is there already, so it takes no room.
[[nodiscard]] Reason StageModeAfterPk(store::StagedStore& staged, SecureBootMode before);

/// A write of AuditMode or DeployedMode (UEFI 2.10, 3.3, 32.3.3, 32.3.4) that comes before the
/// operating system runs.
[[nodiscard]] Reason StageModeWrite(store::StagedStore& staged, const Policy& policy,
                                    const SetVariableRequest& request);

/// Puts the variables that follow from PK and the chosen mode: SetupMode, AuditMode, DeployedMode
/// and SecureBoot, which is 1 if there is a platform key and the host wants `secure_boot`. Without
/// a value SecureBoot stays as it is: this boot is over, and what it did does not change.
void StageModes(store::StagedStore& staged, std::optional<bool> secure_boot);

/// The same for a machine that goes on: SecureBoot keeps what was saved, and is computed only where
/// nothing usable was.
void StageModesAtResume(store::StagedStore& staged, bool secure_boot);

/// Puts SignatureSupport: all fifteen types that the store takes. It never changes.
void StageSignatureSupport(store::StagedStore& staged);

}  // namespace varstored::engine
