#pragma once

#include "varstored/engine/reason.h"
#include "varstored/engine/requests.h"
#include "varstored/store/store.h"

namespace varstored::engine {

/// MemoryOverwriteRequestControl and its lock (TCG Platform Reset Attack Mitigation Specification
/// 1.10, chapter 4; Microsoft, "Secure MOR implementation"). Both are built in and never deleted.

/// The state after power-on: no request, not locked.
void StageMorAtBoot(store::StagedStore& staged);

/// The state of a machine that goes on and of which nothing was saved: no request, and locked
/// without a key, as the guest may have locked it.
void StageMorAtTakeover(store::StagedStore& staged);

/// The state of a machine that goes on: what was saved, made well formed. A lock that cannot be
/// understood counts as locked without a key, which only a restart ends.
void StageMorAtResume(store::StagedStore& staged);

[[nodiscard]] Reason StageMorControl(store::StagedStore& staged, const SetVariableRequest& request);
[[nodiscard]] Reason StageMorLock(store::StagedStore& staged, const SetVariableRequest& request);

}  // namespace varstored::engine
