#include "live_socket.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "varstored/base/file.h"
#include "varstored/base/unix_address.h"

namespace varstored::daemon {
namespace {

class Lines final : public base::Log {
 public:
  void Put(base::LogLevel /*level*/, std::string_view /*name*/, std::string_view line) override {
    lines.emplace_back(line);
  }
  std::vector<std::string> lines;
};

class LiveSocketTest : public ::testing::Test {
 protected:
  static base::UniqueFd Connect(const std::string& path) {
    base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // A client that is forgotten is a failure, and not a test that never ends.
    const timeval most = {.tv_sec = 10, .tv_usec = 0};
    EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most), 0);
    const auto address = base::UnixAddress(path);
    if (::connect(socket.get(), base::General(*address), sizeof *address) != 0) {
      socket.Reset();
    }
    return socket;
  }
  [[nodiscard]] base::UniqueFd Connect() const { return Connect(path_); }

  static base::Bytes ReadAll(int socket) {
    base::Bytes all;
    std::array<std::uint8_t, 65536> part{};
    for (ssize_t count = 0; (count = ::read(socket, part.data(), part.size())) > 0;) {
      all.insert(all.end(), part.begin(), part.begin() + count);
    }
    return all;
  }

  void Open(std::chrono::milliseconds budget = std::chrono::seconds(5),
            std::chrono::milliseconds rest = std::chrono::seconds(5)) {
    auto opened = LiveSocket::Open(live_folder_, {.domain = 5, .uuid = std::nullopt}, budget, rest);
    ASSERT_TRUE(opened) << opened.error().message;
    socket_ = *std::move(opened);
  }

  /// As the daemon does when there is something to do, or for that once.
  void Turn() {
    pollfd waited = socket_.waits_for();
    ::poll(&waited, 1, 0);
    socket_.HandleReady(
        waited,
        [this] {
          ++made_;
          if (is_out_of_memory_) {
            throw std::bad_alloc();
          }
          return snapshot_;
        },
        log_);
  }
  [[nodiscard]] bool HasClient() const { return socket_.milliseconds() >= 0; }

  /// As Turn, when a client waits and the kernel has no descriptor for it.
  void TurnWithoutDescriptors() {
    rlimit old = {};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
    const rlimit none = {.rlim_cur = 0, .rlim_max = old.rlim_max};
    const pollfd waited = {socket_.waits_for().fd, POLLIN, POLLIN};
    // UBSan needs a descriptor to look at a type for the first time.
    base::Log& log = log_;
    log.Say(base::Event::kLiveSocketFailed, base::ErrnoText());
    log_.lines.clear();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    socket_.HandleReady(
        waited, [] { return base::Bytes(); }, log_);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  }

  static std::size_t BytesInUse() {
    const auto numbers = ::mallinfo2();
    return numbers.uordblks + numbers.hblkhd;
  }

  static void MakeDeadSocket(const std::string& path) {
    const base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = base::UnixAddress(path);
    ASSERT_EQ(::bind(socket.get(), base::General(*address), sizeof *address), 0);
  }

  /// More than the kernel takes.
  const base::Bytes large_ = base::Bytes(std::size_t{4} << 20, 7);

  test::TemporaryFolder folder_;
  std::string live_folder_ = folder_.File("run/live");
  std::string path_ = live_folder_ + "/5";
  LiveSocket socket_;
  Lines log_;
  base::Bytes snapshot_ = {1, 2, 3};
  bool is_out_of_memory_ = false;
  int made_ = 0;
};

TEST_F(LiveSocketTest, AClientGetsASnapshotAndTheEnd) {
  Open();
  const auto client = Connect();

  Turn();

  EXPECT_EQ(ReadAll(client.get()), snapshot_);
  EXPECT_FALSE(HasClient());
}

TEST_F(LiveSocketTest, NothingIsMadeWhenNobodyAsks) {
  Open();
  Turn();
  EXPECT_EQ(made_, 0);
}

TEST_F(LiveSocketTest, WhatAClientSendsIsNotRead) {
  Open();
  const auto client = Connect();
  const std::string much(100000, 'x');
  ASSERT_EQ(::send(client.get(), much.data(), much.size(), 0), 100000);
  Turn();
  EXPECT_FALSE(HasClient());
  std::array<std::uint8_t, 3> got{};
  EXPECT_EQ(::recv(client.get(), got.data(), got.size(), 0), 3);
  EXPECT_EQ(::recv(client.get(), got.data(), got.size(), 0), -1);
  EXPECT_EQ(errno, ECONNRESET) << "as when a socket is closed with bytes that nobody has read";
}

TEST_F(LiveSocketTest, NothingOfASnapshotIsKept) {
  Open();
  snapshot_ = base::Bytes(100000, 7);
  const std::size_t before = BytesInUse();
  for (int i = 0; i < 2; ++i) {
    const auto client = Connect();
    Turn();
    EXPECT_EQ(made_, i + 1);
    EXPECT_LT(BytesInUse(), before + 50000);
  }
}

TEST_F(LiveSocketTest, EachTurnServesOne) {
  Open();
  const auto first = Connect();
  const auto second = Connect();
  Turn();
  EXPECT_EQ(made_, 1);
  Turn();
  EXPECT_EQ(made_, 2);
  EXPECT_EQ(ReadAll(first.get()), snapshot_);
  EXPECT_EQ(ReadAll(second.get()), snapshot_);
}

TEST_F(LiveSocketTest, ALargeSnapshotIsReadInPartsAndOthersWait) {
  Open();
  snapshot_ = large_;
  const auto client = Connect();
  const auto second = Connect();
  ASSERT_EQ(::fcntl(client.get(), F_SETFL, O_NONBLOCK), 0);
  Turn();
  ASSERT_TRUE(HasClient());
  EXPECT_GT(socket_.milliseconds(), 0);
  EXPECT_LE(socket_.milliseconds(), 5000);

  base::Bytes all;
  while (HasClient()) {
    const auto part = ReadAll(client.get());
    all.insert(all.end(), part.begin(), part.end());
    Turn();
  }
  const auto rest = ReadAll(client.get());
  all.insert(all.end(), rest.begin(), rest.end());

  EXPECT_EQ(all, large_);
  EXPECT_EQ(made_, 1);
}

TEST_F(LiveSocketTest, AClientThatDoesNotReadIsDroppedAtItsDeadline) {
  Open(std::chrono::milliseconds(0));
  snapshot_ = large_;
  const auto client = Connect();

  Turn();

  EXPECT_FALSE(HasClient());
  EXPECT_LT(ReadAll(client.get()).size(), large_.size());
  snapshot_ = {1};
  const auto next = Connect();
  Turn();
  EXPECT_EQ(ReadAll(next.get()), snapshot_);
}

TEST_F(LiveSocketTest, AClientThatIsGoneIsForgotten) {
  Open();
  snapshot_ = large_;
  auto client = Connect();
  Turn();
  ASSERT_TRUE(HasClient());
  client.Reset();
  Turn();
  EXPECT_FALSE(HasClient());
}

TEST_F(LiveSocketTest, WantOfMemoryIsTheEndOfTheConnection) {
  Open();
  is_out_of_memory_ = true;
  const auto client = Connect();
  Turn();
  EXPECT_FALSE(HasClient());
  EXPECT_TRUE(ReadAll(client.get()).empty());

  is_out_of_memory_ = false;
  const auto next = Connect();
  Turn();
  EXPECT_EQ(ReadAll(next.get()), snapshot_);
}

TEST_F(LiveSocketTest, WhenNobodyCanBeAcceptedItRests) {
  Open(std::chrono::seconds(5), std::chrono::hours(1));
  const auto client = Connect();
  TurnWithoutDescriptors();

  EXPECT_TRUE(socket_.is_open());
  EXPECT_LT(socket_.waits_for().fd, 0) << "poll ignores it";
  EXPECT_GT(socket_.milliseconds(), 3500000);
  EXPECT_LE(socket_.milliseconds(), 3600000);
  Turn();
  EXPECT_EQ(made_, 0);
}

TEST_F(LiveSocketTest, WhoCouldNotBeAcceptedIsServedAfterTheRest) {
  Open(std::chrono::seconds(5), std::chrono::milliseconds(0));
  const auto client = Connect();
  TurnWithoutDescriptors();
  EXPECT_EQ(log_.lines.size(), 1U);
  Turn();
  EXPECT_EQ(ReadAll(client.get()), snapshot_);
  EXPECT_EQ(socket_.milliseconds(), -1);
}

TEST_F(LiveSocketTest, OnlyItsOwnerReachesIt) {
  Open();
  struct stat status = {};
  ASSERT_EQ(::stat(live_folder_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
  ASSERT_EQ(::lstat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
}

TEST_F(LiveSocketTest, AnotherUserIsToldNothingEvenWhereTheModesLetThemIn) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root to become somebody else";
  }
  Open();
  std::filesystem::permissions(folder_.File(""), std::filesystem::perms(0755));
  std::filesystem::permissions(live_folder_, std::filesystem::perms(0755));
  std::filesystem::permissions(path_, std::filesystem::perms(0666));
  std::array<int, 2> is_connected{};
  ASSERT_EQ(::pipe(is_connected.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresuid(65534, 65534, 65534) != 0) {
      ::_exit(3);
    }
    const auto client = Connect();
    const bool told = ::write(is_connected[1], "c", 1) == 1;
    ::_exit(!told || !client.valid() ? 2 : ReadAll(client.get()).empty() ? 0 : 1);
  }
  char letter = 0;
  ASSERT_EQ(::read(is_connected[0], &letter, 1), 1);

  Turn();

  int ended = 0;
  ASSERT_EQ(::waitpid(child, &ended, 0), child);
  EXPECT_EQ(ended, 0);
  EXPECT_EQ(made_, 0);
  EXPECT_FALSE(HasClient());
  ::close(is_connected[0]);
  ::close(is_connected[1]);
}

TEST_F(LiveSocketTest, TheSocketOfAProcessThatHasEndedIsReplacedAndOthersOfThatKindAreRemoved) {
  Open();
  const std::string dead = live_folder_ + "/6.c0acc535-2c4e-4d3b-8f0a-1d2e3f405162";
  const std::string living = live_folder_ + "/7";
  const std::string foreign = live_folder_ + "/foreign";
  const std::string file = live_folder_ + "/8";
  std::filesystem::rename(path_, living);
  const LiveSocket other = std::move(socket_);
  const std::string half_made = live_folder_ + "/1234.new";
  for (const std::string& name : {dead, path_, foreign, half_made}) {
    MakeDeadSocket(name);
  }
  ASSERT_TRUE(base::WriteFileInPlace(file, {}));

  Open();

  EXPECT_FALSE(std::filesystem::exists(dead));
  EXPECT_FALSE(std::filesystem::exists(half_made));
  EXPECT_TRUE(Connect(living).valid());
  EXPECT_TRUE(std::filesystem::exists(foreign));
  EXPECT_TRUE(std::filesystem::exists(file));
  const auto client = Connect();
  Turn();
  EXPECT_EQ(ReadAll(client.get()), snapshot_);
}

TEST_F(LiveSocketTest, NothingIsRemovedWhileAnotherHasTheFolder) {
  Open();
  const std::string dead = live_folder_ + "/6";
  MakeDeadSocket(dead);
  base::UniqueFd other(::open(live_folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(other.get(), LOCK_EX | LOCK_NB), 0);

  Open();

  EXPECT_TRUE(std::filesystem::exists(dead));
  const auto client = Connect();
  Turn();
  EXPECT_EQ(ReadAll(client.get()), snapshot_);

  other.Reset();
  Open();
  EXPECT_FALSE(std::filesystem::exists(dead));
  const base::UniqueFd next(::open(live_folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(::flock(next.get(), LOCK_EX | LOCK_NB), 0) << "the lock is not kept";
}

TEST_F(LiveSocketTest, SlashesBehindTheFolderMeanNothing) {
  std::filesystem::create_directory(folder_.File("run"));
  live_folder_ += "//";
  Open();
  EXPECT_TRUE(Connect().valid());
}

TEST_F(LiveSocketTest, AFolderThatIsNotItsOwnersAloneIsRefused) {
  const auto open = [this](const std::string& more = "") {
    return LiveSocket::Open(live_folder_ + more, {.domain = 5, .uuid = std::nullopt}).ok();
  };
  std::filesystem::create_directories(live_folder_);
  for (const unsigned mode : {0710U, 0701U, 0777U}) {
    std::filesystem::permissions(live_folder_, static_cast<std::filesystem::perms>(mode));
    EXPECT_FALSE(open()) << mode;
  }
  std::filesystem::permissions(live_folder_, std::filesystem::perms(0700));
  EXPECT_TRUE(open());
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(live_folder_.c_str(), 65534, 0), 0);
    EXPECT_FALSE(open());
    ASSERT_EQ(::chown(live_folder_.c_str(), 0, 0), 0);
  }
  std::filesystem::rename(live_folder_, folder_.File("elsewhere"));
  std::filesystem::create_directory_symlink(folder_.File("elsewhere"), live_folder_);
  EXPECT_FALSE(open());
  EXPECT_FALSE(open("/"));
  std::filesystem::remove(live_folder_);
  ASSERT_TRUE(base::WriteFileInPlace(live_folder_, {}));
  EXPECT_FALSE(open());
}

}  // namespace
}  // namespace varstored::daemon
