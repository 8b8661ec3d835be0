#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

/// What a tool writes to.
namespace varstored::tool {

/// The environment's variable, empty when it is not there.
[[nodiscard]] std::string_view Environment(const char* name);

/// Whether `fd` is a terminal that does what it is told, by its TERM.
[[nodiscard]] bool IsTerminal(int fd);

/// How wide the terminal `fd` is, or COLUMNS of the environment where that is set; nothing when
/// nobody says.
[[nodiscard]] std::optional<std::size_t> ColumnsOf(int fd);

}  // namespace varstored::tool
