#include "null_server.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "daemon.h"

namespace varstored::bench {
namespace {

constexpr std::size_t kHeaderBytes = 16;

}  // namespace

void ServeNothing(const std::string& socket_path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  Require(socket_path.size() < sizeof address.sun_path, socket_path);
  std::ranges::copy(socket_path, std::begin(address.sun_path));
  const auto* general = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  const base::UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Require(::bind(listener.get(), general, sizeof address) == 0 && ::listen(listener.get(), 1) == 0,
          socket_path);
  const base::UniqueFd client(::accept(listener.get(), nullptr, nullptr));
  std::vector<std::uint8_t> message(kHeaderBytes + test::kPagesBytes);
  while (::recv(client.get(), message.data(), message.size(), MSG_WAITALL) ==
         static_cast<ssize_t>(message.size())) {
    // The status of 4 bytes stands where the header ends.
    std::fill_n(message.begin() + kHeaderBytes - 4, 4, std::uint8_t{0});
    Require(::send(client.get(), &message[kHeaderBytes - 4], 4 + test::kPagesBytes, 0) > 0,
            socket_path);
  }
}

}  // namespace varstored::bench
