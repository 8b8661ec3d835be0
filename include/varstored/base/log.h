#pragma once

#include <string>
#include <string_view>

namespace varstored::base {

/// How urgent a line is; the values and their meaning are syslog's (RFC 5424, 6.2.1).
enum class LogLevel { kError = 3, kWarning = 4, kInfo = 6, kDebug = 7 };

/// Where log lines go. One object is made in main and passed to those who log.
class Log {
 public:
  virtual ~Log() = default;
  /// One line, without a newline at its end. Control characters arrive as they are: whoever writes
  /// the line out replaces them, as a guest may have chosen them.
  virtual void Write(LogLevel level, std::string_view line) = 0;

  void Error(std::string_view line) { Write(LogLevel::kError, line); }
  void Warning(std::string_view line) { Write(LogLevel::kWarning, line); }
  void Info(std::string_view line) { Write(LogLevel::kInfo, line); }
  void Debug(std::string_view line) { Write(LogLevel::kDebug, line); }
};

/// Lines of `level` and more urgent ones to standard error and, when `ident` is not empty, to
/// syslog (facility daemon) under that name. The connection to syslog is opened at once, so that it
/// is still there after a chroot.
class SystemLog final : public Log {
 public:
  SystemLog(std::string ident, LogLevel level);
  ~SystemLog() override;
  SystemLog(const SystemLog&) = delete;
  SystemLog& operator=(const SystemLog&) = delete;

  void set_level(LogLevel level) { level_ = level; }
  void Write(LogLevel level, std::string_view line) override;

 private:
  std::string ident_;  // syslog keeps a pointer to it
  LogLevel level_;
};

/// "error", "warning", "info" or "debug", to a level; false for any other word.
[[nodiscard]] bool ParseLogLevel(std::string_view word, LogLevel& level);

/// `text` with every byte outside of printable ASCII replaced by '?', so that one line of a guest's
/// choice stays one line.
[[nodiscard]] std::string Printable(std::string_view text);

}  // namespace varstored::base
