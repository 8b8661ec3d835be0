#pragma once

#include <string>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/live/snapshot.h"
#include "varstored/tool/place.h"

namespace varstored::tool {

/// A running VM, as its daemon tells it.
struct LiveVm {
  live::SocketName name;
  live::Snapshot snapshot;
};

/// Asks the daemon of `vm`: the number or the uuid of its domain, where the daemons' sockets are
/// (live::kFolder), or such a one, or the name of a socket, behind the path of another folder. Then
/// gives up `rights` and all others, and only then looks at what the daemon said: a guest may have
/// taken it over. The error says which socket did not answer, and what to do.
[[nodiscard]] base::Result<LiveVm> ReadLive(const std::string& vm, const Rights& rights,
                                            base::Log& log);

}  // namespace varstored::tool
