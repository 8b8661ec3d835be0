#pragma once

#include <string>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/tool/place.h"

namespace varstored::tools {

/// What varstore-inspect --history prints: what changed of the keys of one VM, the newest first.
/// Rights are dropped already.
[[nodiscard]] base::Result<std::string> InspectHistory(const tool::PlaceOptions& options,
                                                       bool as_json, base::Log& log);

}  // namespace varstored::tools
