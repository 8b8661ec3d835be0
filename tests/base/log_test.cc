#include "varstored/base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <set>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "support/log_socket.h"
#include "support/temporary_folder.h"

namespace varstored::base {
namespace {

using namespace std::chrono_literals;

/// What `action` writes to standard error.
template <class Action>
std::string StandardErrorOf(Action action) {
  ::testing::internal::CaptureStderr();
  action();
  return ::testing::internal::GetCapturedStderr();
}

/// Another standard error, as long as this lives.
class StandardErrorIs {
 public:
  explicit StandardErrorIs(int fd) : former_(::dup(STDERR_FILENO)) { ::dup2(fd, STDERR_FILENO); }
  ~StandardErrorIs() { ::dup2(former_.get(), STDERR_FILENO); }
  StandardErrorIs(const StandardErrorIs&) = delete;
  StandardErrorIs& operator=(const StandardErrorIs&) = delete;

 private:
  UniqueFd former_;
};

TEST(Log, PrintableReplacesAllButPrintableAscii) {
  for (unsigned c = 0; c < 256; ++c) {
    const char character = static_cast<char>(c);
    const std::string text = std::string("<") + character + ">";
    EXPECT_EQ(Printable(text), c >= 0x20 && c <= 0x7E ? text : "<?>") << c;
  }
  EXPECT_EQ(Printable(""), "");
  EXPECT_EQ(Printable(std::string_view("a\0b", 3)), "a?b");
}

TEST(Log, ALineIsItsNameTheDomainAndTheText) {
  SystemLog log("", LogLevel::kInfo);
  EXPECT_EQ(StandardErrorOf([&log] { log.Say(Event::kReady, "5 variables"); }),
            "ready: 5 variables\n");
  log.SetSubject("17", "ignored here");
  EXPECT_EQ(StandardErrorOf([&log] { log.Write(LogLevel::kInfo, "store-full", "text"); }),
            "store-full: domain 17: text\n");
}

TEST(Log, OneLineStaysOneLine) {
  SystemLog log("", LogLevel::kInfo);
  EXPECT_EQ(
      StandardErrorOf([&log] { log.Write(LogLevel::kError, "a", "name \"x\ny\x1B[31m\"\r\n"); }),
      "a: name \"x?y?[31m\"??\n");
}

TEST(Log, ALineHasAnEnd) {
  SystemLog log("", LogLevel::kInfo);
  EXPECT_EQ(
      StandardErrorOf([&log] { log.Write(LogLevel::kError, "a", std::string(3072, 'x')); }).size(),
      3 + 3072 + 1U);
  EXPECT_EQ(StandardErrorOf([&log] { log.Write(LogLevel::kError, "b", std::string(70000, 'x')); }),
            "b: " + std::string(3072, 'x') + "...\n");
}

TEST(Log, LessUrgentLinesAreLeftOut) {
  SystemLog log("", LogLevel::kWarning);
  const auto all = [&log] {
    log.Write(LogLevel::kError, "a", "error");
    log.Write(LogLevel::kWarning, "b", "warning");
    log.Write(LogLevel::kInfo, "c", "info");
    log.Write(LogLevel::kDebug, "d", "debug");
  };
  EXPECT_EQ(StandardErrorOf(all), "a: error\nb: warning\n");
  log.set_level(LogLevel::kDebug);
  EXPECT_EQ(StandardErrorOf(all), "a: error\nb: warning\nc: info\nd: debug\n");
  log.set_level(LogLevel::kError);
  EXPECT_EQ(StandardErrorOf(all), "a: error\n");
}

TEST(Log, ATextThatNobodySeesIsNotMade) {
  SystemLog log("", LogLevel::kWarning);
  int made = 0;
  const auto make_text = [&made] { return std::to_string(++made); };
  EXPECT_EQ(StandardErrorOf([&] { log.Say(Event::kReady, make_text); }), "");
  EXPECT_EQ(made, 0);
  EXPECT_EQ(StandardErrorOf([&] { log.Say(Event::kVolatileLost, make_text); }),
            "volatile-lost: 1\n");
}

TEST(Log, LevelsHaveTheirWordsAndNoOthers) {
  LogLevel level = LogLevel::kInfo;
  EXPECT_TRUE(ParseLogLevel("error", level));
  EXPECT_EQ(level, LogLevel::kError);
  EXPECT_TRUE(ParseLogLevel("warning", level));
  EXPECT_EQ(level, LogLevel::kWarning);
  EXPECT_TRUE(ParseLogLevel("info", level));
  EXPECT_EQ(level, LogLevel::kInfo);
  EXPECT_TRUE(ParseLogLevel("debug", level));
  EXPECT_EQ(level, LogLevel::kDebug);
  for (const std::string word : {"", "Error", "debug ", "warn", "errors", "7"}) {
    EXPECT_FALSE(ParseLogLevel(word, level)) << word;
    EXPECT_EQ(level, LogLevel::kDebug);
  }
}

TEST(Events, EachHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kEventCount; ++i) {
    const std::string_view name = EventName(static_cast<Event>(i));
    EXPECT_FALSE(name.empty());
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"), name.npos) << name;
    names.insert(name);
  }
  EXPECT_EQ(names.size(), kEventCount);
}

// The limit, with times of the test's own.

TEST(LineLimit, AFloodIsEightLinesAndThenOneInTenMinutes) {
  LineLimit limit;
  const LineLimit::Clock::time_point start(1000h);
  int lines = 0;
  for (auto now = start; now < start + 24h; now += 1s) {
    lines += limit.Take("store-full", now) ? 1 : 0;
  }
  EXPECT_EQ(lines, 8 + 24 * 6 - 1);
}

TEST(LineLimit, AfterAQuietTimeThereAreAsManyLinesAsAtFirst) {
  LineLimit limit;
  const LineLimit::Clock::time_point start(1000h);
  const auto count = [&limit](LineLimit::Clock::time_point now) {
    int lines = 0;
    for (int i = 0; i < 1000; ++i) {
      lines += limit.Take("store-full", now) ? 1 : 0;
    }
    return lines;
  };
  EXPECT_EQ(count(start), 8);
  EXPECT_EQ(count(start + 9min), 0);
  EXPECT_EQ(count(start + 10min), 1);
  EXPECT_EQ(count(start + 30min), 2);
  EXPECT_EQ(count(start + 30min + 80min), 8);
  EXPECT_EQ(count(start + 24h * 7), 8);
}

TEST(LineLimit, NoNameTakesTheLinesOfAnother) {
  LineLimit limit;
  const LineLimit::Clock::time_point now(1000h);
  for (int i = 0; i < 1000; ++i) {
    static_cast<void>(limit.Take("store-full", now));
  }
  EXPECT_TRUE(limit.Take("change-not-stored", now));
  EXPECT_FALSE(limit.Take("store-full", now));
}

TEST(Log, WhatIsLeftOutIsSaid) {
  SystemLog log("", LogLevel::kInfo);
  const std::string lines = StandardErrorOf([&log] {
    for (int i = 1; i <= 1000; ++i) {
      log.Write(LogLevel::kInfo, "a", std::to_string(i));
    }
    log.Write(LogLevel::kInfo, "b", "once");
    log.SayWhatIsLeftOut();
  });
  EXPECT_EQ(lines,
            "a: 1\na: 2\na: 3\na: 4\na: 5\na: 6\na: 7\n"
            "a: 8 [further ones are only counted for now]\n"
            "b: once\n"
            "lines-left-out: a 992\n");
}

TEST(Log, NothingLeftOutIsNoLine) {
  SystemLog log("", LogLevel::kInfo);
  EXPECT_EQ(StandardErrorOf([&log] {
              log.Write(LogLevel::kInfo, "a", "once");
              log.SayWhatIsLeftOut();
            }),
            "a: once\n");
}

// Where lines go.

class LogPlacesTest : public ::testing::Test {
 protected:
  test::TemporaryFolder folder_;
  LogPlaces places_ = {.journal = folder_.File("journal"),
                       .journal_stream = folder_.File("stream"),
                       .syslog = folder_.File("log")};
};

TEST_F(LogPlacesTest, TheJournalGetsFieldsAndSyslogNothing) {
  const test::LogSocket journal(places_.journal);
  const test::LogSocket syslog(places_.syslog);
  SystemLog log("varstored", LogLevel::kInfo, places_);
  log.SetSubject("17", "0d5a4f6e-0000-0000-0000-000000000001");
  EXPECT_EQ(StandardErrorOf([&log] {
              log.Write(LogLevel::kInfo, "store-full", "%s%n SetVariable 'x\nPRIORITY=0'");
            }),
            "store-full: domain 17: %s%n SetVariable 'x?PRIORITY=0'\n");
  EXPECT_EQ(journal.Read(),
            "MESSAGE=store-full: domain 17: %s%n SetVariable 'x?PRIORITY=0'\n"
            "PRIORITY=6\n"
            "SYSLOG_FACILITY=3\n"
            "SYSLOG_IDENTIFIER=varstored\n"
            "SYSLOG_PID=" +
                std::to_string(::getpid()) +
                "\n"
                "VARSTORED_REASON=store-full\n"
                "VARSTORED_DOMAIN=17\n"
                "VARSTORED_VM=0d5a4f6e-0000-0000-0000-000000000001\n");
  EXPECT_EQ(journal.Read(), std::nullopt);
  EXPECT_EQ(syslog.Read(), std::nullopt);
}

TEST_F(LogPlacesTest, WhatIsNotKnownIsNoField) {
  const test::LogSocket journal(places_.journal);
  SystemLog log("varstored", LogLevel::kInfo, places_);
  EXPECT_EQ(StandardErrorOf([&log] { log.Say(Event::kOptionsWrong, "x"); }), "options-wrong: x\n");
  const std::string entry = journal.Read().value();
  EXPECT_NE(entry.find("PRIORITY=3\n"), entry.npos) << entry;
  EXPECT_NE(entry.find("VARSTORED_REASON=options-wrong\n"), entry.npos) << entry;
  EXPECT_EQ(entry.find("VARSTORED_DOMAIN"), entry.npos) << entry;
  EXPECT_EQ(entry.find("VARSTORED_VM"), entry.npos) << entry;
}

TEST_F(LogPlacesTest, ALineThatTheJournalReadsAnywayIsThereOnce) {
  const test::LogSocket journal(places_.journal);
  const test::LogSocket stream(places_.journal_stream, SOCK_STREAM);
  const UniqueFd connection = stream.Connect();
  const StandardErrorIs standard_error(connection.get());
  SystemLog log("varstored", LogLevel::kInfo, places_);
  log.Say(Event::kReady, "x");
  EXPECT_TRUE(journal.Read().has_value());
  // Nothing waits to be read at the other end of standard error.
  log.Say(Event::kEnded, "x");
  EXPECT_TRUE(journal.Read().has_value());
  EXPECT_EQ(journal.Read(), std::nullopt);
  std::array<char, 1> byte{};
  const UniqueFd other_end = stream.Accept();
  EXPECT_EQ(::recv(other_end.get(), byte.data(), byte.size(), MSG_DONTWAIT), -1);
}

TEST_F(LogPlacesTest, WithoutAJournalSyslogGetsTheLine) {
  const test::LogSocket syslog(places_.syslog);
  SystemLog log("varstored", LogLevel::kInfo, places_);
  log.SetSubject("17", "");
  EXPECT_EQ(StandardErrorOf([&log] {
              log.Say(Event::kChangeNotStored, "100% %s\nnew");
              log.Say(Event::kReady, "x");
            }),
            "change-not-stored: domain 17: 100% %s?new\nready: domain 17: x\n");
  const std::string ident = "varstored[" + std::to_string(::getpid()) + "]: ";
  EXPECT_EQ(syslog.Read(), "<27>" + ident + "change-not-stored: domain 17: 100% %s?new");
  EXPECT_EQ(syslog.Read(), "<30>" + ident + "ready: domain 17: x");
  EXPECT_EQ(syslog.Read(), std::nullopt);
}

TEST_F(LogPlacesTest, WithoutAnyLogDaemonStandardErrorHasTheLine) {
  SystemLog log("varstored", LogLevel::kInfo, places_);
  EXPECT_EQ(StandardErrorOf([&log] { log.Say(Event::kReady, "x"); }), "ready: x\n");
}

TEST_F(LogPlacesTest, ALogDaemonThatReadsNothingIsNotWaitedFor) {
  for (const std::string& path : {places_.journal, places_.syslog}) {
    const test::LogSocket stuck(path);
    SystemLog log("varstored", LogLevel::kInfo, places_);
    const std::string errors = StandardErrorOf([&log] {
      // More than any queue of the kernel's has room for.
      for (std::size_t name = 0; name < kEventCount; ++name) {
        for (int i = 0; i < LineLimit::kBurst; ++i) {
          log.Write(LogLevel::kError, EventName(static_cast<Event>(name)), std::string(900, 'x'));
        }
      }
    });
    EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'),
              static_cast<std::ptrdiff_t>(kEventCount * LineLimit::kBurst));
  }
}

TEST_F(LogPlacesTest, ALogDaemonThatEndsIsNoFailure) {
  auto journal = std::make_unique<test::LogSocket>(places_.journal);
  SystemLog log("varstored", LogLevel::kInfo, places_);
  journal.reset();
  EXPECT_EQ(StandardErrorOf([&log] { log.Say(Event::kReady, "x"); }), "ready: x\n");
}

TEST_F(LogPlacesTest, AFullStandardErrorIsNotWaitedForAndWhatIsLostIsCounted) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  ASSERT_EQ(::fcntl(writer.get(), F_SETFL, O_NONBLOCK), 0);
  const std::string page(4096, 'x');
  while (::write(writer.get(), page.data(), page.size()) > 0) {
  }
  ASSERT_EQ(::fcntl(writer.get(), F_SETFL, 0), 0);

  SystemLog log("varstored", LogLevel::kInfo, places_);
  {
    const StandardErrorIs standard_error(writer.get());
    log.Say(Event::kReady, "1");
    log.Say(Event::kReady, "2");
  }
  EXPECT_EQ(StandardErrorOf([&log] { log.Say(Event::kReady, "3"); }),
            "ready: 3 [2 more were left out before]\n");
}

}  // namespace
}  // namespace varstored::base
