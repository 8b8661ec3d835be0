#pragma once

#include <optional>
#include <string>

#include "varstored/base/bytes.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/efi/guid.h"
#include "varstored/live/snapshot.h"
#include "varstored/tool/place.h"

namespace varstored::tool {

/// What the daemon of a running VM says of it. A guest may have taken the daemon over.
struct LiveAnswer {
  live::SocketName name;
  std::string path;   // of the socket, for messages
  base::Bytes bytes;  // a snapshot that nobody has looked into
};

/// Asks the daemon of `vm`: the number or the uuid of its domain, where the daemons' sockets are
/// (live::kFolder), or such a one, or the name of a socket, behind the path of another folder. Then
/// gives up `rights`. The error says which socket did not answer, and what to do. The wait for the
/// answer, at most 20 seconds, ends with an error when `stop_fd` becomes readable; -1: nothing
/// stops it but a signal.
[[nodiscard]] base::Result<LiveAnswer> AskLive(const std::string& vm, const Rights& rights,
                                               base::Log& log, int stop_fd = -1);

/// The uuid in the name of the socket in `folder` at which the daemon of this domain listens.
[[nodiscard]] base::Result<std::optional<efi::Guid>> UuidOfListening(const std::string& folder,
                                                                     const std::string& number);

/// Looks into the answer: for a helper process.
[[nodiscard]] base::Result<live::Snapshot> ReadLive(const LiveAnswer& answer);

}  // namespace varstored::tool
