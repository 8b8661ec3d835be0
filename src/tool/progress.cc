#include "varstored/tool/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "varstored/health/text.h"
#include "varstored/tool/terminal.h"

namespace varstored::tool {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kBarColumns = 20;
constexpr std::size_t kFewestColumns = 20;
constexpr std::chrono::minutes kBetweenPlainLines(1);

std::size_t Columns() {
  // A character in the last column would make some terminals begin a new line.
  return std::max(ColumnsOf(STDERR_FILENO).value_or(80), kFewestColumns) - 1;
}

void Write(const std::string& text) {
  // What cannot be shown is no reason to stop.
  static_cast<void>(std::fputs(text.c_str(), stderr));
  static_cast<void>(std::fflush(stderr));
}

/// "3.1/s"; "12/min" where it is less than one a second, "40/h" where it is less than one a minute.
std::string RateText(std::uint64_t done, std::uint64_t elapsed_ms) {
  const std::uint64_t tenths = done * 10000 / elapsed_ms;
  if (tenths >= 10) {
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + "/s";
  }
  const std::uint64_t in_a_minute = done * 60000 / elapsed_ms;
  return in_a_minute != 0 ? std::to_string(in_a_minute) + "/min"
                          : std::to_string(done * 3600000 / elapsed_ms) + "/h";
}

std::string TimeText(std::uint64_t seconds) {
  if (seconds < 60) {
    return std::to_string(seconds) + " s";
  }
  if (seconds < 3600) {
    return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
  }
  return std::to_string(seconds / 3600) + " h " + std::to_string(seconds / 60 % 60) + " min";
}

}  // namespace

std::string ProgressWords(const ProgressState& state) {
  std::string text = std::to_string(state.done) + " of " + std::to_string(state.total);
  const auto elapsed_ms =
      static_cast<std::uint64_t>(std::max(state.elapsed, milliseconds(0)).count());
  if (state.done != 0 && elapsed_ms >= 1000) {
    const std::uint64_t left = state.total - std::min(state.done, state.total);
    text += ", " + RateText(state.done, elapsed_ms) + ", " +
            TimeText((left * elapsed_ms / state.done + 999) / 1000) + " left";
  }
  return text + (state.name.empty() ? "" : ": " + health::ForTerminal(state.name));
}

std::string ProgressBar(const ProgressState& state, std::size_t columns) {
  const std::size_t full = state.total == 0
                               ? kBarColumns
                               : std::min(state.done, state.total) * kBarColumns / state.total;
  return health::Cut("[" + std::string(full, '#') + std::string(kBarColumns - full, '.') + "] " +
                         ProgressWords(state),
                     columns);
}

Progress::Progress(std::size_t total)
    : total_(total),
      is_terminal_(IsTerminal(STDERR_FILENO)),
      begin_(std::chrono::steady_clock::now()),
      said_(begin_) {}

Progress::~Progress() {
  if (is_terminal_) {
    Write("\r\x1b[K");
  }
}

void Progress::Show(std::size_t done, std::string_view name) {
  const auto now = std::chrono::steady_clock::now();
  const ProgressState state = {done, total_, std::chrono::duration_cast<milliseconds>(now - begin_),
                               name};
  if (is_terminal_) {
    Write("\r" + ProgressBar(state, Columns()) + "\x1b[K");
  } else if (now - said_ >= kBetweenPlainLines) {
    said_ = now;
    Write(ProgressWords(state) + "\n");
  }
}

}  // namespace varstored::tool
