#include "varstored/guest/loopback.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "varstored/base/bytes.h"
#include "varstored/base/file.h"
#include "varstored/base/held_file.h"
#include "varstored/base/reader.h"
#include "varstored/base/unix_address.h"
#include "varstored/base/writer.h"

namespace varstored::guest {
namespace {

/// The first field of a message.
enum Operation : std::uint32_t {
  kCommand = 0,
  kWritePort = 1,
  kReadPort = 2,
  kCommandWithoutPages = 3,
};

base::Failure<base::Error> FailWithErrno(const std::string& path, const char* what) {
  return base::Fail(path + ": " + what + ": " + base::ErrnoText());
}

/// The name may be taken: there is nothing, or a socket that a process left behind.
base::Result<void> CheckFree(const std::string& path) {
  const auto address = base::UnixAddress(path);
  if (!address) {
    return address.failure();
  }
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? base::Result<void>() : FailWithErrno(path, "cannot stat");
  }
  if (!S_ISSOCK(status.st_mode)) {
    return base::Fail(path + ": there already, and not a socket");
  }
  const base::UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) {
    return FailWithErrno(path, "cannot make a socket");
  }
  if (::connect(probe.get(), base::General(*address), sizeof *address) == 0 ||
      errno != ECONNREFUSED) {
    return base::Fail(path + ": another process listens there");
  }
  return {};
}

}  // namespace

LoopbackDoor::LoopbackDoor(std::string path, Platform platform)
    : path_(std::move(path)), platform_(std::move(platform)) {}

base::Result<Platform> LoopbackDoor::Prepare() {
  if (auto free = CheckFree(path_); !free) {
    return free.failure();
  }
  unannounced_path_ = path_ + "." + base::RandomDigits();
  const auto address = base::UnixAddress(unannounced_path_);
  if (!address) {
    return address.failure();
  }
  listener_.Reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_.valid()) {
    return FailWithErrno(path_, "cannot make a socket");
  }
  if (::bind(listener_.get(), base::General(*address), sizeof *address) != 0) {
    return FailWithErrno(unannounced_path_, "cannot bind");
  }
  if (::listen(listener_.get(), SOMAXCONN) != 0) {
    auto failure = FailWithErrno(unannounced_path_, "cannot listen");
    Withdraw();
    return failure;
  }
  return platform_;
}

base::Result<void> LoopbackDoor::Announce() {
  if (auto free = CheckFree(path_); !free) {
    Withdraw();
    return free.failure();
  }
  if (::rename(unannounced_path_.c_str(), path_.c_str()) != 0) {
    auto failure = FailWithErrno(path_, "cannot give the socket its name");
    Withdraw();
    return failure;
  }
  return {};
}

void LoopbackDoor::Withdraw() { ::unlink(unannounced_path_.c_str()); }

Door::Waits LoopbackDoor::waits_for() const {
  constexpr pollfd kNothing = {-1, 0, 0};
  if (!client_.valid()) {
    return {{{listener_.get(), POLLIN, 0}, kNothing}};
  }
  const bool sending = answer_end_ != 0;
  return {{{client_.get(), static_cast<short>(sending ? POLLOUT : POLLIN), 0}, kNothing}};
}

base::Result<Door::Guest> LoopbackDoor::HandleReady(const Waits& /*waited*/,
                                                    Dispatcher& dispatcher) {
  if (!client_.valid()) {
    if (auto accepted = Accept(); !accepted) {
      return accepted.failure();
    }
  } else if (answer_end_ != 0) {
    Send();
  } else {
    Receive(dispatcher);
  }
  return Guest::kThere;
}

void LoopbackDoor::Close() {
  Disconnect();
  listener_.Reset();
}

base::Result<void> LoopbackDoor::Accept() {
  client_.Reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client_.valid() && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
    return FailWithErrno(path_, "cannot accept a client");
  }
  return {};
}

void LoopbackDoor::Receive(Dispatcher& dispatcher) {
  if (!ReceiveUpTo(kHeaderBytes)) {
    return;
  }
  base::Reader header(bytes().first(kHeaderBytes));
  std::uint32_t operation = 0;
  if (!header.ReadU32(operation)) {
    return Disconnect();
  }
  if (operation == kCommand && !ReceiveUpTo(kHeaderBytes + kSharedBytes)) {
    return;
  }
  if (!CarryOut(dispatcher)) {
    return Disconnect();
  }
  Send();
}

/// Whether the first `end` bytes of the message are there. If not, the rest is on its way, or the
/// client is gone.
bool LoopbackDoor::ReceiveUpTo(std::size_t end) {
  while (received_ < end) {
    const auto missing = bytes().first(end).subspan(received_);
    const ssize_t count = ::recv(client_.get(), missing.data(), missing.size(), 0);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count == 0 || (count < 0 && errno != EAGAIN)) {
      Disconnect();
    }
    if (count <= 0) {
      return false;
    }
    received_ += static_cast<std::size_t>(count);
  }
  return true;
}

/// False for an operation that does not exist.
bool LoopbackDoor::CarryOut(Dispatcher& dispatcher) {
  base::Reader header(bytes().first(kHeaderBytes));
  std::uint32_t operation = 0;
  std::uint32_t port = 0;
  std::uint32_t size = 0;
  std::uint32_t value = 0;
  if (!header.ReadU32(operation) || !header.ReadU32(port) || !header.ReadU32(size) ||
      !header.ReadU32(value)) {
    return false;
  }
  switch (operation) {
    case kCommand: {
      MappedPages pages(bytes().subspan(kHeaderBytes).data());
      dispatcher.Serve(pages);
      Answer(0, kSharedBytes);
      return true;
    }
    case kWritePort:
      if (const auto page = dispatcher.WritePort(port, size, value)) {
        dispatcher.PagesNotMapped(*page);
      }
      Answer(0, 0);
      return true;
    case kReadPort:
      Answer(dispatcher.ReadPort(port, size), 0);
      return true;
    case kCommandWithoutPages:
      dispatcher.PagesNotMapped(value);
      Answer(1, 0);
      return true;
    default:
      return false;
  }
}

void LoopbackDoor::Answer(std::uint32_t status, std::size_t more_bytes) {
  sent_ = kHeaderBytes - kStatusBytes;
  answer_end_ = kHeaderBytes + more_bytes;
  base::Writer writer(kStatusBytes);
  writer.WriteU32(status);
  std::ranges::copy(writer.Take(), bytes().subspan(sent_).begin());
}

void LoopbackDoor::Send() {
  while (sent_ < answer_end_) {
    const auto rest = bytes().first(answer_end_).subspan(sent_);
    const ssize_t count = ::send(client_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0 && errno == EAGAIN) {
      return;
    }
    if (count < 0) {
      return Disconnect();
    }
    sent_ += static_cast<std::size_t>(count);
  }
  received_ = 0;
  answer_end_ = 0;
}

void LoopbackDoor::Disconnect() {
  client_.Reset();
  received_ = 0;
  sent_ = 0;
  answer_end_ = 0;
}

std::span<std::uint8_t> LoopbackDoor::bytes() {
  return {static_cast<std::uint8_t*>(static_cast<void*>(message_.data())), sizeof message_};
}

}  // namespace varstored::guest
