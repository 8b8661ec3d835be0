#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/crypto/digest.h"

namespace varstored::signer {

/// A SHA-256 of 64 hexadecimal digits, in either case; nothing for anything else.
[[nodiscard]] std::optional<crypto::Sha256Digest> ParseSha256(std::string_view text);

/// The hashes of images.x64 in Microsoft's dbx_info_msft_latest.json, see ParseContent.
[[nodiscard]] base::Result<std::vector<crypto::Sha256Digest>> ParseRevocationList(
    base::ByteSpan file);

}  // namespace varstored::signer
