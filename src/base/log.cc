#include "varstored/base/log.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <iterator>
#include <utility>

#include "varstored/base/unix_address.h"

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

/// Syslog's number of the facility "daemon" (RFC 3164, 4.1.1).
constexpr int kFacility = 3;

/// Of the text of a line: room for two paths, or for a large count of each reason. A page, which is
/// what WriteToStandardError can have at once, has the rest of the line as well.
constexpr std::size_t kMaxTextBytes = 3072;

/// A socket that sends datagrams to `path`, or none when nobody listens there.
UniqueFd ConnectTo(const std::string& path) {
  const auto address = UnixAddress(path);
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!address || !fd.valid() || ::connect(fd.get(), General(*address), sizeof *address) != 0) {
    return {};
  }
  return fd;
}

/// Whether standard error is a connection to `path`. (The variable JOURNAL_STREAM would say so too,
/// but not with the systemd of an older dom0.)
bool IsStandardErrorAt(const std::string& path) {
  sockaddr_un address = {};
  socklen_t size = sizeof address;
  return ::getpeername(STDERR_FILENO, static_cast<sockaddr*>(static_cast<void*>(&address)),
                       &size) == 0 &&
         address.sun_family == AF_UNIX && path == std::begin(address.sun_path);
}

/// False when the line is lost.
bool Send(const UniqueFd& socket, std::string_view datagram) {
  return socket.valid() &&
         ::send(socket.get(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/// The same for standard error, which is shared with others, so that it cannot be made one that
/// never waits. What is ready takes a line of this size: of a pipe, a page is free.
bool WriteToStandardError(std::string_view line) {
  pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  return ::poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0 &&
         ::write(STDERR_FILENO, line.data(), line.size()) >= 0;
}

/// The time to a second, which every host tells without a system call: a guest that makes
/// thousands of calls a second costs no more than that.
LineLimit::Clock::time_point Now() {
  timespec now = {};
  static_cast<void>(::clock_gettime(CLOCK_MONOTONIC_COARSE, &now));
  return LineLimit::Clock::time_point(std::chrono::seconds(now.tv_sec));
}

/// What `lines` has to say beside the line that is about to be written.
std::string NoteOf(const LineLimit::Lines& lines) {
  std::string note;
  if (lines.left_out != 0) {
    note = std::to_string(lines.left_out) + " more were left out before";
  }
  if (!lines.MayGoOn(Now())) {
    note += (note.empty() ? "" : ", ") + std::string("further ones are only counted for now");
  }
  return note.empty() ? note : " [" + note + "]";
}

}  // namespace

bool LineLimit::Take(std::string_view name, Clock::time_point now) {
  Lines& lines = Of(name, now);
  if (!lines.MayGoOn(now)) {
    ++lines.left_out;
    return false;
  }
  lines.full_at = std::max(lines.full_at, now) + kInterval;
  return true;
}

LineLimit::Lines& LineLimit::Of(std::string_view name, Clock::time_point now) {
  const auto found = std::ranges::find(lines_, name, &Lines::name);
  return found != lines_.end() ? *found : lines_.emplace_back(Lines{.name = name, .full_at = now});
}

SystemLog::SystemLog(std::string ident, LogLevel level, const LogPlaces& places)
    : ident_(std::move(ident)), level_(level), pid_(::getpid()) {
  if (ident_.empty()) {
    return;
  }
  const bool is_stderr_journal = IsStandardErrorAt(places.journal_stream);
  journal_ = ConnectTo(places.journal);
  if (journal_.valid()) {
    uses_stderr_ = !is_stderr_journal;
  } else if (!is_stderr_journal) {
    syslog_ = ConnectTo(places.syslog);
  }
}

void SystemLog::SetSubject(std::string domain, std::string vm) {
  domain_ = std::move(domain);
  vm_ = std::move(vm);
}

bool SystemLog::Admits(LogLevel level, std::string_view name) {
  return level <= level_ && limit_.Take(name, Now());
}

void SystemLog::Put(LogLevel level, std::string_view name, std::string_view text) {
  LineLimit::Lines& lines = limit_.Of(name);
  std::string message = std::string(name) + ": ";
  if (!domain_.empty()) {
    message += "domain " + domain_ + ": ";
  }
  message += Printable(text.substr(0, kMaxTextBytes));
  message += text.size() > kMaxTextBytes ? "..." : "";
  message += NoteOf(lines);

  bool is_told = false;
  if (journal_.valid()) {
    is_told = Send(journal_, JournalEntry(level, name, message));
  } else if (syslog_.valid()) {
    // Without a time: the daemon that reads it has one, and no file for the time zone is needed.
    is_told = Send(syslog_, "<" + std::to_string(kFacility * 8 + static_cast<int>(level)) + ">" +
                                ident_ + "[" + std::to_string(pid_) + "]: " + message);
  }
  if (uses_stderr_) {
    is_told = WriteToStandardError(message + "\n") || is_told;
  }
  lines.left_out = is_told ? 0 : lines.left_out + 1;
}

/// One entry (systemd.io/JOURNAL_NATIVE_PROTOCOL): fields whose values have no newline.
std::string SystemLog::JournalEntry(LogLevel level, std::string_view name,
                                    std::string_view message) const {
  std::string entry;
  const auto add = [&entry](std::string_view field, std::string_view value) {
    if (!value.empty()) {
      entry += std::string(field) + "=" + Printable(value) + "\n";
    }
  };
  add("MESSAGE", message);
  add("PRIORITY", std::to_string(static_cast<int>(level)));
  add("SYSLOG_FACILITY", std::to_string(kFacility));
  add("SYSLOG_IDENTIFIER", ident_);
  add("SYSLOG_PID", std::to_string(pid_));
  add("VARSTORED_REASON", name);
  add("VARSTORED_DOMAIN", domain_);
  add("VARSTORED_VM", vm_);
  return entry;
}

void SystemLog::SayWhatIsLeftOut() {
  std::string text;
  for (const LineLimit::Lines& lines : limit_.all()) {
    if (lines.left_out != 0) {
      text += (text.empty() ? "" : ", ") + std::string(lines.name) + " " +
              std::to_string(lines.left_out);
    }
  }
  if (!text.empty()) {
    Say(Event::kLinesLeftOut, text);
  }
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
