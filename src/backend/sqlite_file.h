#pragma once

#include <string>

#include "sqlite_connection.h"
#include "varstored/base/result.h"

namespace varstored::backend {

/// The database at `path`, made when there is none: known to be a whole one of this program, of
/// today's version, locked for this process alone, and able to take a write. Every file that it
/// needs is open and will be found again after a power cut. A file that is refused stays as it is.
[[nodiscard]] base::Result<Connection> OpenDatabaseFile(const std::string& path);

}  // namespace varstored::backend
