#pragma once

#include <cstddef>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/convert/content.h"

namespace varstored::convert {

/// The largest JSON file that is looked at, in bytes: data in hexadecimal digits, and room.
inline constexpr std::size_t kMaxJsonBytes = std::size_t{4} * 1024 * 1024;

/// Reads the variable store of QEMU's uefi-vars devices, which libvirt calls varstore: a JSON
/// object with the version 2 and a list of variables (guid, name, attr, data, time, digest). Keys
/// that are not known are a loss; one that is missing, there twice or of another type is an error.
[[nodiscard]] base::Result<Content> ReadQemuJson(base::ByteSpan text);

/// The reverse. A name that is not ASCII is a loss: QEMU reads names byte by byte.
[[nodiscard]] Written WriteQemuJson(const Content& content);

}  // namespace varstored::convert
