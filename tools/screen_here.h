#pragma once

#include <cstddef>
#include <string>

#include "varstored/health/render.h"

namespace varstored::tools {

/// How wide standard output is (COLUMNS, else the terminal), and whether it is a terminal that
/// wants colours (NO_COLOR, TERM).
[[nodiscard]] health::ScreenOptions ScreenOptionsHere();

/// `words`, which are fit for a terminal, behind `indent` blanks, over as many lines of `width`
/// columns as they take. A word that is longer is not broken.
[[nodiscard]] std::string Wrapped(const std::string& words, std::size_t indent, std::size_t width);

}  // namespace varstored::tools
