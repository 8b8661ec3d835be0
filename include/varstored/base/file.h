#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"

namespace varstored::base {

/// The text of the current `errno`, for messages.
[[nodiscard]] std::string ErrnoText();

/// The whole regular file at `path`, or nothing when there is no such file. A file of more than
/// `max_bytes`, something else than a file (a folder, a pipe, a device), and one that cannot be
/// read are errors that name the path.
[[nodiscard]] Result<std::optional<Bytes>> ReadFileIfThere(const std::string& path,
                                                           std::size_t max_bytes);

/// As ReadFileIfThere; a missing file is an error too.
[[nodiscard]] Result<Bytes> ReadFile(const std::string& path, std::size_t max_bytes);

/// Makes `bytes` the whole content of the file at `path` and syncs it to the disk. The file is
/// opened as it is, made if missing (mode 0600), and truncated: the folder of a save file belongs
/// to root, so no second file could be made there to be renamed. A symbolic link as the last name
/// is an error.
[[nodiscard]] Result<void> WriteFileInPlace(const std::string& path, ByteSpan bytes);

/// HeldFile::Open, and its Replace; or its Make with mode 0644 where there is no file.
[[nodiscard]] Result<void> ReplaceFile(const std::string& path, ByteSpan bytes);

}  // namespace varstored::base
