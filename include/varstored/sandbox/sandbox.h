#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "varstored/base/result.h"

/// What the process gives up for good before it looks at a byte of a guest's. Each function names
/// in its error what could not be done.
namespace varstored::sandbox {

/// Leaves the host's mount, IPC, network and UTS namespaces for empty or private ones. All four are
/// tried; the error names those that could not be left, and the others are left all the same. Needs
/// CAP_SYS_ADMIN. Sockets and files that are open stay usable, and so do paths.
[[nodiscard]] base::Result<void> LeaveNamespaces();

/// Makes `folder` the root of the file system and the current folder. Needs CAP_SYS_CHROOT.
[[nodiscard]] base::Result<void> ChangeRoot(const std::string& folder);

/// Becomes another user and another group, in every sense (real, effective, saved) and without
/// further groups; what is not given stays as it is.
[[nodiscard]] base::Result<void> ChangeIds(std::optional<uid_t> uid, std::optional<gid_t> gid);

/// No file grows over `bytes`: a write over it fails with EFBIG. Ignores the signal that would come
/// with it.
[[nodiscard]] base::Result<void> LimitFileSize(std::uint64_t bytes);

/// No program that is executed later has more rights than the process, and nobody but root can
/// trace it or make it dump core. To be called after ChangeIds, which the kernel takes for a reason
/// to reset the second.
[[nodiscard]] base::Result<void> ForbidNewPrivileges();

}  // namespace varstored::sandbox
