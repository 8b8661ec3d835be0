#pragma once

#include <sys/types.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/event.h"
#include "varstored/base/unique_fd.h"

namespace varstored::base {

/// Where log lines go. One object is made in main and passed to those who log.
class Log {
 public:
  virtual ~Log() = default;

  /// One line, without a newline at its end. `name` is what the line is found by: that of an event
  /// or a reason, in memory that stays. Control characters arrive as they are: whoever writes the
  /// line out replaces them, as a guest may have chosen them.
  void Write(LogLevel level, std::string_view name, std::string_view text) {
    if (Admits(level, name)) {
      Put(level, name, text);
    }
  }
  /// The same, but `make_text` is asked for the text only if the line is written.
  template <std::invocable MakeText>
  void Write(LogLevel level, std::string_view name, const MakeText& make_text) {
    if (Admits(level, name)) {
      Put(level, name, make_text());
    }
  }
  /// A line at the level of `event`.
  template <class Text>
  void Say(Event event, const Text& text) {
    Write(LevelOf(event), EventName(event), text);
  }

  /// What a tool says to whoever has called it, for which it needs no name.
  void Error(std::string_view text) { Write(LogLevel::kError, {}, text); }
  void Warning(std::string_view text) { Write(LogLevel::kWarning, {}, text); }
  void Info(std::string_view text) { Write(LogLevel::kInfo, {}, text); }

 private:
  /// Asked once before each line. A line that is not admitted is lost.
  virtual bool Admits(LogLevel /*level*/, std::string_view /*name*/) { return true; }
  virtual void Put(LogLevel level, std::string_view name, std::string_view text) = 0;
};

/// How many lines there may be of each name, since guests decide how often most of them are due:
/// kBurst at once, and a further one each kInterval. Of a flood there is always a line to be found
/// that is younger than that, and what happens after a quiet hour is told in full.
class LineLimit {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr int kBurst = 8;
  static constexpr std::chrono::minutes kInterval = std::chrono::minutes(10);

  /// The lines of a name.
  struct Lines {
    std::string_view name;
    /// When as many are allowed again as at the start.
    Clock::time_point full_at;
    /// Since the last one that was written.
    std::uint64_t left_out = 0;

    [[nodiscard]] bool MayGoOn(Clock::time_point now) const {
      return full_at <= now + (kBurst - 1) * kInterval;
    }
  };

  /// Takes one line from what `name` has, or counts it as left out.
  [[nodiscard]] bool Take(std::string_view name, Clock::time_point now);

  /// The lines of a name, which must have been taken from before.
  [[nodiscard]] Lines& Of(std::string_view name, Clock::time_point now = {});
  [[nodiscard]] const std::vector<Lines>& all() const { return lines_; }

 private:
  std::vector<Lines> lines_;
};

/// Where a host takes lines; others are for tests.
struct LogPlaces {
  std::string journal = "/run/systemd/journal/socket";
  /// What standard error is connected to when the journal reads it.
  std::string journal_stream = "/run/systemd/journal/stdout";
  std::string syslog = "/dev/log";
};

/// The host's log: lines of `level` and more urgent ones, as many as LineLimit allows, in the form
/// of docs/troubleshooting.md. They go to standard error and, when `ident` is not empty, to the
/// journal with fields, or where there is none to syslog (facility daemon). Standard error has no
/// part in it when it is the journal's as well.
///
/// The log is never waited for, because a guest's virtual CPU would wait too: a line that nobody
/// takes at once is lost, and counted. All that is needed is opened at once, so that it is still
/// there after a chroot.
class SystemLog final : public Log {
 public:
  SystemLog(std::string ident, LogLevel level, const LogPlaces& places = LogPlaces());

  void set_level(LogLevel level) { level_ = level; }
  /// Whose variables it is about: the number of the domain and the VM's uuid; empty: not known.
  void SetSubject(std::string domain, std::string vm);

  /// How many lines of which names were left out since the last one of each, unless there are none.
  void SayWhatIsLeftOut();

 private:
  bool Admits(LogLevel level, std::string_view name) override;
  void Put(LogLevel level, std::string_view name, std::string_view text) override;

  [[nodiscard]] std::string JournalEntry(LogLevel level, std::string_view name,
                                         std::string_view message) const;

  std::string ident_;
  LogLevel level_;
  pid_t pid_;
  std::string domain_;
  std::string vm_;
  UniqueFd journal_;
  UniqueFd syslog_;  // only where there is no journal
  bool uses_stderr_ = true;
  LineLimit limit_;
};

/// "error", "warning", "info" or "debug", to a level; false for any other word.
[[nodiscard]] bool ParseLogLevel(std::string_view word, LogLevel& level);

/// `text` with every byte outside of printable ASCII replaced by '?', so that one line of a guest's
/// choice stays one line.
[[nodiscard]] std::string Printable(std::string_view text);

}  // namespace varstored::base
