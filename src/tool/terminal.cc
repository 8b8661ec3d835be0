#include "varstored/tool/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "varstored/tool/command_line.h"

namespace varstored::tool {

std::string_view Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

bool IsTerminal(int fd) { return ::isatty(fd) == 1 && Environment("TERM") != "dumb"; }

std::optional<std::size_t> ColumnsOf(int fd) {
  if (const auto number = ParseNumber(Environment("COLUMNS"), 1000)) {
    return static_cast<std::size_t>(*number);
  }
  winsize size = {};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col != 0
             ? std::optional<std::size_t>(size.ws_col)
             : std::nullopt;
}

}  // namespace varstored::tool
