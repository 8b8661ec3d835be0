#include "varstored/tool/live.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "varstored/base/file.h"
#include "varstored/base/unique_fd.h"
#include "varstored/base/unix_address.h"
#include "varstored/efi/guid.h"

namespace varstored::tool {
namespace {

using Clock = std::chrono::steady_clock;

/// A daemon may be in the middle of a write that takes its time.
constexpr std::chrono::seconds kAnswerBudget(20);

struct Socket {
  live::SocketName name;
  std::string path;
};

/// The sockets in `folder` that `wanted` may mean, those of the newest domains first.
base::Result<std::vector<Socket>> FindSockets(const std::string& folder,
                                              const std::string& wanted) {
  const auto uuid = efi::ParseGuid(wanted);
  std::vector<Socket> found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string text = entry->path().filename();
    const auto name = live::ParseSocketName(text);
    if (name &&
        (uuid ? name->uuid == uuid : text == wanted || std::to_string(name->domain) == wanted)) {
      found.push_back({*name, entry->path()});
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return base::Fail(
        folder + ": " + error.message() +
        (error == std::errc::permission_denied ? ": only root may look into a running VM" : ""));
  }
  std::ranges::sort(found, std::ranges::greater(),
                    [](const Socket& socket) { return socket.name.domain; });
  return found;
}

/// Invalid, with errno, when nobody listens there.
base::UniqueFd Connect(const std::string& path) {
  const auto address = base::UnixAddress(path);
  if (!address) {
    errno = ENAMETOOLONG;
    return {};
  }
  base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // As long as the others that wait to be served are too many.
  const timeval most = {.tv_sec = kAnswerBudget.count(), .tv_usec = 0};
  if (!socket.valid() ||
      ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most) != 0 ||
      ::connect(socket.get(), base::General(*address), sizeof *address) != 0) {
    return {};
  }
  return socket;
}

/// All that comes until the other side closes the connection.
base::Result<base::Bytes> ReadAll(int socket, const std::string& path, int stop_fd) {
  const auto deadline = Clock::now() + kAnswerBudget;
  base::Bytes all;
  std::array<std::uint8_t, 65536> part{};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    std::array<pollfd, 2> waited = {{{socket, POLLIN, 0}, {stop_fd, POLLIN, 0}}};
    if (left <= 0 || ::poll(waited.data(), waited.size(), static_cast<int>(left)) == 0) {
      return base::Fail(path + ": the daemon does not answer within " +
                        std::to_string(kAnswerBudget.count()) +
                        " seconds: it waits for its backend, has been stopped, or could not accept "
                        "anybody (`live-socket-failed` in its log)");
    }
    if (waited[1].revents != 0) {
      return base::Fail(path + ": interrupted before the daemon answered");
    }
    const ssize_t count = ::recv(socket, part.data(), part.size(), MSG_DONTWAIT);
    if (count == 0) {
      break;
    }
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
      return base::Fail(path + ": the daemon ended while it was asked: " + base::ErrnoText());
    }
    if (count > 0) {
      all.insert(all.end(), part.begin(), part.begin() + count);
    }
    if (all.size() > live::kMaxSnapshotBytes) {
      return base::Fail(path + ": the daemon answers with more than there can be");
    }
  }
  if (all.empty()) {
    return base::Fail(path +
                      ": the daemon closed the connection without a word: only root may look into "
                      "a running VM; or it had no memory");
  }
  return all;
}

}  // namespace

base::Result<LiveAnswer> AskLive(const std::string& vm, const Rights& rights, base::Log& log,
                                 int stop_fd) {
  const std::size_t slash = vm.rfind('/');
  const std::string folder =
      slash == std::string::npos ? std::string(live::kFolder) : vm.substr(0, slash);
  const auto sockets = FindSockets(folder, slash == std::string::npos ? vm : vm.substr(slash + 1));
  if (!sockets) {
    return sockets.failure();
  }
  base::UniqueFd connection;
  std::string failures;
  const Socket* answering = nullptr;
  for (const Socket& socket : *sockets) {
    connection = Connect(socket.path);
    if (connection.valid()) {
      answering = &socket;
      break;
    }
    failures += socket.path + ": " +
                (errno == ECONNREFUSED ? "the VM's varstored has ended" : base::ErrnoText()) + "; ";
  }
  if (answering == nullptr) {
    return base::Fail(
        failures.empty() ? folder + ": no socket of a running VM '" + vm +
                               "' there: it does not run on this host, or its varstored was told "
                               "to make none (live=) or is of an older version"
                         : failures + "of a VM that is off the variables are shown without --live");
  }
  auto bytes = ReadAll(connection.get(), answering->path, stop_fd);
  if (!bytes) {
    return bytes.failure();
  }
  connection.Reset();
  if (auto dropped = DropRights(rights, log); !dropped) {
    return dropped.failure();
  }
  return LiveAnswer{answering->name, answering->path, *std::move(bytes)};
}

base::Result<std::optional<efi::Guid>> UuidOfListening(const std::string& folder,
                                                       const std::string& number) {
  const auto sockets = FindSockets(folder, number);
  if (!sockets) {
    return sockets.failure();
  }
  for (const Socket& socket : *sockets) {
    if (socket.name.uuid && Connect(socket.path).valid()) {
      return socket.name.uuid;
    }
  }
  return std::optional<efi::Guid>();
}

base::Result<live::Snapshot> ReadLive(const LiveAnswer& answer) {
  auto snapshot = live::DecodeSnapshot(answer.bytes);
  return snapshot ? std::move(snapshot) : base::Fail(answer.path + ": " + snapshot.error().message);
}

}  // namespace varstored::tool
