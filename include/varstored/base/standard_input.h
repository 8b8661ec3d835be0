#pragma once

#include <cstddef>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"

namespace varstored::base {

/// What messages call it.
inline constexpr const char* kStandardInputName = "standard input";

/// All of standard input up to its end, or its first `max_bytes` and one byte more: then there was
/// more than `max_bytes`, and the rest is not waited for. The error names it.
[[nodiscard]] Result<Bytes> ReadStandardInput(std::size_t max_bytes);

}  // namespace varstored::base
