#pragma once

#include <cstdint>

#include "varstored/engine/reason.h"
#include "varstored/engine/requests.h"
#include "varstored/store/store.h"

namespace varstored::engine {

/// The TPM's physical presence interface as the firmware's driver uses it (docs/guest-protocol.md,
/// "Physical presence"): one buffer of 0x130 bytes behind an index and a data port. The first 0x100
/// bytes are volatile; the rest is the variable PPIBuffer.

/// The state after power-on: flags not locked, volatile bytes zero, PPIBuffer as it was kept.
void StagePpiAtBoot(store::StagedStore& staged);

/// The state of a machine that goes on and of which nothing was saved: the same, but locked.
void StagePpiAtTakeover(store::StagedStore& staged);

/// The state of a machine that goes on: what was saved, made well formed. A lock that cannot be
/// understood counts as locked.
void StagePpiAtResume(store::StagedStore& staged);

/// Whether Tcg2PhysicalPresenceFlags cannot be written.
[[nodiscard]] bool ArePpiFlagsLocked(const store::StagedStore& staged);

[[nodiscard]] Reason StagePpiFlagsLock(store::StagedStore& staged,
                                       const SetVariableRequest& request);

/// An access of `size` bytes at `offset` of the 4-byte data port, at the index that was set. Out of
/// range, a read gives 0, and a write stages nothing.
[[nodiscard]] std::uint32_t ReadPpi(const store::Store& store, std::uint32_t offset,
                                    std::uint32_t size);
void StagePpiWrite(store::StagedStore& staged, std::uint32_t offset, std::uint32_t size,
                   std::uint32_t value);

}  // namespace varstored::engine
