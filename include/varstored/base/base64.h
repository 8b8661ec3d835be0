#pragma once

#include <string>
#include <string_view>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"

namespace varstored::base {

/// RFC 4648 base64 with padding and without line breaks.
[[nodiscard]] std::string EncodeBase64(ByteSpan bytes);

/// The reverse. Spaces, tabs and line ends are skipped, because files end in a newline. Errors are
/// anything else outside of the alphabet and padding in the wrong place (both name the character's
/// offset), missing padding, and bits that are set behind the last byte.
[[nodiscard]] Result<Bytes> DecodeBase64(std::string_view text);

}  // namespace varstored::base
