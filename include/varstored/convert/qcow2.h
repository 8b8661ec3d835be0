#pragma once

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"

namespace varstored::convert {

/// Whether `bytes` begin as an image in QEMU's format qcow2 does.
[[nodiscard]] bool IsQcow2(base::ByteSpan bytes);

/// The content of a qcow2 image. `qemu-img` does it, in a folder of its own below TMPDIR; it has to
/// be there. An image that takes in other files (a backing file, an external data file), is
/// encrypted, or is larger than every flash image is an error, and is not shown to qemu-img.
[[nodiscard]] base::Result<base::Bytes> FromQcow2(base::ByteSpan image);

/// The reverse.
[[nodiscard]] base::Result<base::Bytes> ToQcow2(base::ByteSpan content);

}  // namespace varstored::convert
