#pragma once

#include <string>

#include "sqlite_connection.h"
#include "varstored/base/result.h"

namespace varstored::backend {

/// The database at `path`, made when there is none: known to be a whole one of this program, of a
/// version that is known, and locked for this process alone. The file stays as it is, also when it
/// is refused.
[[nodiscard]] base::Result<Connection> OpenDatabaseFile(const std::string& path);

/// From here on it is of today's version, and known to be able to take a write. Every file that it
/// needs is open and will be found again after a power cut. A file that is read-only is refused,
/// and stays as it is.
[[nodiscard]] base::Result<void> MakeWritable(const Connection& connection);

}  // namespace varstored::backend
