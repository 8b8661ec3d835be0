#include "screen_here.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "varstored/health/text.h"
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

std::string Wrapped(const std::string& words, std::size_t indent, std::size_t width) {
  std::string text;
  std::string line;
  std::size_t begin = 0;
  while (begin < words.size()) {
    const std::size_t end = std::min(words.find(' ', begin), words.size());
    const std::string word = words.substr(begin, end - begin);
    begin = end + 1;
    const bool is_full =
        !line.empty() && indent + health::ColumnsOf(line) + 1 + health::ColumnsOf(word) > width;
    if (is_full) {
      text += std::string(indent, ' ') + line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return text + std::string(indent, ' ') + line + "\n";
}

}  // namespace varstored::tools
