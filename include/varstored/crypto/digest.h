#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"

namespace varstored::crypto {

using Sha256Digest = std::array<std::uint8_t, 32>;

/// The digest that 64 digits, lower case, of the source spell.
[[nodiscard]] consteval Sha256Digest DigestFromHex(std::string_view hex) {
  const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  Sha256Digest digest{};
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::uint8_t>(value(hex[2 * i]) * 16 + value(hex[2 * i + 1]));
  }
  return digest;
}

/// SHA-256 of the parts, one behind the other (FIPS 180-4). It fails only when memory runs out.
[[nodiscard]] base::Result<Sha256Digest> Sha256(std::initializer_list<base::ByteSpan> parts);

/// The functions of FIPS 180-4 whose digests signature lists may hold.
enum class DigestKind : std::uint8_t { kSha1, kSha224, kSha256, kSha384, kSha512 };

/// The digest of `bytes`, 20 to 64 bytes by its kind. It fails only when memory runs out.
[[nodiscard]] base::Result<base::Bytes> Digest(DigestKind kind, base::ByteSpan bytes);

/// Whether both are the same bytes. The time it takes depends on the sizes, never on the bytes.
[[nodiscard]] bool ConstantTimeEqual(base::ByteSpan left, base::ByteSpan right);

/// Overwrites the bytes with zeros; the compiler cannot leave it out.
void Cleanse(std::span<std::uint8_t> bytes);

}  // namespace varstored::crypto
