// The messages are taken apart by Boost.Beast, but the waiting is ours: a call has to end at a
// deadline however slowly bytes come in, and when the process is told to stop, and it must need
// neither a thread nor a signal handler for that (docs/dependencies.md).

#include "http.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "varstored/base/file.h"
#include "varstored/base/unique_fd.h"
#include "varstored/version.h"

namespace varstored::backend {
namespace {

namespace http = boost::beast::http;

constexpr std::uint32_t kMaxHeaderBytes = 16 * 1024;

base::Failure<HttpError> Refuse(HttpError::Kind kind, std::string message) {
  return {HttpError{kind, std::move(message)}};
}

enum class Waited { kReady, kTimedOut, kStopped };

/// What is heard while a call waits.
struct Heard {
  int stop_fd = -1;
  Meanwhile* meanwhile = nullptr;
};

/// Waits for `events` on `fd` (-1: for nothing but the deadline).
Waited WaitFor(int fd, short events, Clock::time_point deadline, const Heard& heard) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      return Waited::kTimedOut;
    }
    constexpr long long kLongestWait = 60000;
    auto milliseconds = static_cast<int>(std::min<long long>(left, kLongestWait));
    std::array<pollfd, 3> waited = {{{fd, events, 0}, {heard.stop_fd, POLLIN, 0}, {-1, 0, 0}}};
    if (heard.meanwhile != nullptr) {
      waited[2] = heard.meanwhile->waits_for();
      const int until = heard.meanwhile->milliseconds();
      milliseconds = until >= 0 ? std::min(milliseconds, until) : milliseconds;
    }
    // No more than there have to be: poll has a limit for them, which is that of open files.
    const nfds_t count = waited.size() - (heard.meanwhile == nullptr ? 1 : 0);
    if (::poll(waited.data(), count, milliseconds) < 0) {
      continue;
    }
    if (waited[1].revents != 0) {
      return Waited::kStopped;
    }
    if (heard.meanwhile != nullptr) {
      heard.meanwhile->HandleReady(waited[2]);
    }
    if (waited[0].revents != 0) {
      return Waited::kReady;
    }
  }
}

std::optional<HttpError> WaitError(Waited waited) {
  switch (waited) {
    case Waited::kReady:
      return std::nullopt;
    case Waited::kTimedOut:
      return HttpError{HttpError::Kind::kTimedOut, "no answer in time"};
    case Waited::kStopped:
      return HttpError{HttpError::Kind::kStopped, "abandoned, because the daemon is told to stop"};
  }
  return std::nullopt;
}

base::Result<base::UniqueFd, HttpError> Connect(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Refuse(HttpError::Kind::kNotUnderstood, path + ": the path is too long for a socket");
  }
  std::copy(path.begin(), path.end(), std::begin(address.sun_path));
  base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // sockaddr is the C way to take addresses of every family.
  const void* untyped = &address;
  if (!socket.valid() ||
      ::connect(socket.get(), static_cast<const sockaddr*>(untyped), sizeof(address)) != 0) {
    return Refuse(HttpError::Kind::kUnreachable, path + ": cannot connect: " + base::ErrnoText());
  }
  return socket;
}

/// What the daemon and every tool call themselves: xapi limits the rate of its callers by it.
std::string RequestText(std::string_view body) {
  return "POST / HTTP/1.1\r\n"
         "Host: localhost\r\n"
         "User-Agent: varstored/" +
         std::string(kVersion) +
         "\r\n"
         "Accept-Encoding: identity\r\n"
         "Connection: close\r\n"
         "Content-Type: text/xml\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

std::optional<HttpError> Send(int socket, std::string_view text, Clock::time_point deadline,
                              const Heard& heard) {
  while (!text.empty()) {
    const ssize_t count = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      if (auto error = WaitError(WaitFor(socket, POLLOUT, deadline, heard))) {
        return error;
      }
    } else if (errno == EPIPE || errno == ECONNRESET) {
      // It wants no more of the request; it may have answered all the same.
      return std::nullopt;
    } else if (errno != EINTR) {
      return HttpError{HttpError::Kind::kClosedEarly, "cannot send: " + base::ErrnoText()};
    }
  }
  return std::nullopt;
}

/// Takes an answer in pieces.
class AnswerParser {
 public:
  AnswerParser() { Begin(); }

  [[nodiscard]] bool is_done() const { return parser_->is_done(); }

  /// False when the bytes are no HTTP answer, or more than is allowed.
  [[nodiscard]] bool Put(std::string_view bytes) {
    pending_.append(bytes);
    while (!pending_.empty() && !parser_->is_done()) {
      boost::system::error_code error;
      const std::size_t used = parser_->put(boost::asio::buffer(pending_), error);
      pending_.erase(0, used);
      if (error == http::error::need_more) {
        return true;
      }
      if (error) {
        message_ = error.message();
        return false;
      }
      // RFC 9110, 15.2: any number of interim answers may come before the one that counts.
      if (parser_->is_done() && IsInterim()) {
        Begin();
      }
    }
    return true;
  }

  /// False when the answer was not complete.
  [[nodiscard]] bool PutEnd() {
    boost::system::error_code error;
    if (parser_->got_some()) {
      parser_->put_eof(error);
    }
    return !error && parser_->is_done();
  }

  [[nodiscard]] const std::string& message() const { return message_; }

  [[nodiscard]] base::Result<std::string, HttpError> TakeBody() {
    if (parser_->get().result() != http::status::ok) {
      return Refuse(HttpError::Kind::kNotUnderstood,
                    "HTTP status " + std::to_string(parser_->get().result_int()));
    }
    return std::move(parser_->get().body());
  }

 private:
  void Begin() {
    parser_.emplace();
    parser_->header_limit(kMaxHeaderBytes);
    parser_->body_limit(kMaxAnswerBytes);
    // An eager parser of Boost 1.74 goes on into a body that it has just found to be too large.
    parser_->eager(false);
  }

  [[nodiscard]] bool IsInterim() {
    const auto& answer = parser_->get();
    return http::to_status_class(answer.result_int()) == http::status_class::informational &&
           answer.result() != http::status::switching_protocols;
  }

  std::optional<http::response_parser<http::string_body>> parser_;
  std::string pending_;
  std::string message_;
};

base::Result<std::string, HttpError> Receive(int socket, Clock::time_point deadline,
                                             const Heard& heard) {
  AnswerParser parser;
  std::array<char, 16384> chunk{};
  while (!parser.is_done()) {
    if (auto error = WaitError(WaitFor(socket, POLLIN, deadline, heard))) {
      return base::Failure<HttpError>{*std::move(error)};
    }
    const ssize_t count = ::recv(socket, chunk.data(), chunk.size(), 0);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) {
      continue;
    }
    if (count <= 0) {
      if (count == 0 && parser.PutEnd()) {
        break;
      }
      return Refuse(HttpError::Kind::kClosedEarly, "the connection was closed before the answer");
    }
    if (!parser.Put({chunk.data(), static_cast<std::size_t>(count)})) {
      return Refuse(HttpError::Kind::kNotUnderstood,
                    "the answer is not usable: " + parser.message());
    }
  }
  return parser.TakeBody();
}

}  // namespace

base::Result<std::string, HttpError> Post(const std::string& path, std::string_view body,
                                          Clock::time_point deadline, int stop_fd,
                                          Meanwhile* meanwhile) {
  const Heard heard = {stop_fd, meanwhile};
  const auto socket = Connect(path);
  if (!socket) {
    return socket.failure();
  }
  if (auto error = Send(socket->get(), RequestText(body), deadline, heard)) {
    return base::Failure<HttpError>{*std::move(error)};
  }
  return Receive(socket->get(), deadline, heard);
}

bool PauseUntil(Clock::time_point deadline, int stop_fd, Meanwhile* meanwhile) {
  return WaitFor(-1, 0, deadline, {stop_fd, meanwhile}) != Waited::kStopped;
}

bool IsToldToStop(int stop_fd) {
  pollfd waited = {stop_fd, POLLIN, 0};
  return ::poll(&waited, 1, 0) > 0;
}

}  // namespace varstored::backend
