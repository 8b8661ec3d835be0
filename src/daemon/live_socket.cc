#include "live_socket.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <new>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "varstored/base/file.h"
#include "varstored/base/unix_address.h"

namespace varstored::daemon {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMaxWaitingClients = 64;
/// What the temporary names of sockets end in.
constexpr std::string_view kNew = ".new";

base::Failure<base::Error> FailWithErrno(const std::string& path, const char* what) {
  return base::Fail(path + ": " + what + ": " + base::ErrnoText());
}

base::UniqueFd Socket(int type) {
  return base::UniqueFd(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/// The rights of a socket are those of its folder first of all. The result is the folder, open.
base::Result<base::UniqueFd> MakeFolder(const std::string& folder) {
  const std::string parent = std::filesystem::path(folder).parent_path();
  if (::mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST) {
    return FailWithErrno(parent, "cannot make the folder");
  }
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return FailWithErrno(folder, "cannot make the folder");
  }
  base::UniqueFd opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status = {};
  if (!opened.valid() || ::fstat(opened.get(), &status) != 0) {
    return FailWithErrno(folder, "cannot open the folder");
  }
  if (status.st_uid != ::geteuid() || (status.st_mode & 0077) != 0) {
    return base::Fail(folder + ": not a folder of root's that nobody else can enter (mode 0700)");
  }
  return opened;
}

/// False when somebody keeps the lock: one who was stopped must not hold up a start.
bool Lock(int folder) {
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (::flock(folder, LOCK_EX | LOCK_NB) == 0) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

bool IsNameOfOurs(std::string_view name) {
  if (name.ends_with(kNew)) {
    name.remove_suffix(kNew.size());
  }
  return live::ParseSocketName(name).has_value();
}

/// A process that is locked in cannot remove its socket when it ends, so the next one does that. A
/// socket of another type is refused in one way while somebody has it, and in another when nobody
/// has it any more; nobody is disturbed by that. To be called with the lock: between the question
/// and the removal another daemon could give that name to its own.
void RemoveDeadSockets(const std::string& folder) {
  const base::UniqueFd probe = Socket(SOCK_DGRAM);
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string path = entry->path();
    const auto address = base::UnixAddress(path);
    struct stat status = {};
    if (address && IsNameOfOurs(entry->path().filename().native()) &&
        ::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode) &&
        ::connect(probe.get(), base::General(*address), sizeof *address) != 0 &&
        errno == ECONNREFUSED) {
      ::unlink(path.c_str());
    }
  }
}

/// Whether the other end is a process of `owner`'s.
bool IsFrom(int client, uid_t owner) {
  ucred peer = {};
  socklen_t size = sizeof peer;
  return ::getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == owner;
}

}  // namespace

base::Result<LiveSocket> LiveSocket::Open(std::string folder, const live::SocketName& name,
                                          std::chrono::milliseconds client_budget,
                                          std::chrono::milliseconds rest) {
  // Of "folder/" the parent would be the folder itself, and a link would be followed.
  while (folder.size() > 1 && folder.ends_with('/')) {
    folder.pop_back();
  }
  const auto locked = MakeFolder(folder);
  if (!locked) {
    return locked.failure();
  }
  if (Lock(locked->get())) {
    RemoveDeadSockets(folder);
  }
  const std::string path = folder + "/" + live::ToText(name);
  if (const auto address = base::UnixAddress(path); !address) {
    return address.failure();
  }
  // It gets its name when it is whole.
  const std::string new_path = folder + "/" + std::to_string(::getpid()) + std::string(kNew);
  const auto address = base::UnixAddress(new_path);
  if (!address) {
    return address.failure();
  }
  LiveSocket made;
  made.owner_ = ::geteuid();
  made.client_budget_ = client_budget;
  made.rest_ = rest;
  made.listener_ = Socket(SOCK_STREAM);
  ::unlink(new_path.c_str());
  if (!made.listener_.valid() ||
      ::bind(made.listener_.get(), base::General(*address), sizeof *address) != 0 ||
      ::chmod(new_path.c_str(), 0600) != 0 ||
      ::listen(made.listener_.get(), kMaxWaitingClients) != 0 ||
      ::rename(new_path.c_str(), path.c_str()) != 0) {
    return FailWithErrno(path, "cannot make the socket");
  }
  return made;
}

bool LiveSocket::IsResting() const {
  // Asked at each request: where the clock needs a system call, it is not made for nothing.
  return rests_until_ != Clock::time_point() && Clock::now() < rests_until_;
}

pollfd LiveSocket::waits_for() const {
  return client_.valid() ? pollfd{client_.get(), POLLOUT, 0}
                         : pollfd{IsResting() ? -1 : listener_.get(), POLLIN, 0};
}

int LiveSocket::milliseconds() const {
  if (!client_.valid() && !IsResting()) {
    return -1;
  }
  const auto until = client_.valid() ? deadline_ : rests_until_;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
  return static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0));
}

void LiveSocket::HandleReady(const pollfd& waited, const MakeSnapshot& make_snapshot,
                             base::Log& log) noexcept {
  try {
    if (!client_.valid() && waited.revents != 0) {
      Accept(make_snapshot, log);
    }
  } catch (const std::bad_alloc&) {
    DropClient();
  }
  if (client_.valid()) {
    Send();
  }
}

void LiveSocket::Accept(const MakeSnapshot& make_snapshot, base::Log& log) {
  client_.Reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client_.valid()) {
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      // It would be ready again at once.
      rests_until_ = Clock::now() + rest_;
      log.Say(base::Event::kLiveSocketFailed,
              "nobody can look into the running VM until this is over: " + base::ErrnoText());
    }
    return;
  }
  rests_until_ = {};
  if (!IsFrom(client_.get(), owner_)) {
    return DropClient();
  }
  snapshot_ = make_snapshot();
  sent_ = 0;
  deadline_ = Clock::now() + client_budget_;
}

void LiveSocket::Send() {
  while (sent_ < snapshot_.size()) {
    const auto rest = base::ByteSpan(snapshot_).subspan(sent_);
    const ssize_t count = ::send(client_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0 && errno == EAGAIN && Clock::now() < deadline_) {
      return;
    }
    if (count < 0) {
      break;
    }
    sent_ += static_cast<std::size_t>(count);
  }
  DropClient();
}

void LiveSocket::DropClient() {
  client_.Reset();
  // Not `= {}`, which keeps the memory.
  base::Bytes().swap(snapshot_);
  // There may be hundreds of daemons, and the next client comes in days.
  ::malloc_trim(0);
}

}  // namespace varstored::daemon
