#pragma once

#include <string>

#include "varstored/base/bytes.h"

namespace varstored::base {

/// Two lower-case hexadecimal digits for each byte.
[[nodiscard]] std::string ToHex(ByteSpan bytes);

}  // namespace varstored::base
