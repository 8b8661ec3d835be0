#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "varstored/base/bytes.h"

namespace varstored::efi {

/// The longest name that any call takes, in bytes and without its terminator.
inline constexpr std::size_t kMaxNameBytes = 4096;

/// A variable's name: UCS-2 characters, little endian, without the terminating NUL, as it is on the
/// wire. Every object holds 2 to 4096 bytes, an even number of them, and no NUL character
/// (UEFI 2.10, 8.2.1: a Null-terminated string that is not empty).
class VariableName {
 public:
  /// Nothing when `bytes` break one of the rules above.
  [[nodiscard]] static std::optional<VariableName> FromBytes(base::ByteSpan bytes);

  /// The bytes, held in characters.
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

  [[nodiscard]] bool operator==(const VariableName&) const = default;

 private:
  friend VariableName NameFromAscii(std::string_view text);

  explicit VariableName(std::string bytes) : bytes_(std::move(bytes)) {}

  std::string bytes_;
};

/// A name of the specification, written down in the source as 1 to 2048 ASCII characters.
[[nodiscard]] VariableName NameFromAscii(std::string_view text);

/// The name in UTF-8, for people. `name_bytes` may be any bytes, as older daemons stored them; what
/// is no character (a lone surrogate, the odd byte at the end) becomes U+FFFD.
[[nodiscard]] std::string NameToUtf8(std::string_view name_bytes);

/// The reverse, for names that an administrator types. Nothing when `text` is not UTF-8 or gives no
/// valid name.
[[nodiscard]] std::optional<VariableName> NameFromUtf8(std::string_view text);

/// The name as lists, messages and logs have it, so that one name is one word and never looks like
/// another one. ASCII letters, digits and signs stand for themselves, but for the backslash. That,
/// blanks, control characters and all that is not ASCII become \uXXXX, one for each UTF-16 unit
/// with four upper-case hexadecimal digits; the odd byte at the end of a name that an older daemon
/// stored becomes \xXX. No two names have the same form.
[[nodiscard]] std::string EscapeName(std::string_view name_bytes);

/// The reverse: the bytes of a name whose escapes are as above. What is not escaped is UTF-8, so a
/// blank may be typed as it is. Nothing when it is not UTF-8, or when a backslash begins no escape.
[[nodiscard]] std::optional<std::string> UnescapeName(std::string_view text);

}  // namespace varstored::efi
