#pragma once

#include <cstdint>
#include <string>

namespace varstored::health {

/// The day of a moment in seconds since 1970, UTC, such as "2026-06-24".
[[nodiscard]] std::string DateText(std::int64_t seconds);

}  // namespace varstored::health
