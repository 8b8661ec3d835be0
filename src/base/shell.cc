#include "varstored/base/shell.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "varstored/base/hex.h"

namespace varstored::base {

std::string ShellWord(std::string_view word) {
  bool is_bare = !word.empty() && word.front() != '-';
  bool is_plain = true;
  for (const char c : word) {
    const bool is_alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    is_bare = is_bare &&
              (is_alphanumeric || std::string_view("-_./:@%+,=").find(c) != std::string_view::npos);
    is_plain = is_plain && c >= ' ' && c <= '~';
  }
  if (is_bare) {
    return std::string(word);
  }
  std::string quoted = is_plain ? "'" : "$'";
  for (const char c : word) {
    if (c == '\'') {
      // Where $'...' is not known, a quote in it would end the word.
      quoted += is_plain ? "'\\''" : "\\x27";
    } else if (!is_plain && c == '\\') {
      quoted += "\\\\";
    } else if (c < ' ' || c > '~') {
      quoted += "\\x" + ToHex(std::array{static_cast<std::uint8_t>(c)});
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "'";
}

std::string ShellCommand(std::string_view program,
                         std::initializer_list<std::string_view> operands) {
  std::string command(program);
  if (std::any_of(operands.begin(), operands.end(),
                  [](std::string_view operand) { return operand.starts_with('-'); })) {
    command += " --";
  }
  for (const std::string_view operand : operands) {
    command += " " + ShellWord(operand);
  }
  return command;
}

}  // namespace varstored::base
