#pragma once

#include <string>
#include <string_view>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"

namespace varstored::base {

/// RFC 4648 base64 with padding and without line breaks.
[[nodiscard]] std::string EncodeBase64(ByteSpan bytes);

/// The reverse. ASCII white space is skipped, because files end in a newline; anything else outside
/// of the alphabet, missing padding, or bits that are set behind the last byte are an error that
/// names the character's offset.
[[nodiscard]] Result<Bytes> DecodeBase64(std::string_view text);

}  // namespace varstored::base
