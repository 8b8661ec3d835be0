#include "varstored/base/log.h"

#include <syslog.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <utility>

namespace varstored::base {
namespace {

struct LevelWord {
  std::string_view word;
  LogLevel level;
};

constexpr std::array<LevelWord, 4> kLevelWords = {{
    {"error", LogLevel::kError},
    {"warning", LogLevel::kWarning},
    {"info", LogLevel::kInfo},
    {"debug", LogLevel::kDebug},
}};

}  // namespace

SystemLog::SystemLog(std::string ident, LogLevel level) : ident_(std::move(ident)), level_(level) {
  if (!ident_.empty()) {
    // A line to syslog has the local time. What is needed for that may be out of reach later.
    ::tzset();
    ::openlog(ident_.c_str(), LOG_PID | LOG_NDELAY, LOG_DAEMON);
  }
}

SystemLog::~SystemLog() {
  if (!ident_.empty()) {
    ::closelog();
  }
}

void SystemLog::Write(LogLevel level, std::string_view line) {
  if (level > level_) {
    return;
  }
  std::string text = Printable(line);
  if (!ident_.empty()) {
    ::syslog(static_cast<int>(level), "%s", text.c_str());
  }
  text.push_back('\n');
  // A log line that cannot be written has nowhere else to go.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

bool ParseLogLevel(std::string_view word, LogLevel& level) {
  for (const LevelWord& row : kLevelWords) {
    if (row.word == word) {
      level = row.level;
      return true;
    }
  }
  return false;
}

std::string Printable(std::string_view text) {
  std::string printable(text);
  for (char& c : printable) {
    if (c < ' ' || c > '~') {
      c = '?';
    }
  }
  return printable;
}

}  // namespace varstored::base
