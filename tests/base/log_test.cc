#include "varstored/base/log.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace varstored::base {
namespace {

/// What `log` writes to standard error.
template <class Action>
std::string StandardErrorOf(Action action) {
  ::testing::internal::CaptureStderr();
  action();
  return ::testing::internal::GetCapturedStderr();
}

TEST(Log, PrintableReplacesAllButPrintableAscii) {
  for (unsigned c = 0; c < 256; ++c) {
    const char character = static_cast<char>(c);
    const std::string text = std::string("<") + character + ">";
    EXPECT_EQ(Printable(text), c >= 0x20 && c <= 0x7E ? text : "<?>") << c;
  }
  EXPECT_EQ(Printable(""), "");
  EXPECT_EQ(Printable(std::string_view("a\0b", 3)), "a?b");
}

TEST(Log, OneLineStaysOneLine) {
  SystemLog log("", LogLevel::kInfo);
  EXPECT_EQ(StandardErrorOf([&log] { log.Error("name \"x\ny\x1B[31m\"\r\n"); }),
            "name \"x?y?[31m\"??\n");
}

TEST(Log, ALineIsNoFormat) {
  // With an ident, the same text goes to syslog.
  SystemLog log("varstored-test", LogLevel::kInfo);
  EXPECT_EQ(StandardErrorOf([&log] { log.Error("%s%n%x 100%"); }), "%s%n%x 100%\n");
}

TEST(Log, LessUrgentLinesAreLeftOut) {
  SystemLog log("", LogLevel::kWarning);
  const auto all = [&log] {
    log.Error("error");
    log.Warning("warning");
    log.Info("info");
    log.Debug("debug");
  };
  EXPECT_EQ(StandardErrorOf(all), "error\nwarning\n");
  log.set_level(LogLevel::kDebug);
  EXPECT_EQ(StandardErrorOf(all), "error\nwarning\ninfo\ndebug\n");
  log.set_level(LogLevel::kError);
  EXPECT_EQ(StandardErrorOf(all), "error\n");
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

}  // namespace
}  // namespace varstored::base
