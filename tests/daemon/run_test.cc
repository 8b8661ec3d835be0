#include "varstored/daemon/run.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/temporary_folder.h"
#include "varstored/backend/memory.h"
#include "varstored/base/file.h"
#include "varstored/base/no_log.h"
#include "varstored/base/unique_fd.h"
#include "varstored/base/unix_address.h"
#include "varstored/efi/well_known.h"
#include "varstored/engine/variable_services.h"
#include "varstored/guest/shared_pages.h"
#include "varstored/store/vars_blob.h"

namespace varstored::daemon {
namespace {

constexpr Program kProgram = {.name = "test",
                              .help = "Test.",
                              .door = Program::Door::kXen,
                              .configuration_path = {},
                              .auth_folder = {}};

/// What a door does in each step, and a pipe for what happened: one letter for each step. It has a
/// path, because the daemon's helper closes what it inherits.
struct Plan {
  std::string journal_path;
  bool prepare_fails = false;
  bool prepare_waits = false;
  bool announce_fails = false;
  bool guest_is_gone = false;
  bool door_breaks = false;
  bool guest_is_busy = false;  // there is always something to do
  bool is_taken_over = false;
  std::string start = {};
  std::string former_start = {};
  bool system_starts = false;  // the guest makes its operating system's first call
};
// A door is made by a function without arguments of the test's own.
Plan plan;

class PlannedDoor final : public guest::Door {
 public:
  base::Result<guest::Platform> Prepare() override {
    Note('p');
    if (plan.prepare_waits) {
      ::pause();
    }
    if (plan.prepare_fails) {
      return base::Fail("no door");
    }
    // Readable from the start, so that the loop turns to the door at once.
    event_.Reset(::eventfd(1, EFD_CLOEXEC));
    return guest::Platform{{}, {}, {}, plan.is_taken_over, plan.start, plan.former_start};
  }
  base::Result<void> Announce() override {
    Note('a');
    return plan.announce_fails ? base::Result<void>(base::Fail("no voice")) : base::Result<void>();
  }
  void Withdraw() override { Note('w'); }
  [[nodiscard]] Waits waits_for() const override {
    const bool is_quiet =
        !plan.guest_is_gone && !plan.door_breaks && !plan.guest_is_busy && !plan.system_starts;
    return {{{-1, 0, 0}, {event_.get(), static_cast<short>(is_quiet ? 0 : POLLIN), 0}}};
  }
  base::Result<Guest> HandleReady(const Waits& waited, guest::Dispatcher& dispatcher) override {
    if (std::exchange(plan.system_starts, false)) {
      std::vector<std::uint64_t> words(guest::kSharedBytes / sizeof(std::uint64_t));
      const base::Bytes request = test::GetVariableRequest(test::NameBytes(u"None"), {}, 0, true);
      std::memcpy(words.data(), request.data(), request.size());
      guest::MappedPages pages(words.data());
      dispatcher.Serve(pages);
      Note('s');
      return Guest::kThere;
    }
    if (plan.guest_is_busy) {
      return Guest::kThere;
    }
    Note(waited[0].revents == 0 && waited[1].revents == POLLIN ? 'h' : '?');
    if (plan.door_breaks) {
      return base::Fail("door broke");
    }
    return Guest::kGone;
  }
  void Close() override { Note('c'); }

 private:
  static void Note(char letter) {
    const base::UniqueFd journal(::open(plan.journal_path.c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_EQ(::write(journal.get(), &letter, 1), 1);
  }

  base::UniqueFd event_;
};

/// Runs a daemon with a planned door in a process of its own.
class RunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    plan = {};
    plan.journal_path = folder_.File("journal");
    std::filesystem::remove(plan.journal_path);
    ASSERT_EQ(::mkfifo(plan.journal_path.c_str(), 0600), 0);
    journal_.Reset(::open(plan.journal_path.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(base::WriteFileInPlace(save_, base::ToBytes(std::string_view("old"))));
  }

  void Start(std::vector<std::string> more = {}) {
    errors_.Reset(::memfd_create("errors", MFD_CLOEXEC));
    pid_ = ::fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
      ::dup2(errors_.get(), STDERR_FILENO);
      more.insert(more.begin(),
                  {"test", "--domain", "1", "--backend", "memory", "--arg", "save:" + save_});
      std::vector<const char*> arguments;
      arguments.reserve(more.size());
      for (const std::string& argument : more) {
        arguments.push_back(argument.c_str());
      }
      ::_exit(daemon::Run(kProgram, static_cast<int>(arguments.size()), arguments.data(),
                          [](const Options& /*options*/, base::Log& /*log*/) {
                            return std::unique_ptr<guest::Door>(std::make_unique<PlannedDoor>());
                          }));
    }
  }
  /// The next step, when it comes.
  char Step() {
    char letter = 0;
    return ::read(journal_.get(), &letter, 1) == 1 ? letter : '.';
  }
  /// All steps until the daemon has ended, which waits for its helper, and the exit code.
  std::string Rest() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    ::fcntl(journal_.get(), F_SETFL, O_NONBLOCK);
    std::string steps;
    for (char step = Step(); step != '.'; step = Step()) {
      steps.push_back(step);
    }
    return steps;
  }
  [[nodiscard]] std::string Errors() const {
    std::string text(10000, '\0');
    text.resize(static_cast<std::size_t>(::pread(errors_.get(), text.data(), text.size(), 0)));
    return text;
  }
  [[nodiscard]] bool WasSaved() const {
    const std::string content = base::ToString(*base::ReadFile(save_, 1 << 20));
    EXPECT_TRUE(content == "old" || content.starts_with("VARS"));
    return content != "old";
  }

  /// Whether the guest that was saved boots still.
  [[nodiscard]] bool IsSavedAtBootTime() const {
    base::NoLog log;
    backend::MemoryBackend backend({}, log);
    engine::VariableServices services({}, backend, log);
    EXPECT_TRUE(services.Resume(*base::ReadFile(save_, 1 << 20)));
    return !services.does_operating_system_run();
  }
  /// A guest whose daemon has the word `start`, and is killed; where `system_starts` after it has
  /// answered the guest's operating system. With `former_start` it takes over from another one.
  void KillADaemon(const std::string& start, bool system_starts,
                   const std::optional<std::string>& former_start = std::nullopt,
                   const std::string& live = "live") {
    SetUp();
    ASSERT_TRUE(base::WriteFileInPlace(
        configuration_,
        base::ToBytes("live=" + (live == "no" ? live : folder_.File(live)) + "\n")));
    plan.start = start;
    plan.system_starts = system_starts;
    plan.is_taken_over = former_start.has_value();
    plan.former_start = former_start.value_or("");
    Start({"--config", configuration_});
    EXPECT_EQ(Step(), 'p');
    EXPECT_EQ(Step(), 'a');
    if (system_starts) {
      EXPECT_EQ(Step(), 's');
    }
    ::kill(pid_, SIGKILL);
    Rest();
  }
  /// Whether the guest that the next daemon finds boots still, when it reads the word
  /// `former_start`.
  [[nodiscard]] bool GoesOnWithItsBoot(const std::string& former_start, bool is_taken_over = true) {
    plan.start = "last";
    plan.former_start = former_start;
    plan.is_taken_over = is_taken_over;
    plan.system_starts = false;
    plan.guest_is_gone = true;
    Start({"--config", configuration_, "--resume"});
    EXPECT_EQ(Rest(), "pahc");
    return IsSavedAtBootTime();
  }

  /// The byte of that lock in what was saved.
  [[nodiscard]] int SavedLock(const efi::WellKnownVariable& lock) const {
    const auto blob = store::DecodeVarsBlob(*base::ReadFile(save_, 1 << 20));
    for (const store::Entry& entry : blob->entries) {
      if (lock.Is(entry.name(), entry.vendor())) {
        return entry.data()[0];
      }
    }
    return -1;
  }

  test::TemporaryFolder folder_;
  std::string save_ = folder_.File("save");
  std::string configuration_ = folder_.File("configuration");
  base::UniqueFd journal_;
  base::UniqueFd errors_;
  pid_t pid_ = -1;
  int exit_code_ = -1;
};

TEST_F(RunTest, TheGuestsEndIsAnOrderlyOne) {
  plan.guest_is_gone = true;
  Start();
  EXPECT_EQ(Rest(), "pahc");
  EXPECT_EQ(exit_code_, 0);
  EXPECT_TRUE(WasSaved());
}

// Its daemon has ended, and nobody knows what the guest had locked.
TEST_F(RunTest, AGuestThatIsTakenOverIsRestricted) {
  for (const bool is_taken_over : {false, true}) {
    SetUp();
    plan.guest_is_gone = true;
    plan.is_taken_over = is_taken_over;
    Start();
    EXPECT_EQ(Rest(), "pahc");
    EXPECT_EQ(SavedLock(efi::kMorLock), is_taken_over ? 1 : 0);
    EXPECT_EQ(SavedLock(efi::kPpiFlagsLock), is_taken_over ? 1 : 0);
  }
}

TEST_F(RunTest, AGuestWhoseDaemonIsKilledGoesOnWithItsBoot) {
  KillADaemon("one", false);
  EXPECT_TRUE(GoesOnWithItsBoot("one"));
  EXPECT_EQ(SavedLock(efi::kMorLock), 1);
  // The next one may be killed, too.
  KillADaemon("one", false);
  KillADaemon("two", false, "one");
  EXPECT_TRUE(GoesOnWithItsBoot("two"));
}

// Each of them is a guest of which somebody else, or nobody, has said that it boots.
TEST_F(RunTest, AGuestOfAnotherStartDoesNotGoOnWithTheBoot) {
  KillADaemon("one", false);
  EXPECT_FALSE(GoesOnWithItsBoot("two"));
  KillADaemon("one", false);
  EXPECT_FALSE(GoesOnWithItsBoot(""));
  KillADaemon("", false);
  EXPECT_FALSE(GoesOnWithItsBoot(""));
  // Restored, and not taken over.
  KillADaemon("one", false);
  EXPECT_FALSE(GoesOnWithItsBoot("one", false));
}

TEST_F(RunTest, AnOperatingSystemIsNeverTakenForABoot) {
  KillADaemon("one", true);
  EXPECT_FALSE(GoesOnWithItsBoot("one"));
}

// The one in between had no folder for the mark, so that of the first stays in it.
TEST_F(RunTest, AMarkThatWasNotRemovedIsWorthNothingToTheDaemonAfterTheNext) {
  KillADaemon("one", false);
  KillADaemon("two", true, "one", "no");
  ASSERT_TRUE(
      base::WriteFileInPlace(configuration_, base::ToBytes("live=" + folder_.File("live") + "\n")));
  EXPECT_EQ(base::ToString(*base::ReadFile(folder_.File("live/1.boot"), 100)), "one");
  EXPECT_FALSE(GoesOnWithItsBoot("two"));
}

TEST_F(RunTest, ASignalClosesTheDoorAndSaves) {
  Start();
  EXPECT_EQ(Step(), 'p');
  EXPECT_EQ(Step(), 'a');
  ::kill(pid_, SIGTERM);
  EXPECT_EQ(Rest(), "c");
  EXPECT_EQ(exit_code_, 0);
  EXPECT_TRUE(WasSaved());
}

TEST_F(RunTest, ADoorThatBreaksIsAnErrorButTheStateIsSaved) {
  plan.door_breaks = true;
  Start();
  EXPECT_EQ(Rest(), "pahc");
  EXPECT_EQ(exit_code_, 1);
  EXPECT_NE(Errors().find("door broke"), std::string::npos);
  EXPECT_TRUE(WasSaved());
}

TEST_F(RunTest, L24ADoorThatCannotBeOpenedIsNeverAnnounced) {
  plan.prepare_fails = true;
  Start();
  EXPECT_EQ(Rest(), "p");
  EXPECT_EQ(exit_code_, 1);
  EXPECT_EQ(Errors(), "door-failed: domain 1: no door\n");
  EXPECT_FALSE(WasSaved());
}

TEST_F(RunTest, L24WhatFailsBehindTheDoorWithdrawsIt) {
  Start({"--arg", "init:" + folder_.File("missing")});
  EXPECT_EQ(Rest(), "pw");
  EXPECT_EQ(exit_code_, 1);
  EXPECT_FALSE(WasSaved());
}

TEST_F(RunTest, L24AFailedAnnouncementEndsTheStart) {
  plan.announce_fails = true;
  Start();
  EXPECT_EQ(Rest(), "pa");
  EXPECT_EQ(exit_code_, 1);
  EXPECT_NE(Errors().find("no voice\n"), std::string::npos);
  EXPECT_FALSE(WasSaved());
}

TEST_F(RunTest, AClientIsToldWhileThereIsAlwaysSomethingToDoForTheGuest) {
  plan.guest_is_busy = true;
  Start({"--live", folder_.File("live")});
  EXPECT_EQ(Step(), 'p');
  EXPECT_EQ(Step(), 'a');
  const base::UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = base::UnixAddress(folder_.File("live/1"));
  ASSERT_EQ(::connect(client.get(), base::General(*address), sizeof *address), 0);
  const timeval most = {.tv_sec = 20, .tv_usec = 0};
  ASSERT_EQ(::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most), 0);
  std::array<char, 4> told{};
  EXPECT_EQ(::recv(client.get(), told.data(), told.size(), MSG_WAITALL), 4);
  EXPECT_EQ(std::string(told.data(), told.size()), "LIVE");
  ::kill(pid_, SIGTERM);
  EXPECT_EQ(Rest(), "c");
  EXPECT_EQ(exit_code_, 0);
}

// A state that was saved before must survive a start that is broken off.
TEST_F(RunTest, ASignalBeforeReadinessEndsWellAndSavesNothing) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    SetUp();
    plan.prepare_waits = true;
    Start();
    EXPECT_EQ(Step(), 'p');
    ::kill(pid_, number);
    EXPECT_EQ(Rest(), "");
    EXPECT_EQ(exit_code_, 0);
    EXPECT_FALSE(WasSaved());
  }
}

}  // namespace
}  // namespace varstored::daemon
