#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace varstored::base {

/// `word` as one word of a POSIX shell, made for a terminal: quoted where needed; what is
/// no printable ASCII is written in $'...', which bash knows; it is one word in other
/// shells too, though another one.
[[nodiscard]] std::string ShellWord(std::string_view word);

/// A command as one line for a shell: `program`, with its options, as it is, and each of `operands`
/// as one word that is no option, whatever it begins with.
[[nodiscard]] std::string ShellCommand(std::string_view program,
                                       std::initializer_list<std::string_view> operands);

}  // namespace varstored::base
