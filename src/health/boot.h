#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "device_path.h"
#include "varstored/efi/well_known.h"
#include "varstored/health/state.h"

namespace varstored::health {

// UEFI 2.10, 3.3.
inline constexpr efi::WellKnownVariable kBootOrder = {efi::detail::NameOf<"BootOrder">(),
                                                      efi::kGlobalVariableGuid};
inline constexpr efi::WellKnownVariable kBootNext = {efi::detail::NameOf<"BootNext">(),
                                                     efi::kGlobalVariableGuid};

/// The numbers in the data of BootOrder or BootNext, without an odd byte at the end.
[[nodiscard]] std::vector<std::uint16_t> NumbersIn(base::ByteSpan data);

/// What each variable Boot#### says, by its number; nothing where its form is broken.
[[nodiscard]] std::map<std::uint16_t, std::optional<LoadOption>> BootOptionsOf(const State& state);

/// The numbers of those whose form is right.
[[nodiscard]] std::set<std::uint16_t> UsableBootOptions(const State& state);

/// "Boot0001".
[[nodiscard]] std::string BootOptionName(std::uint16_t number);

}  // namespace varstored::health
