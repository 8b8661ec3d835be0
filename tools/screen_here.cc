#include "screen_here.h"

#include <unistd.h>

#include <algorithm>
#include <string>

#include "varstored/health/text.h"
#include "varstored/tool/terminal.h"

namespace varstored::tools {

health::ScreenOptions ScreenOptionsHere() {
  health::ScreenOptions options;
  options.has_colours = tool::IsTerminal(STDOUT_FILENO) && tool::Environment("NO_COLOR").empty();
  options.width = tool::ColumnsOf(STDOUT_FILENO).value_or(options.width);
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
