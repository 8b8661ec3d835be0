#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/result.h"
#include "varstored/store/store.h"
#include "varstored/tool/place.h"
#include "varstored/tool/session.h"

namespace varstored::tool {

/// The variable of a name that needs no GUID (efi/well_known_names.h). The error says to give it.
[[nodiscard]] base::Result<NamedVariable> ParseWellKnownVariable(std::string_view name);

/// ": db belongs under d719b2cb-...", for a message; empty where the name is in its place, or in
/// none.
[[nodiscard]] std::string HintOfPlace(const store::Key& key);

/// Whether a well-known name stands under the GUID where other well-known names belong: the slip of
/// one who has taken EFI_GLOBAL_VARIABLE for EFI_IMAGE_SECURITY_DATABASE_GUID, or the other way
/// round. Such a variable means nothing to anybody.
[[nodiscard]] bool IsUnderTheOtherGuid(const store::Key& key);

/// TakePlace, and the variable behind it: GUID and NAME, or NAME alone when it is well-known. What
/// is left in `operands` are `others` operands.
[[nodiscard]] base::Result<NamedVariable> TakeVariable(PlaceOptions& place,
                                                       std::vector<std::string>& operands,
                                                       std::size_t others);

}  // namespace varstored::tool
