#pragma once

#include <cstdint>
#include <optional>

#include "varstored/base/bytes.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/well_known.h"
#include "varstored/store/store.h"

namespace varstored::engine {

/// Puts a variable that this side makes itself: no timestamp, no signer.
void StageBuiltIn(store::StagedStore& staged, const efi::WellKnownVariable& variable,
                  efi::Attributes attributes, base::Bytes data);

/// The only byte of a variable that has exactly one; nothing when it is absent or longer.
[[nodiscard]] std::optional<std::uint8_t> SingleByte(const store::Entry* entry);

}  // namespace varstored::engine
