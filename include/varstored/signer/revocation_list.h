#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/crypto/digest.h"

namespace varstored::signer {

/// A SHA-256 of 64 hexadecimal digits, in either case; nothing for anything else.
[[nodiscard]] std::optional<crypto::Sha256Digest> ParseSha256(std::string_view text);

/// An entry of Microsoft's list of revocations.
struct ListedHash {
  crypto::Sha256Digest hash{};
  /// The day on which it came into the list, such as "2026-04-09"; empty when it is not said so.
  std::string date;
};

/// The SHA-256 hashes of images.x64 in Microsoft's dbx_info_msft_latest.json, in their order. The
/// error says what is wrong, and where. An empty list is none.
[[nodiscard]] base::Result<std::vector<ListedHash>> ParseRevocationList(base::ByteSpan file);

}  // namespace varstored::signer
