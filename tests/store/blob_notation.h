#pragma once

#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"

namespace varstored::test {

// The bytes of the vectors in tests/vectors/blob (tests/vectors/README.md). What cannot be
// understood throws.

/// The words between blanks.
[[nodiscard]] std::vector<std::string_view> Words(std::string_view text);

/// One word, such as u32(2) or hex(0102)+bytes(5,ff).
[[nodiscard]] base::Bytes BytesOfWord(std::string_view word);

/// All words of a line, one behind the other.
[[nodiscard]] base::Bytes BytesOfLine(std::string_view text);

}  // namespace varstored::test
