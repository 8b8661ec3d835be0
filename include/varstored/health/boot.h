#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "varstored/efi/well_known.h"
#include "varstored/health/device_path.h"
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

/// The numbers of `data` (of BootOrder), each once, in the place where it is first.
[[nodiscard]] std::vector<std::uint16_t> WithoutRepeats(base::ByteSpan data);

/// Boot options with one description and one path.
struct RepeatedOption {
  /// The one that BootOrder names first, else the lowest.
  std::uint16_t number = 0;
  /// The others whose variables hold the same bytes, and those with other attributes or other data
  /// for the loader. In their order.
  std::vector<std::uint16_t> copies;
  std::vector<std::uint16_t> look_alikes;
};

/// All of which there is more than one, in the order of the lowest number of each.
[[nodiscard]] std::vector<RepeatedOption> RepeatedOptions(const State& state);

/// "Boot0001".
[[nodiscard]] std::string BootOptionName(std::uint16_t number);

}  // namespace varstored::health
