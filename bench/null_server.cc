#include "null_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "daemon.h"
#include "varstored/base/unix_address.h"

namespace varstored::bench {
namespace {

constexpr std::size_t kHeaderBytes = 16;

}  // namespace

void ServeNothing(const std::string& socket_path) {
  const auto address = base::UnixAddress(socket_path);
  Require(address.ok(), socket_path);
  const base::UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Require(::bind(listener.get(), base::General(*address), sizeof *address) == 0 &&
              ::listen(listener.get(), 1) == 0,
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
