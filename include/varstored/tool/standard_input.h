#pragma once

#include <string_view>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/tool/format.h"

namespace varstored::tool {

/// The operand that means standard input, where a tool only looks. A file of this name is "./-".
inline constexpr std::string_view kStandardInput = "-";

/// All of standard input, in any of the formats but efivarfs. No file is open, and of a database
/// `bytes` are all that there is. More than the largest flash image is an error.
[[nodiscard]] base::Result<Input> ReadStandardInput(base::Log& log);

}  // namespace varstored::tool
