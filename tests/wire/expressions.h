#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/signing.h"
#include "wire/key_ring.h"

namespace varstored::test {

// The words of the vectors (tests/vectors/README.md). Whatever cannot be understood throws.

/// The words of a line. What stands in parentheses belongs together.
[[nodiscard]] std::vector<std::string> SplitWords(std::string_view text, char separator = ' ');

/// Decimal, or hexadecimal behind 0x.
[[nodiscard]] std::uint64_t ParseNumber(std::string_view text);

/// The name of a variable: ASCII; %HH is the character with this code, "x*9" nine of them, "-" the
/// empty name.
[[nodiscard]] std::u16string ParseVariableName(std::string_view text);

/// A GUID in its usual form, or one of the names that are known.
[[nodiscard]] Guid ParseGuidWord(std::string_view text);

/// Where a variable of this name belongs by the specifications; the tests' own GUID for any other.
[[nodiscard]] Guid DefaultGuid(std::string_view variable_name);

/// "2024-01-02T03:04:05", or T1, T2, ... for days of January 2024.
[[nodiscard]] Time ParseTime(std::string_view text);

/// Bytes, such as x509(KEK1) or sha256(11,22)+hex(0102).
[[nodiscard]] Bytes ParseBytes(std::string_view text, KeyRing& keys);

}  // namespace varstored::test
