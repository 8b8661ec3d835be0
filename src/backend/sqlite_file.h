#pragma once

#include <memory>

#include "sqlite_connection.h"
#include "sqlite_vfs.h"
#include "varstored/base/bytes.h"
#include "varstored/base/result.h"

namespace varstored::backend {

/// The bytes of a database that holds nothing yet.
[[nodiscard]] base::Result<base::Bytes> EmptyDatabase();

/// The database of `vfs`: known to be a whole one of this program, of a version that is known, and
/// locked for this process alone. The files stay as they are, also when it is refused.
[[nodiscard]] base::Result<Connection> OpenDatabase(std::unique_ptr<Vfs> vfs);

/// From here on it is of today's version, and known to be able to take a write. A file that is
/// read-only is refused, and stays as it is.
[[nodiscard]] base::Result<void> MakeWritable(const Connection& connection);

}  // namespace varstored::backend
