#pragma once

#include <string>
#include <string_view>

namespace varstored::daemon {

/// What this program and this kernel can do, for packagers and toolstacks: one JSON object on one
/// line (docs/tools/varstored-capabilities.schema.json).
[[nodiscard]] std::string CapabilitiesText(std::string_view program);

}  // namespace varstored::daemon
