#pragma once

#include "varstored/engine/variable_services.h"
#include "varstored/store/store.h"

namespace varstored::engine {

/// Puts PKDefault, KEKDefault, dbDefault and dbxDefault (UEFI 2.10, 3.3): the content of those of
/// the host's files that are there and could be enrolled.
void StageDefaultKeys(store::StagedStore& served, const FirstBootKeys& keys);

/// Puts VendorKeys (UEFI 2.10, 3.3) if there is PKDefault: 1 while PK and KEK hold what the host's
/// files hold, and db and dbx at least that. What they hold beside it was signed by these keys.
/// `variables` is the VM's store.
void StageVendorKeys(store::StagedStore& served, const store::StagedStore& variables);

}  // namespace varstored::engine
