#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "varstored/base/held_file.h"

namespace varstored::xl {

/// The folder of the pid files, made (0755) when it is missing. Fails where others may write in it:
/// they would say which process is a daemon.
[[nodiscard]] base::Result<base::HeldFolder> OpenPidFiles(const std::string& path);

/// The daemon that holds the lock on the pid file of this name. A shared lock is no daemon's.
[[nodiscard]] std::optional<pid_t> LockedBy(const base::HeldFolder& folder,
                                            const std::string& name);

/// Removes the pid files UUID.pid of daemons that have ended, of VMs that are not `there`. A daemon
/// cannot remove its own: the folder is out of its reach. What cannot be removed stays.
void RemoveEnded(const base::HeldFolder& folder,
                 const std::function<bool(const std::string& uuid)>& there);

}  // namespace varstored::xl
