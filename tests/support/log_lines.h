#pragma once

#include <map>
#include <sstream>
#include <string>

namespace varstored::test {

/// How many lines of the log `text` each name has (docs/troubleshooting.md, "What a line says").
[[nodiscard]] inline std::map<std::string, int> CountLines(const std::string& text) {
  std::map<std::string, int> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    ++lines[line.substr(0, line.find(':'))];
  }
  return lines;
}

}  // namespace varstored::test
