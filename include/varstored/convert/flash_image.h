#pragma once

#include <cstddef>
#include <cstdint>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/convert/content.h"

namespace varstored::convert {

/// The largest flash image that is looked at, in bytes; that of firmware for ARM is the largest.
inline constexpr std::size_t kMaxFlashBytes = std::size_t{64} * 1024 * 1024;
/// What a helper process may have that looks at such: an image, a template, what is made of them,
/// and copies of each.
inline constexpr std::uint64_t kHelperMemoryBytes = std::uint64_t{16} * kMaxFlashBytes;

/// Whether `bytes` begin as a firmware volume does.
[[nodiscard]] bool IsFlashImage(base::ByteSpan bytes);

/// Whether no firmware has written to the image yet: at least a block of 4096 bytes, all of them
/// 0x00, as a file is made, or all 0xFF, as flash is erased.
[[nodiscard]] bool IsBlankImage(base::ByteSpan bytes);

/// Reads the variables of a flash image (OVMF_VARS.fd): a firmware volume at its start, with a
/// variable store of EDK II's, authenticated or not. Deleted variables and those whose write was
/// never finished are not there, as they are not for the firmware. Signers of private variables
/// come from EDK II's own variable `certdb`, which is itself left out. The error names the offset.
/// An image in which the firmware has to finish an interrupted write first is an error.
[[nodiscard]] base::Result<Content> ReadFlashImage(base::ByteSpan image);

/// `flash_template` with the variables of `content` instead of its own: the same size, layout and
/// recovery area. Records that the template has already keep all their bytes; when these are all of
/// them, the result is the template, byte for byte. Otherwise the store is laid out as EDK II does
/// when it reclaims space: without gaps, deleted records gone. An error when it does not fit.
[[nodiscard]] base::Result<Written> WriteFlashImage(const Content& content,
                                                    base::ByteSpan flash_template);

}  // namespace varstored::convert
