#pragma once

#include "varstored/base/bytes.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"

namespace varstored::convert {

/// Whether `bytes` begin as an image in QEMU's format qcow2 does.
[[nodiscard]] bool IsQcow2(base::ByteSpan bytes);

/// For a helper process: whether the image may be shown to qemu-img. One that takes in other files
/// (a backing file, an external data file), is encrypted, or is larger than every flash image is an
/// error.
[[nodiscard]] base::Result<void> CheckQcow2(base::ByteSpan image);

/// The content of a qcow2 image, for which CheckQcow2 is asked first. `qemu-img` does it, in a
/// folder of its own below TMPDIR and with no right beyond that (sandbox::RunProgram); it has to be
/// there.
[[nodiscard]] base::Result<base::Bytes> FromQcow2(base::ByteSpan image, base::Log& log);

/// The reverse.
[[nodiscard]] base::Result<base::Bytes> ToQcow2(base::ByteSpan content);

}  // namespace varstored::convert
