#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <stdexcept>
#include <string>

#include "varstored/base/unique_fd.h"
#include "varstored/base/unix_address.h"

namespace varstored::test {

/// The socket at `path` where a log daemon reads, for a test in its place.
class LogSocket {
 public:
  explicit LogSocket(const std::string& path, int type = SOCK_DGRAM)
      : path_(path), fd_(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)) {
    const sockaddr_un address = base::UnixAddress(path_).value();
    if (::bind(fd_.get(), base::General(address), sizeof address) != 0 ||
        (type != SOCK_DGRAM && ::listen(fd_.get(), 1) != 0)) {
      throw std::runtime_error("cannot listen at " + path);
    }
  }
  ~LogSocket() { ::unlink(path_.c_str()); }
  LogSocket(const LogSocket&) = delete;
  LogSocket& operator=(const LogSocket&) = delete;

  /// The next datagram that has arrived.
  [[nodiscard]] std::optional<std::string> Read() const {
    std::array<char, 65536> buffer{};
    const ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    return count < 0 ? std::nullopt
                     : std::optional(std::string(buffer.data(), static_cast<std::size_t>(count)));
  }
  /// All that have arrived.
  [[nodiscard]] std::string ReadAll() const {
    std::string all;
    while (const auto datagram = Read()) {
      all += *datagram;
    }
    return all;
  }
  /// A connection to it.
  [[nodiscard]] base::UniqueFd Connect() const {
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = base::UnixAddress(path_).value();
    if (::connect(fd.get(), base::General(address), sizeof address) != 0) {
      throw std::runtime_error("cannot connect to " + path_);
    }
    return fd;
  }
  /// The other end of a connection that was made.
  [[nodiscard]] base::UniqueFd Accept() const {
    return base::UniqueFd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }

 private:
  std::string path_;
  base::UniqueFd fd_;
};

}  // namespace varstored::test
