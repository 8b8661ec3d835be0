#include "http.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "varstored/base/unique_fd.h"
#include "varstored/version.h"

namespace varstored::backend {
namespace {

using namespace std::chrono_literals;
using Kind = HttpError::Kind;

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), std::begin(address.sun_path));
  return address;
}

base::UniqueFd Listen(const std::string& path, int backlog) {
  base::UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(path);
  const void* untyped = &address;
  EXPECT_EQ(::bind(listener.get(), static_cast<const sockaddr*>(untyped), sizeof(address)), 0);
  EXPECT_EQ(::listen(listener.get(), backlog), 0);
  return listener;
}

struct Play {
  std::vector<std::string> pieces;
  bool reads_request = true;
  bool stays_open = false;  // until the other side goes away
};

/// Takes one connection and writes what it is told to.
class Server {
 public:
  explicit Server(Play play)
      : play_(std::move(play)), listener_(Listen(path(), 1)), thread_([this] { Run(); }) {}
  ~Server() {
    // A connection for a thread that never got one.
    base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_un address = AddressOf(path());
    const void* untyped = &address;
    static_cast<void>(
        ::connect(socket.get(), static_cast<const sockaddr*>(untyped), sizeof(address)));
    socket.Reset();
    thread_.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::string path() const { return folder_.File("socket"); }
  /// Once the answer has come.
  [[nodiscard]] const std::string& request() const { return request_; }

 private:
  void Run() {
    base::UniqueFd socket(::accept(listener_.get(), nullptr, nullptr));
    while (play_.reads_request && !request_.ends_with("BODY")) {
      if (!Read(socket.get())) {
        return;
      }
    }
    for (const std::string& piece : play_.pieces) {
      if (::send(socket.get(), piece.data(), piece.size(), MSG_NOSIGNAL) < 0) {
        return;
      }
    }
    while (play_.stays_open && Read(socket.get())) {
    }
  }
  bool Read(int socket) {
    std::string bytes(65536, '\0');
    const ssize_t count = ::recv(socket, bytes.data(), bytes.size(), 0);
    request_.append(bytes, 0, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return count > 0;
  }

  test::TemporaryFolder folder_;
  const Play play_;
  base::UniqueFd listener_;
  std::string request_;
  std::thread thread_;
};

base::Result<std::string, HttpError> Call(const Server& server, std::string_view body = "BODY",
                                          Clock::duration time = 20s, int stop_fd = -1) {
  return Post(server.path(), body, Clock::now() + time, stop_fd);
}

std::vector<std::string> ByteByByte(const std::string& text) {
  std::vector<std::string> bytes;
  for (const char byte : text) {
    bytes.emplace_back(1, byte);
  }
  return bytes;
}

TEST(Post, TheRequestIsTheseBytes) {
  const Server server({.pieces = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}});
  ASSERT_TRUE(Call(server));
  EXPECT_EQ(server.request(),
            "POST / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: varstored/" + std::string(kVersion) +
                "\r\nAccept-Encoding: identity\r\nConnection: close\r\nContent-Type: text/xml\r\n"
                "Content-Length: 4\r\n\r\nBODY");
}

TEST(Post, AnswersOfEveryFormAreRead) {
  const std::string chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;x=y\r\nans\r\n1\r\nw\r\n2\r\ner\r\n0\r\nTrailer: x\r\n\r\n";
  struct Case {
    const char* name;
    std::string answer;
    bool stays_open;
  };
  const std::vector<Case> cases = {
      {"length", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer", true},
      {"lower case", "HTTP/1.1 200 OK\r\ncontent-length:6\r\n\r\nanswer", true},
      {"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nanswer", true},
      {"no reason", "HTTP/1.1 200 \r\nContent-Length: 6\r\n\r\nanswer", true},
      {"more than the length", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer more", true},
      {"no length", "HTTP/1.1 200 OK\r\n\r\nanswer", false},
      {"chunked", chunked, true},
      {"100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer",
       true},
      {"two interim answers",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
       "answer",
       false},
  };
  for (const Case& row : cases) {
    for (const bool in_bytes : {false, true}) {
      const Server server(
          {.pieces = in_bytes ? ByteByByte(row.answer) : std::vector<std::string>{row.answer},
           .stays_open = row.stays_open});
      const auto answer = Call(server);
      ASSERT_TRUE(answer) << row.name << ": " << answer.error().message;
      EXPECT_EQ(*answer, "answer") << row.name;
    }
  }
}

TEST(Post, AnswersThatAreCutAreNone) {
  const std::vector<std::string> answers = {
      "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nanswer\r\n0\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
  };
  for (const std::string& whole : answers) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Server server({.pieces = {whole.substr(0, size)}});
      const auto answer = Call(server);
      ASSERT_FALSE(answer) << size << " bytes of " << whole;
      EXPECT_EQ(answer.error().kind, Kind::kClosedEarly) << size << " bytes of " << whole;
    }
  }
}

TEST(Post, OtherAnswersAreNotUnderstood) {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  struct Case {
    std::string answer;
    const char* message;
  };
  const std::vector<Case> cases = {
      {"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "HTTP status 500"},
      {"HTTP/1.1 204 None\r\n\r\n", "HTTP status 204"},
      {"HTTP/1.1 302 There\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "HTTP status 302"},
      {"HTTP/1.1 101 Other\r\n\r\n", "HTTP status 101"},
      {"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", "HTTP status 999"},
      {"GET / HTTP/1.1\r\n\r\n", "the answer is not usable: bad version"},
      {"SSH-2.0-OpenSSH\r\n", "the answer is not usable: bad version"},
      {ok + "Content-Length: x\r\n\r\n", "the answer is not usable: bad Content-Length"},
      {ok + "Content-Length: -1\r\n\r\n", "the answer is not usable: bad Content-Length"},
      {ok + "Content-Length: 18446744073709551616\r\n\r\nx",
       "the answer is not usable: bad Content-Length"},
      {ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
       "the answer is not usable: bad Content-Length"},
      {ok + "Content-Length: 2097153\r\n\r\nx", "the answer is not usable: body limit exceeded"},
      {ok + "Content-Length: 4611686018427387904\r\n\r\nx",
       "the answer is not usable: body limit exceeded"},
      {ok + "Transfer-Encoding: chunked\r\n\r\n400000\r\nx",
       "the answer is not usable: body limit exceeded"},
      {ok + "Transfer-Encoding: chunked\r\n\r\nz\r\n", "the answer is not usable: bad chunk"},
      {ok + "X: " + std::string(17000, 'x') + "\r\n\r\n",
       "the answer is not usable: header limit exceeded"},
      {std::string(17000, 'x'), "the answer is not usable: bad version"},
  };
  for (const Case& row : cases) {
    const Server server({.pieces = {row.answer}, .stays_open = true});
    const auto answer = Call(server);
    ASSERT_FALSE(answer) << row.answer;
    EXPECT_EQ(answer.error().kind, Kind::kNotUnderstood) << row.answer;
    EXPECT_EQ(answer.error().message, row.message) << row.answer;
  }
}

TEST(Post, TheLargestBodyIsReadAndNothingLarger) {
  for (const std::size_t more : {0U, 1U}) {
    const Server server(
        {.pieces = {"HTTP/1.1 200 OK\r\n\r\n", std::string(kMaxAnswerBytes + more, 'x')}});
    const auto answer = Call(server);
    EXPECT_EQ(answer.ok(), more == 0);
  }
}

TEST(Post, AnAnswerCountsEvenWhenTheRequestIsNotRead) {
  const Server server(
      {.pieces = {"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n"}, .reads_request = false});
  const auto answer = Call(server, std::string(8 << 20, 'x'));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message, "HTTP status 413");
}

TEST(Post, ItEndsAtTheDeadlineWhateverTheOtherSideDoes) {
  const std::vector<Play> plays = {
      {.pieces = {}, .stays_open = true},
      {.pieces = {"HTTP/1.1 200 OK\r\n"}, .stays_open = true},
      {.pieces = {"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nans"}, .stays_open = true},
  };
  for (const Play& play : plays) {
    const Server server(play);
    const auto before = Clock::now();
    const auto answer = Call(server, "BODY", 50ms);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, Kind::kTimedOut);
    EXPECT_GE(Clock::now() - before, 50ms);
  }
}

TEST(Post, ARequestThatNobodyReadsEndsAtTheDeadline) {
  const test::TemporaryFolder folder;
  const base::UniqueFd listener = Listen(folder.File("socket"), 1);
  const auto answer =
      Post(folder.File("socket"), std::string(8 << 20, 'x'), Clock::now() + 50ms, -1);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, Kind::kTimedOut);
}

TEST(Post, TheStopDescriptorEndsIt) {
  const Server server({.pieces = {"HTTP/1.1 200 OK\r\n"}, .stays_open = true});
  const base::UniqueFd stop(::eventfd(1, EFD_CLOEXEC));
  const auto answer = Call(server, "BODY", 20s, stop.get());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, Kind::kStopped);
}

TEST(Post, WithoutAListenerNothingWasSent) {
  const test::TemporaryFolder folder;
  const std::string path = folder.File("socket");
  EXPECT_EQ(Post(path, "BODY", Clock::now() + 20s, -1).error().kind, Kind::kUnreachable);
  Listen(path, 1).Reset();
  EXPECT_EQ(Post(path, "BODY", Clock::now() + 20s, -1).error().kind, Kind::kUnreachable);
}

TEST(Post, AFullBacklogIsNoReasonToWait) {
  const test::TemporaryFolder folder;
  const std::string path = folder.File("socket");
  const base::UniqueFd listener = Listen(path, 0);
  const sockaddr_un address = AddressOf(path);
  const void* untyped = &address;
  const base::UniqueFd first(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(first.get(), static_cast<const sockaddr*>(untyped), sizeof(address)), 0);
  EXPECT_EQ(Post(path, "BODY", Clock::now() + 20s, -1).error().kind, Kind::kUnreachable);
}

TEST(Post, APathThatFitsIntoNoAddressIsRefused) {
  const auto answer = Post("/" + std::string(107, 'x'), "BODY", Clock::now() + 20s, -1);
  EXPECT_EQ(answer.error().kind, Kind::kNotUnderstood);
}

TEST(PauseUntil, TheStopDescriptorEndsIt) {
  const base::UniqueFd stop(::eventfd(1, EFD_CLOEXEC));
  EXPECT_FALSE(PauseUntil(Clock::now() + 20s, stop.get()));
  EXPECT_TRUE(IsToldToStop(stop.get()));
  EXPECT_TRUE(PauseUntil(Clock::now() + 1ms, -1));
  EXPECT_FALSE(IsToldToStop(-1));
}

}  // namespace
}  // namespace varstored::backend
