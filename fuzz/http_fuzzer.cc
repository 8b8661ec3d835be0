// An answer on the toolstack's socket, as bytes. Input: u8 how long the pieces are in which it
// arrives (0: all at once), then the bytes.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <semaphore>
#include <thread>

#include "http.h"
#include "support.h"
#include "support/temporary_folder.h"
#include "varstored/base/unique_fd.h"

namespace varstored::fuzz {
namespace {

using namespace std::chrono_literals;

/// The other side of the socket: a thread that gives every caller the same answer, and then hangs
/// up.
class Server {
 public:
  Server() : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::copy(path_.begin(), path_.end(), std::begin(address.sun_path));
    const void* untyped = &address;
    Require(::bind(listener_.get(), static_cast<const sockaddr*>(untyped), sizeof address) == 0 &&
                ::listen(listener_.get(), 8) == 0,
            "a socket can be made");
    std::thread([this] { Run(); }).detach();
  }

  [[nodiscard]] const std::string& path() const { return path_; }

  void Serve(base::ByteSpan answer, std::size_t piece_bytes) {
    answer_ = answer;
    piece_bytes_ = piece_bytes;
    begin_.release();
  }
  /// Returns when the answer is not used any more.
  void WaitUntilServed() { end_.acquire(); }

 private:
  void Run() {
    for (;;) {
      begin_.acquire();
      base::UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      base::ByteSpan rest = answer_;
      while (!rest.empty()) {
        const auto piece = rest.first(std::min(rest.size(), piece_bytes_));
        const ssize_t sent = ::send(socket.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
          break;
        }
        rest = rest.subspan(static_cast<std::size_t>(sent));
      }
      ::shutdown(socket.get(), SHUT_WR);
      // What was sent but not read would be thrown away with the connection; so is the request.
      std::array<char, 256> request{};
      while (::recv(socket.get(), request.data(), request.size(), 0) > 0) {
      }
      end_.release();
    }
  }

  test::TemporaryFolder folder_{test::FastParent()};
  std::string path_ = folder_.File("socket");
  base::UniqueFd listener_;
  base::ByteSpan answer_;
  std::size_t piece_bytes_ = 0;
  std::binary_semaphore begin_{0};
  std::binary_semaphore end_{0};
};

}  // namespace
}  // namespace varstored::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  using namespace std::chrono_literals;
  static fuzz::Server server;
  fuzz::Input input({data, size});
  const std::size_t piece_bytes = input.U8();
  server.Serve(input.Rest(), piece_bytes != 0 ? piece_bytes : size);
  const auto answer =
      backend::Post(server.path(), "BODY", backend::Clock::now() + 20s, /*stop_fd=*/-1);
  server.WaitUntilServed();
  if (!answer) {
    fuzz::Require(!answer.error().message.empty(), "every error has a text");
    fuzz::Require(answer.error().kind != backend::HttpError::Kind::kTimedOut,
                  "an answer that ends is not waited for");
  } else {
    fuzz::Require(answer->size() <= backend::kMaxAnswerBytes, "an answer has a limit");
  }
  return 0;
}
