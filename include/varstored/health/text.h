#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "varstored/base/shell.h"

namespace varstored::health {

/// `utf8` for a terminal, and for a column whose width is counted: characters of the Latin, Greek
/// and Cyrillic scripts stay, each one column wide. Everything else (control and escape characters,
/// marks that turn the direction of the text, what is invisible or of another width, what is no
/// UTF-8) becomes \u{XXXX}, the bytes of no character \x{XX}.
[[nodiscard]] std::string ForTerminal(std::string_view utf8);

/// How many columns what ForTerminal gave takes.
[[nodiscard]] std::size_t ColumnsOf(std::string_view terminal_text);

/// What ForTerminal gave, cut to `columns` (at least 3) with three dots at its end when it has
/// more.
[[nodiscard]] std::string Cut(std::string_view terminal_text, std::size_t columns);

/// `utf8` as a JSON string with its quotes, in ASCII alone; what is no UTF-8 becomes U+FFFD
/// (RFC 8259).
[[nodiscard]] std::string JsonString(std::string_view utf8);

/// What ForTerminal gives, with the characters that mean something to XML escaped.
[[nodiscard]] std::string ForXml(std::string_view utf8);

using base::ShellCommand;
using base::ShellWord;

}  // namespace varstored::health
