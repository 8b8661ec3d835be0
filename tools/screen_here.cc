#include "screen_here.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "varstored/tool/command_line.h"

namespace varstored::tools {
namespace {

/// The environment's variable, empty when it is not there.
std::string_view Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

}  // namespace

health::ScreenOptions ScreenOptionsHere() {
  health::ScreenOptions options;
  options.has_colours = ::isatty(STDOUT_FILENO) == 1 && Environment("NO_COLOR").empty() &&
                        Environment("TERM") != "dumb";
  winsize size = {};
  if (const auto columns = tool::ParseNumber(Environment("COLUMNS"), 1000)) {
    options.width = static_cast<std::size_t>(*columns);
  } else if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0) {
    options.width = size.ws_col;
  }
  return options;
}

bool CanShowProgress() { return ::isatty(STDERR_FILENO) == 1 && Environment("TERM") != "dumb"; }

}  // namespace varstored::tools
