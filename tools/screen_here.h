#pragma once

#include "varstored/health/render.h"

namespace varstored::tools {

/// How wide standard output is (COLUMNS, else the terminal), and whether it is a terminal that
/// wants colours (NO_COLOR, TERM).
[[nodiscard]] health::ScreenOptions ScreenOptionsHere();

/// Whether standard error is a terminal on which a line can be written anew.
[[nodiscard]] bool CanShowProgress();

}  // namespace varstored::tools
