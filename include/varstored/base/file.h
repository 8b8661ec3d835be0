#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"

namespace varstored::base {

/// The text of the current `errno`, for messages.
[[nodiscard]] std::string ErrnoText();

/// Syncs the folder that `path` stands in: a new name is on the disk once its folder is.
[[nodiscard]] Result<void> SyncFolderOf(const std::string& path);

/// Whether a path may end in a symbolic link.
enum class Links : std::uint8_t { kFollow, kRefuse };

/// The whole regular file at `path`, or nothing when there is no such file. A file of more than
/// `max_bytes`, something else than a file (a folder, a pipe, a device), and one that cannot be
/// read are errors that name the path.
[[nodiscard]] Result<std::optional<Bytes>> ReadFileIfThere(const std::string& path,
                                                           std::size_t max_bytes,
                                                           Links links = Links::kFollow);

/// As ReadFileIfThere; a missing file is an error too.
[[nodiscard]] Result<Bytes> ReadFile(const std::string& path, std::size_t max_bytes,
                                     Links links = Links::kFollow);

/// Makes `bytes` the whole content of the file at `path` and syncs it to the disk. The file is
/// opened as it is, made if missing (mode 0600), and truncated: the folder of a save file belongs
/// to root, so no second file could be made there to be renamed.
[[nodiscard]] Result<void> WriteFileInPlace(const std::string& path, ByteSpan bytes);

/// Makes `bytes` the whole content of the file at `path`, so that whoever opens it finds the old
/// content or the new one, after a power cut too: they are written and synced beside it, under the
/// name `path`.PID.new, which then takes the file's place, with its owner and its mode. Where there
/// was none the mode is 0644, less what the umask takes. A symbolic link is followed. Something
/// else than a file is an error.
[[nodiscard]] Result<void> ReplaceFile(const std::string& path, ByteSpan bytes);

/// Makes a new file of `bytes`, mode 0600, and syncs it and its folder. False, and nothing is
/// changed, when something has that name already. What an error leaves behind may be half a file.
[[nodiscard]] Result<bool> MakeFile(const std::string& path, ByteSpan bytes);

}  // namespace varstored::base
