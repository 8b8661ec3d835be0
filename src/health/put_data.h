#pragma once

#include <cstdint>

#include "varstored/base/bytes.h"
#include "varstored/health/state.h"

namespace varstored::health {

/// Gives the record of `id` that counts these data; its other fields stay, and so do other records
/// of this name. Where there is none, one with `attributes` and no time comes behind all others. No
/// data: all records of this name go.
void PutData(State& state, const VariableId& id, std::uint32_t attributes, base::Bytes data);

}  // namespace varstored::health
