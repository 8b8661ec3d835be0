#pragma once

#include "varstored/base/result.h"
#include "varstored/engine/variable_services.h"
#include "varstored/store/store.h"

namespace varstored::engine {

/// Stages the update of certificates that an administrator asked for (docs/engine.md, "Certificates
/// of 2011 and 2023"): the host's KEK and db, and dbx where the host wants that, are appended to
/// those of the VM that hold certificates of 2011. Nothing that the VM has is dropped. On success
/// the result is up to date; a VM that already was is left alone. Otherwise the error says what
/// stands in the way, and what was staged is to be thrown away.
[[nodiscard]] base::Result<void> StageCertificateUpdate(store::StagedStore& staged,
                                                        const Policy& policy,
                                                        const FirstBootKeys& keys);

}  // namespace varstored::engine
