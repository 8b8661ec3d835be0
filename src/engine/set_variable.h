#pragma once

#include <optional>

#include "varstored/engine/reason.h"
#include "varstored/engine/requests.h"
#include "varstored/engine/variable_services.h"
#include "varstored/store/store.h"

namespace varstored::engine {

/// SetVariable on a store as it will be: all rules of docs/engine.md, "SetVariable", in their
/// order. Stages what the call changes, the modes that follow from PK included. On a refusal
/// nothing is staged, but for a wrong key of the MOR lock, which is remembered. `at_runtime` is the
/// latched claim; the one in the request is not looked at. Of kSignerNotTrusted `untrusted`, when
/// there is one, is told more.
[[nodiscard]] Reason StageSetVariable(store::StagedStore& staged, const Policy& policy,
                                      bool at_runtime, const SetVariableRequest& request,
                                      std::optional<UntrustedSigner>* untrusted = nullptr);

}  // namespace varstored::engine
