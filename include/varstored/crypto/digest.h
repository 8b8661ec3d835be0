#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"

namespace varstored::crypto {

using Sha256Digest = std::array<std::uint8_t, 32>;

/// SHA-256 of the parts, one behind the other (FIPS 180-4). It fails only when memory runs out.
[[nodiscard]] base::Result<Sha256Digest> Sha256(std::initializer_list<base::ByteSpan> parts);

/// Whether both are the same bytes. The time it takes depends on the sizes, never on the bytes.
[[nodiscard]] bool ConstantTimeEqual(base::ByteSpan left, base::ByteSpan right);

/// Overwrites the bytes with zeros; the compiler cannot leave it out.
void Cleanse(std::span<std::uint8_t> bytes);

}  // namespace varstored::crypto
