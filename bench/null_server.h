#pragma once

#include <string>

namespace varstored::bench {

/// The least that can be behind the socket of docs/loopback.md: takes one client, and gives each
/// request's pages back as they came. No daemon can be faster. Returns when the client is gone.
void ServeNothing(const std::string& socket_path);

}  // namespace varstored::bench
