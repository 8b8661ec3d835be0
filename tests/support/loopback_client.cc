#include "support/loopback_client.h"

#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

namespace varstored::test {
namespace {

/// Appends little endian integers and bytes.
class Message {
 public:
  Message& Integer(std::uint64_t value, std::size_t size_bytes) {
    for (std::size_t i = 0; i < size_bytes; ++i) {
      bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
    return *this;
  }
  Message& Add(ByteSpan bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  /// Length in 8 bytes, and the bytes.
  Message& Counted(ByteSpan bytes) { return Integer(bytes.size(), 8).Add(bytes); }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

Message StartRequest(std::uint32_t command) { return Message().Integer(1, 4).Integer(command, 4); }

/// Reads what Message writes. An answer that is too short throws.
class Answer {
 public:
  explicit Answer(ByteSpan bytes) : bytes_(bytes) {}

  [[nodiscard]] std::uint64_t Integer(std::size_t size_bytes) {
    std::uint64_t value = 0;
    std::size_t shift = 0;
    for (const std::uint8_t byte : Take(size_bytes)) {
      value |= std::uint64_t{byte} << shift;
      shift += 8;
    }
    return value;
  }
  [[nodiscard]] ByteSpan Take(std::uint64_t size_bytes) {
    if (size_bytes > bytes_.size()) {
      throw std::runtime_error("the answer says that it is longer than the pages");
    }
    const ByteSpan taken = bytes_.first(static_cast<std::size_t>(size_bytes));
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }

 private:
  ByteSpan bytes_;
};

/// False when nobody listens at `path`.
bool Connect(const std::string& path, base::UniqueFd& connected) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw std::runtime_error("the path of the socket is too long: " + path);
  }
  std::copy(path.begin(), path.end(), std::begin(address.sun_path));
  connected.Reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto* general = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  return ::connect(connected.get(), general, sizeof address) == 0;
}

}  // namespace

std::string LoopbackProgram() { return VARSTORED_LOOPBACK_PROGRAM; }

std::vector<std::string> LoopbackCommand(const std::string& socket_path) {
  std::vector<std::string> command = {LoopbackProgram(), "--listen", socket_path};
#ifndef VARSTORED_INSTRUMENTED
  // A sanitizer could not look for leaks in a process that is locked in.
  command.emplace_back("--depriv");
#endif
  return command;
}

Process StartLoopback(const std::string& socket_path, std::vector<std::string> arguments) {
  const std::vector<std::string> command = LoopbackCommand(socket_path);
  arguments.insert(arguments.begin(), command.begin(), command.end());
  Process process(arguments);
  process.WaitFor(socket_path, [&] {
    base::UniqueFd connected;
    return Connect(socket_path, connected);
  });
  return process;
}

LoopbackClient::LoopbackClient(const std::string& socket_path) {
  if (!Connect(socket_path, socket_)) {
    throw std::system_error(errno, std::generic_category(), socket_path);
  }
  if (const char* folder = std::getenv("VARSTORED_RECORDINGS"); folder != nullptr) {
    const auto time = std::chrono::steady_clock::now().time_since_epoch().count();
    recording_.emplace(std::string(folder) + "/" + std::to_string(time), std::ios::binary);
  }
}

LoopbackClient::GetReply LoopbackClient::GetVariable(const std::u16string& name, const Guid& guid,
                                                     std::uint64_t data_size, bool at_runtime) {
  const Bytes pages = Command(GetVariableRequest(NameBytes(name), guid, data_size, at_runtime));
  Answer answer(pages);
  GetReply reply;
  reply.status = answer.Integer(8);
  if (reply.status == kEfiSuccess) {
    reply.attributes = static_cast<std::uint32_t>(answer.Integer(4));
    const std::uint64_t size = answer.Integer(8);
    reply.data = base::ToBytes(answer.Take(size));
  } else if (reply.status == kEfiBufferTooSmall) {
    reply.needed_size = answer.Integer(8);
    reply.attributes = static_cast<std::uint32_t>(answer.Integer(4));
  }
  return reply;
}

std::uint64_t LoopbackClient::SetVariable(const std::u16string& name, const Guid& guid,
                                          std::uint32_t attributes, ByteSpan data,
                                          bool at_runtime) {
  return Answer(Command(SetVariableRequest(NameBytes(name), guid, attributes, data, at_runtime)))
      .Integer(8);
}

LoopbackClient::NextReply LoopbackClient::GetNextVariableName(const std::u16string& name,
                                                              const Guid& guid,
                                                              std::uint64_t name_size,
                                                              bool at_runtime) {
  const Bytes pages =
      Command(GetNextVariableNameRequest(NameBytes(name), guid, name_size, at_runtime));
  Answer answer(pages);
  NextReply reply;
  reply.status = answer.Integer(8);
  if (reply.status == kEfiSuccess) {
    const ByteSpan name_bytes = answer.Take(answer.Integer(8));
    if (name_bytes.size() % 2 != 0) {
      throw std::runtime_error("a name of odd length");
    }
    for (Answer rest(name_bytes); reply.name.size() < name_bytes.size() / 2;) {
      reply.name.push_back(static_cast<char16_t>(rest.Integer(2)));
    }
    std::ranges::copy(answer.Take(reply.guid.size()), reply.guid.begin());
  } else if (reply.status == kEfiBufferTooSmall) {
    reply.needed_size = answer.Integer(8);
  }
  return reply;
}

std::vector<std::pair<std::u16string, Guid>> LoopbackClient::Walk(bool at_runtime) {
  std::vector<std::pair<std::u16string, Guid>> names;
  NextReply next = GetNextVariableName({}, {}, 4098, at_runtime);
  while (next.status == kEfiSuccess) {
    names.emplace_back(next.name, next.guid);
    next = GetNextVariableName(next.name, next.guid, 4098, at_runtime);
  }
  if (next.status != kEfiNotFound) {
    throw std::runtime_error("the walk broke after " + std::to_string(names.size()) + " names");
  }
  return names;
}

LoopbackClient::InfoReply LoopbackClient::QueryVariableInfo(std::uint32_t attributes) {
  const Bytes pages = Command(QueryVariableInfoRequest(attributes));
  Answer answer(pages);
  InfoReply reply;
  reply.status = answer.Integer(8);
  if (reply.status == kEfiSuccess) {
    reply.maximum_storage = answer.Integer(8);
    reply.remaining_storage = answer.Integer(8);
    reply.maximum_variable = answer.Integer(8);
  }
  return reply;
}

std::uint64_t LoopbackClient::NotifySecureBootFailure() {
  return Answer(Command(NotifySecureBootFailureRequest())).Integer(8);
}

Bytes LoopbackClient::Command(ByteSpan request, std::uint8_t fill) {
  Bytes pages(kPagesBytes, fill);
  std::ranges::copy(request.first(std::min(request.size(), kPagesBytes)), pages.begin());
  Message message;
  message.Add(Bytes(16)).Add(pages);
  Bytes reply = Exchange(message.bytes(), 4 + kPagesBytes);
  if (Answer(reply).Integer(4) != 0) {
    throw std::runtime_error("the door did not take the pages");
  }
  reply.erase(reply.begin(), reply.begin() + 4);
  return reply;
}

std::uint32_t LoopbackClient::CommandWithoutPages() {
  const Bytes reply = Exchange(Message().Integer(3, 4).Add(Bytes(12)).bytes(), 4);
  return static_cast<std::uint32_t>(Answer(reply).Integer(4));
}

void LoopbackClient::WritePort(std::uint32_t port, std::uint32_t size, std::uint32_t value) {
  Message message;
  message.Integer(1, 4).Integer(port, 4).Integer(size, 4).Integer(value, 4);
  if (Answer(Exchange(message.bytes(), 4)).Integer(4) != 0) {
    throw std::runtime_error("a write to a port was answered with another word than 0");
  }
}

std::uint32_t LoopbackClient::ReadPort(std::uint32_t port, std::uint32_t size) {
  Message message;
  message.Integer(2, 4).Integer(port, 4).Integer(size, 4).Integer(0, 4);
  return static_cast<std::uint32_t>(Answer(Exchange(message.bytes(), 4)).Integer(4));
}

void LoopbackClient::SendRaw(ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) {
      throw std::system_error(errno, std::generic_category(), "send");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void LoopbackClient::WaitUntilRead() const {
  // The kernel tells how much is unread, but gives no event when that changes.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  int unread = 0;
  while (::ioctl(socket_.get(), SIOCOUTQ, &unread) == 0 && unread != 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("the daemon does not read");
    }
    ::sched_yield();
  }
}

std::optional<Bytes> LoopbackClient::ReceiveRaw(std::size_t size) {
  Bytes bytes(size);
  const ssize_t count = size == 0 ? 0 : ::recv(socket_.get(), bytes.data(), size, MSG_WAITALL);
  if (count < 0 && errno != ECONNRESET) {
    throw std::system_error(errno, std::generic_category(), "recv");
  }
  return count == static_cast<ssize_t>(size) ? std::optional(std::move(bytes)) : std::nullopt;
}

void LoopbackClient::CloseSendingSide() { ::shutdown(socket_.get(), SHUT_WR); }

Bytes LoopbackClient::Exchange(ByteSpan message, std::size_t reply_bytes) {
  if (recording_) {
    recording_->write(base::ToString(message).data(), static_cast<std::streamsize>(message.size()));
  }
  SendRaw(message);
  auto reply = ReceiveRaw(reply_bytes);
  if (!reply) {
    throw std::runtime_error("the connection ended before the answer");
  }
  return *std::move(reply);
}

Bytes GetVariableRequest(ByteSpan name, const Guid& guid, std::uint64_t data_size,
                         bool at_runtime) {
  return StartRequest(0)
      .Counted(name)
      .Add(guid)
      .Integer(data_size, 8)
      .Integer(at_runtime ? 1 : 0, 1)
      .bytes();
}

Bytes SetVariableRequest(ByteSpan name, const Guid& guid, std::uint32_t attributes, ByteSpan data,
                         bool at_runtime) {
  return StartRequest(1)
      .Counted(name)
      .Add(guid)
      .Counted(data)
      .Integer(attributes, 4)
      .Integer(at_runtime ? 1 : 0, 1)
      .bytes();
}

Bytes GetNextVariableNameRequest(ByteSpan name, const Guid& guid, std::uint64_t name_size,
                                 bool at_runtime) {
  return StartRequest(2)
      .Integer(name_size, 8)
      .Counted(name)
      .Add(guid)
      .Integer(at_runtime ? 1 : 0, 1)
      .bytes();
}

Bytes QueryVariableInfoRequest(std::uint32_t attributes) {
  return StartRequest(3).Integer(attributes, 4).bytes();
}

Bytes NotifySecureBootFailureRequest() { return StartRequest(4).bytes(); }

Bytes NameBytes(const std::u16string& name) {
  Message message;
  for (const char16_t unit : name) {
    message.Integer(unit, 2);
  }
  return message.bytes();
}

}  // namespace varstored::test
