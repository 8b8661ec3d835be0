#include "varstored/crypto/digest.h"

#include <algorithm>
#include <array>
#include <optional>

#include <openssl/crypto.h>

#include "openssl.h"
#include "varstored/crypto/authenticode.h"

namespace varstored::crypto {

base::Result<Sha256Digest> Sha256(std::initializer_list<base::ByteSpan> parts) {
  const OpenSslCall call;
  std::optional<DigestValue> value;
  if (call.ready()) {
    value = DigestOf("SHA256", {parts.begin(), parts.size()});
  }
  if (!value.has_value()) {
    return base::Fail("SHA-256: out of memory");
  }
  Sha256Digest digest{};
  std::ranges::copy(value->bytes(), digest.begin());
  return digest;
}

base::Result<base::Bytes> Digest(DigestKind kind, base::ByteSpan bytes) {
  return Digest(kind, std::span<const base::ByteSpan>(&bytes, 1));
}

base::Result<base::Bytes> Digest(DigestKind kind, std::span<const base::ByteSpan> parts) {
  constexpr std::array<const char*, 5> kNames = {"SHA1", "SHA224", "SHA256", "SHA384", "SHA512"};
  const OpenSslCall call;
  std::optional<DigestValue> value;
  if (call.ready()) {
    value = DigestOf(kNames[static_cast<std::size_t>(kind)], parts);
  }
  if (!value.has_value()) {
    return base::Fail("digest: out of memory");
  }
  return base::ToBytes(value->bytes());
}

bool ConstantTimeEqual(base::ByteSpan left, base::ByteSpan right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

void Cleanse(std::span<std::uint8_t> bytes) { OPENSSL_cleanse(bytes.data(), bytes.size()); }

}  // namespace varstored::crypto
