// The database behind the real program: killed at every step, and filled to the brim.

#include <climits>
#include <csignal>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/process.h"
#include "support/signing.h"
#include "support/temporary_folder.h"
#include "varstored/base/file.h"

namespace varstored::test {
namespace {

constexpr Guid kVendor = {1, 2, 3};
constexpr Guid kX509 = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                        0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};

using Address = std::pair<std::u16string, Guid>;
/// The non-volatile variables that a guest can see, without those that every start makes.
using State = std::map<Address, Bytes>;

State Ask(LoopbackClient& guest) {
  State state;
  for (const Address& address : guest.Walk()) {
    auto found = guest.GetVariable(address.first, address.second);
    if (found.status != kEfiSuccess) {
      throw std::runtime_error("a variable of the walk cannot be read");
    }
    const bool every_start = address.first.rfind(u"MemoryOverwriteRequestControl", 0) == 0 ||
                             address.first == u"PPIBuffer" ||
                             address.first == u"Tcg2PhysicalPresenceFlagsLock";
    if ((found.attributes & 1U) != 0 && !every_start) {
      state[address] = std::move(found.data);
    }
  }
  return state;
}

class SqliteServiceTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> Arguments() const {
    return {"--backend", "sqlite", "--arg", "path:" + database_};
  }
  /// The whole command line, for the tests in which the program does not get ready.
  [[nodiscard]] std::vector<std::string> Command(const std::string& socket) const {
    std::vector<std::string> command = LoopbackCommand(socket);
    for (const std::string& argument : Arguments()) {
      command.push_back(argument);
    }
    return command;
  }
  [[nodiscard]] Process Start() const { return StartLoopback(socket_, Arguments()); }

  TemporaryFolder folder_{FastParent()};
  std::string socket_ = folder_.File("socket");
  std::string database_ = folder_.File("vm.db");
};

TEST_F(SqliteServiceTest, L28AKillLosesNothing) {
  State acknowledged;
  {
    Process process = Start();
    LoopbackClient guest(socket_);
    for (std::uint8_t i = 0; i < 50; ++i) {
      const std::u16string name = u"Var" + std::u16string(1, static_cast<char16_t>(u'A' + i % 20));
      const Bytes data(100U + 50U * i, i);
      ASSERT_EQ(guest.SetVariable(name, kVendor, 7, data), kEfiSuccess);
      acknowledged[{name, kVendor}] = data;
    }
    ASSERT_EQ(process.Stop(SIGKILL).exit_code, 128 + SIGKILL);
  }
  const Process process = Start();
  LoopbackClient guest(socket_);
  EXPECT_TRUE(Ask(guest) == acknowledged);
}

TEST_F(SqliteServiceTest, AVmThatCameFromAnotherHostFindsItsVariablesAtItsNextBoot) {
  const std::string save = folder_.File("save");
  const Bytes data = {1, 2, 3};
  std::vector<std::string> there = Arguments();
  there.insert(there.end(), {"--arg", "save:" + save});
  {
    Process process = StartLoopback(socket_, there);
    LoopbackClient guest(socket_);
    ASSERT_EQ(guest.SetVariable(u"Boot0001", kVendor, 7, data), kEfiSuccess);
    ASSERT_EQ(process.Stop().exit_code, 0);
  }
  database_ = folder_.File("other-host.db");
  std::vector<std::string> here = Arguments();
  here.insert(here.end(), {"--resume", "--arg", "resume:" + save});
  {
    // Nothing is written: what is kept is what was resumed.
    Process process = StartLoopback(socket_, here);
    ASSERT_EQ(process.Stop().exit_code, 0);
  }

  const Process process = Start();
  LoopbackClient guest(socket_);
  EXPECT_EQ(guest.GetVariable(u"Boot0001", kVendor).data, data);
}

TEST_F(SqliteServiceTest, ASecondDaemonOnTheFileIsRefused) {
  const Process first = Start();
  const Ended second = RunProgram(Command(socket_ + "2"));
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_NE(second.errors.find(database_ + ": another process uses it"), std::string::npos)
      << second.errors;
  EXPECT_FALSE(std::filesystem::exists(socket_ + "2"));
  EXPECT_EQ(LoopbackClient(socket_).SetVariable(u"Name", kVendor, 7, Bytes{1}), kEfiSuccess);
}

TEST_F(SqliteServiceTest, L24AFileThatCannotBeReadIsNeitherReadyNorAFirstBoot) {
  ASSERT_TRUE(base::WriteFileInPlace(database_, Bytes(4096, 'x')));
  const Ended ended = RunProgram(Command(socket_));
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_NE(ended.errors.find(database_ + ": no SQLite database"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(socket_));
  EXPECT_EQ(*base::ReadFile(database_, 10000), Bytes(4096, 'x'));
}

/// Writes at runtime until nothing more is taken: as large as possible, then as small as possible.
void FillAtRuntime(LoopbackClient& guest) {
  char16_t letter = u'a';
  for (const std::size_t size : {57344U, 30000U, 3000U, 300U, 30U, 1U}) {
    std::uint64_t status = kEfiSuccess;
    while (status == kEfiSuccess) {
      status = guest.SetVariable(std::u16string(u"Fill") + letter++, kVendor, 7, Bytes(size, 0xFF),
                                 true);
    }
    ASSERT_EQ(status, kEfiOutOfResources);
  }
}

// L-23: a guest filled the store, and could not boot again.
TEST_F(SqliteServiceTest, L23AFullStoreStillTakesTheWritesOfABoot) {
  {
    Process process = Start();
    LoopbackClient guest(socket_);
    ASSERT_NO_FATAL_FAILURE(FillAtRuntime(guest));
    ASSERT_EQ(process.Stop(SIGKILL).exit_code, 128 + SIGKILL);
  }
  const Process process = Start();
  LoopbackClient guest(socket_);
  EXPECT_EQ(guest.SetVariable(u"Late", kVendor, 7, Bytes{1}), kEfiSuccess) << "not at runtime yet";
  for (char16_t i = 0; i < 40; ++i) {
    EXPECT_EQ(guest.SetVariable(std::u16string(u"Boot") + static_cast<char16_t>(u'A' + i),
                                kGlobalGuid, 7, Bytes(200, 1)),
              kEfiSuccess);
  }
}

/// A change that the program was asked for, at its start or by the guest.
struct Step {
  std::u16string name;
  Guid guid;
  std::uint32_t attributes;
  Bytes data;
  State after;
};

/// L-28: the program is killed before each of its calls that change a file or answer the guest.
class SqliteKillTest : public SqliteServiceTest {
 protected:
  SqliteKillTest() {
    const Identity pk = Identity::Make();
    const Identity kek = Identity::Make();
    std::filesystem::create_directory(keys_);
    const auto enroll = [&](std::u16string name, const Guid& guid, const Identity& content,
                            const Identity& signer) {
      VariableWrite write = {.name = std::move(name), .guid = guid};
      write.payload = SignatureListOf(kX509, kVendor, {content.certificate()});
      const std::string file =
          keys_ + "/" + std::string(write.name.begin(), write.name.end()) + ".auth";
      EXPECT_TRUE(base::WriteFileInPlace(file, AuthPayload(write, signer)));
      after_start_[{write.name, guid}] = write.payload;
    };
    enroll(u"PK", kGlobalGuid, pk, pk);
    enroll(u"KEK", kGlobalGuid, kek, pk);
    enroll(u"db", kSecurityDatabaseGuid, pk, kek);

    State state = after_start_;
    const auto set = [&](std::u16string name, Bytes data) {
      if (data.empty()) {
        state.erase({name, kVendor});
      } else {
        state[{name, kVendor}] = data;
      }
      steps_.push_back({std::move(name), kVendor, 7, std::move(data), state});
    };
    set(u"BootOrder", Bytes(2, 1));
    set(u"Boot0000", Bytes(200, 2));
    set(u"Big", Bytes(30000, 3));
    VariableWrite dbx = {.name = u"dbx", .guid = kSecurityDatabaseGuid, .attributes = 0x67};
    dbx.payload = SignatureListOf(kX509, kVendor, {kek.certificate()});
    state[{dbx.name, dbx.guid}] = dbx.payload;
    steps_.push_back({dbx.name, dbx.guid, 0x67, AuthPayload(dbx, kek), state});
    // By now the log is long enough to be folded into the database.
    set(u"Big", Bytes(30000, 4));
    set(u"BootOrder", Bytes(4, 5));
    set(u"Boot0000", {});
    set(u"Big", {});
    set(u"BootOrder", Bytes(6, 6));
  }

  /// A start, `steps_`, and an end, on the files of `files_`, killed before call number `call`.
  /// Gives false when the end came first.
  [[nodiscard]] bool KilledAt(int call) {
    std::filesystem::remove(socket_);
    for (const auto& [path, content] : files_) {
      std::filesystem::remove(path);
      if (content) {
        EXPECT_TRUE(base::WriteFileInPlace(path, *content));
      }
    }
    std::vector<std::string> arguments = {
        KILL_AT_CALL, std::to_string(call), LoopbackProgram(), "--listen", socket_, "--auth-dir",
        keys_};
    for (const std::string& argument : Arguments()) {
      arguments.push_back(argument);
    }
    before_ = before_start_;
    after_ = after_start_;
    Process process(arguments);
    try {
      std::optional<LoopbackClient> guest;
      process.WaitFor(socket_, [&] {
        try {
          guest.emplace(socket_);
          return true;
        } catch (const std::system_error&) {
          return false;
        }
      });
      before_ = after_start_;
      for (const Step& step : steps_) {
        after_ = step.after;
        EXPECT_EQ(guest->SetVariable(step.name, step.guid, step.attributes, step.data),
                  kEfiSuccess);
        before_ = step.after;
      }
    } catch (const std::runtime_error&) {
      return process.Wait().exit_code == 9;
    }
    return process.Stop().exit_code == 9;
  }

  /// What the next start finds is what was acknowledged, and the change in flight wholly or not.
  void ExpectOldOrNew(int call) {
    const Process process = Start();
    LoopbackClient guest(socket_);
    const State found = Ask(guest);
    EXPECT_TRUE(found == before_ || found == after_) << "killed before call " << call;
    EXPECT_EQ(guest.SetVariable(u"BootNext", kVendor, 7, Bytes{1}), kEfiSuccess);
  }

  void KillEverywhere() {
    int call = 1;
    while (KilledAt(call)) {
      ExpectOldOrNew(call);
      ++call;
    }
    ExpectOldOrNew(call);
    RecordProperty("calls", call);
  }

  std::string keys_ = folder_.File("keys");
  State before_start_;
  State after_start_;
  std::vector<Step> steps_;
  std::string log_ = database_ + "-wal";
  std::map<std::string, std::optional<Bytes>> files_ = {{database_, {}}, {log_, {}}};

  State before_;
  State after_;
};

TEST_F(SqliteKillTest, L28AKillAnywhereLeavesTheOldStateOrTheNewOne) { KillEverywhere(); }

TEST_F(SqliteKillTest, L28AKillWhileAnOlderOneIsMendedLosesNothing) {
  // Given the files of a program that was killed in the end, its log full.
  EXPECT_FALSE(KilledAt(INT_MAX));
  {
    Process process = Start();
    LoopbackClient guest(socket_);
    ASSERT_EQ(guest.SetVariable(u"Late", kVendor, 7, Bytes(30000, 9)), kEfiSuccess);
    before_start_ = after_start_ = Ask(guest);
    ASSERT_EQ(process.Stop(SIGKILL).exit_code, 128 + SIGKILL);
  }
  for (auto& [path, content] : files_) {
    content = *base::ReadFile(path, 1 << 21);
  }
  ASSERT_FALSE(files_[log_]->empty());
  steps_ = {{u"BootNext", kVendor, 7, Bytes{2}, after_start_}};
  steps_[0].after[{u"BootNext", kVendor}] = Bytes{2};
  KillEverywhere();
}

}  // namespace
}  // namespace varstored::test
