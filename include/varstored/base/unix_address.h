#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "varstored/base/result.h"

namespace varstored::base {

/// The address of a socket of AF_UNIX at `path`, which has to fit into one.
[[nodiscard]] inline Result<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Fail(path + ": not a path for a socket, which has 1 to " +
                std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  std::copy(path.begin(), path.end(), std::begin(address.sun_path));
  return address;
}

/// Bind and connect want the general type of an address.
[[nodiscard]] inline const sockaddr* General(const sockaddr_un& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

}  // namespace varstored::base
