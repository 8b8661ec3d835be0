#include "announcer.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <string_view>
#include <utility>

#include "varstored/base/file.h"

namespace varstored::daemon {
namespace {

constexpr std::size_t kMaxMessageBytes = 1024;
constexpr std::string_view kDone = "done";

// One message each way: an empty one cannot be told from the end, so both have content.

bool SendMessage(int socket, std::string_view text) {
  const auto size = std::min(text.size(), kMaxMessageBytes);
  return ::send(socket, text.data(), size, MSG_NOSIGNAL) == static_cast<ssize_t>(size);
}

/// Empty when the other side is gone.
std::string ReceiveMessage(int socket) {
  std::array<char, kMaxMessageBytes> text{};
  ssize_t count = 0;
  do {
    count = ::recv(socket, text.data(), text.size(), 0);
  } while (count < 0 && errno == EINTR);
  return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

[[noreturn]] void RunHelper(int inherited_socket, guest::Door& door) {
  // The rest of what the daemon has open is the daemon's: were it held here as well, the end of the
  // daemon would not close it.
  constexpr int kSocket = STDERR_FILENO + 1;
  const int socket = ::dup2(inherited_socket, kSocket);
  ::closefrom(kSocket + 1);
  // A signal to the whole group is the daemon's affair: its end is what the helper waits for.
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    static_cast<void>(std::signal(number, SIG_IGN));
  }
  if (ReceiveMessage(socket).empty()) {
    door.Withdraw();
    ::_exit(1);
  }
  const auto announced = door.Announce();
  const bool told = SendMessage(socket, announced ? kDone : announced.error().message);
  ::_exit(announced && told ? 0 : 1);
}

}  // namespace

base::Result<Announcer> Announcer::Fork(guest::Door& door) {
  std::array<int, 2> sockets{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return base::Fail("cannot make a socket: " + base::ErrnoText());
  }
  base::UniqueFd ours(sockets[0]);
  base::UniqueFd theirs(sockets[1]);
  const pid_t helper = ::fork();
  if (helper < 0) {
    return base::Fail("cannot fork: " + base::ErrnoText());
  }
  if (helper == 0) {
    RunHelper(theirs.get(), door);
  }
  return Announcer(std::move(ours), helper);
}

Announcer::Announcer(Announcer&& other) noexcept
    : socket_(std::move(other.socket_)), helper_(std::exchange(other.helper_, -1)) {}

Announcer::~Announcer() { EndHelper(); }

void Announcer::EndHelper() {
  socket_.Reset();
  if (helper_ > 0) {
    while (::waitpid(helper_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  helper_ = -1;
}

base::Result<void> Announcer::Announce() {
  const std::string answer = SendMessage(socket_.get(), "go") ? ReceiveMessage(socket_.get()) : "";
  EndHelper();
  if (answer != kDone) {
    return base::Fail(answer.empty() ? "the helper that announces readiness is gone" : answer);
  }
  return {};
}

}  // namespace varstored::daemon
