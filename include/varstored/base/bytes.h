#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace varstored::base {

/// Owned bytes.
using Bytes = std::vector<std::uint8_t>;

/// Bytes that somebody else owns, for the length of a call.
using ByteSpan = std::span<const std::uint8_t>;

/// A copy of `bytes`.
[[nodiscard]] inline Bytes ToBytes(ByteSpan bytes) { return {bytes.begin(), bytes.end()}; }

/// The characters of `text` as bytes, without a terminator.
[[nodiscard]] inline Bytes ToBytes(std::string_view text) { return {text.begin(), text.end()}; }

/// The same bytes as characters; no encoding is assumed.
[[nodiscard]] inline std::string ToString(ByteSpan bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace varstored::base
