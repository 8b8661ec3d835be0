#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/temporary_folder.h"

namespace varstored::test {
namespace {

const std::vector<std::string> kMemory = {"--backend", "memory"};
constexpr Guid kVendor = {1, 2, 3};

class LoopbackDoorTest : public ::testing::Test {
 protected:
  [[nodiscard]] LoopbackClient Connect() const { return LoopbackClient(socket_); }

  /// The daemon closed the connection, and serves the next client.
  void ExpectRefused(LoopbackClient& client) {
    EXPECT_EQ(client.ReceiveRaw(1), std::nullopt);
    LoopbackClient next = Connect();
    EXPECT_EQ(next.QueryVariableInfo(7).status, kEfiSuccess);
  }

  /// A message's header.
  static Bytes Header(std::uint8_t operation) {
    Bytes header(16);
    header[0] = operation;
    return header;
  }

  TemporaryFolder folder_;
  std::string socket_ = folder_.File("socket");
  Process process_ = StartLoopback(socket_, kMemory);
};

TEST_F(LoopbackDoorTest, OneClientAfterTheOther) {
  for (int i = 0; i < 20; ++i) {
    LoopbackClient client = Connect();
    EXPECT_EQ(client.QueryVariableInfo(7).status, kEfiSuccess);
  }
}

TEST_F(LoopbackDoorTest, AClientWaitsUntilTheOneBeforeIsGone) {
  std::optional<LoopbackClient> first = Connect();
  EXPECT_EQ(first->QueryVariableInfo(7).status, kEfiSuccess);
  LoopbackClient second = Connect();
  second.SendRaw(Header(2));
  EXPECT_EQ(first->QueryVariableInfo(7).status, kEfiSuccess);
  first.reset();
  EXPECT_EQ(second.ReceiveRaw(4), Bytes(4));
}

TEST_F(LoopbackDoorTest, AMessageMayComeInPieces) {
  LoopbackClient client = Connect();
  Bytes message = Header(0);
  const Bytes request = QueryVariableInfoRequest(7);
  message.insert(message.end(), request.begin(), request.end());
  message.resize(16 + kPagesBytes);
  for (const std::size_t piece : {1U, 14U, 2U, 7U, 30000U}) {
    client.SendRaw(ByteSpan(message).first(piece));
    message.erase(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(piece));
    client.WaitUntilRead();
  }
  client.SendRaw(message);
  const auto reply = client.ReceiveRaw(4 + kPagesBytes);
  ASSERT_TRUE(reply);
  EXPECT_EQ(Bytes(reply->begin(), reply->begin() + 12), Bytes(12)) << "status of door and call";
}

TEST_F(LoopbackDoorTest, MessagesMayFollowEachOtherWithoutAPause) {
  LoopbackClient client = Connect();
  Bytes messages;
  for (int i = 0; i < 100; ++i) {
    const Bytes header = Header(2);
    messages.insert(messages.end(), header.begin(), header.end());
  }
  client.SendRaw(messages);
  EXPECT_EQ(client.ReceiveRaw(400), Bytes(400));
}

TEST_F(LoopbackDoorTest, ASlowReaderGetsEveryAnswer) {
  LoopbackClient client = Connect();
  // More answers than the socket holds, so that the daemon has to wait for the reader; the requests
  // come from a second process, because the daemon reads none of them meanwhile.
  constexpr int kMessages = 20;
  Bytes message = Header(0);
  message.resize(16 + kPagesBytes);
  const pid_t writer = ::fork();
  if (writer == 0) {
    for (int i = 0; i < kMessages; ++i) {
      client.SendRaw(message);
    }
    ::_exit(0);
  }
  for (int i = 0; i < kMessages; ++i) {
    EXPECT_TRUE(client.ReceiveRaw(4 + kPagesBytes)) << i;
  }
  int status = 0;
  ASSERT_EQ(::waitpid(writer, &status, 0), writer);
}

TEST_F(LoopbackDoorTest, AnUnknownOperationClosesTheConnection) {
  for (const std::uint8_t operation : Bytes{4, 5, 255}) {
    LoopbackClient client = Connect();
    client.SendRaw(Header(operation));
    ExpectRefused(client);
  }
}

TEST_F(LoopbackDoorTest, AShortMessageClosesTheConnection) {
  for (const std::size_t size : {1U, 4U, 15U, 16U, 17U, 16U + 65535U}) {
    LoopbackClient client = Connect();
    Bytes message(size);
    client.SendRaw(message);
    client.CloseSendingSide();
    ExpectRefused(client);
  }
}

TEST_F(LoopbackDoorTest, AClientMayLeaveWithoutReadingItsAnswer) {
  for (int i = 0; i < 20; ++i) {
    LoopbackClient client = Connect();
    Bytes message = Header(0);
    message.resize(16 + kPagesBytes);
    client.SendRaw(message);
  }
  LoopbackClient next = Connect();
  EXPECT_EQ(next.QueryVariableInfo(7).status, kEfiSuccess);
}

TEST_F(LoopbackDoorTest, OnlyTheAnswersBytesOfThePagesChange) {
  LoopbackClient client = Connect();
  const Bytes request = GetVariableRequest(NameBytes(u"Absent"), kVendor, 0, false);
  const Bytes pages = client.Command(request, 0xA5);
  EXPECT_EQ(Bytes(pages.begin() + 8, pages.begin() + static_cast<std::ptrdiff_t>(request.size())),
            Bytes(request.begin() + 8, request.end()));
  EXPECT_EQ(Bytes(pages.begin() + static_cast<std::ptrdiff_t>(request.size()), pages.end()),
            Bytes(kPagesBytes - request.size(), 0xA5));
}

TEST_F(LoopbackDoorTest, ASocketThatWasLeftBehindIsReplaced) {
  ASSERT_EQ(process_.Stop(SIGKILL).exit_code, 128 + SIGKILL);
  ASSERT_TRUE(std::filesystem::is_socket(socket_));
  const Process next = StartLoopback(socket_, kMemory);
  EXPECT_EQ(Connect().QueryVariableInfo(7).status, kEfiSuccess);
}

TEST_F(LoopbackDoorTest, ASocketThatIsServedIsNot) {
  const Ended ended = RunProgram({LoopbackProgram(), "--listen", socket_, "--backend", "memory"});
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_EQ(ended.errors, "door-failed: " + socket_ + ": another process listens there\n");
  EXPECT_EQ(Connect().QueryVariableInfo(7).status, kEfiSuccess);
}

TEST_F(LoopbackDoorTest, NothingButTheSocketIsLeftBeside) {
  const auto files = std::filesystem::directory_iterator(folder_.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

}  // namespace
}  // namespace varstored::test
