#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace varstored::tool {

/// What a line of progress says.
struct ProgressState {
  std::size_t done = 0;
  std::size_t total = 0;
  std::chrono::milliseconds elapsed{};  // since the first of them was begun
  std::string_view name;  // of what is worked on, as it came: it is made fit for a terminal
};

/// The line for a terminal, at most `columns` wide: a bar, the numbers, how many are done in a
/// second or a minute, the time left, and as much of the name as fits. Without a rate, and without
/// a time, as long as nothing is done or no second has passed. For example:
/// "[#####...............] 77 of 309, 3.1/s, 1 min 14 s left: web".
[[nodiscard]] std::string ProgressBar(const ProgressState& state, std::size_t columns);

/// The same without a bar and without a bound, for a log: "77 of 309, 3.1/s, ...".
[[nodiscard]] std::string ProgressWords(const ProgressState& state);

/// How far a tool is that works on one thing after the other, on standard error. On a terminal, if
/// TERM is not dumb, it is one line that is written anew, and gone at the end. Elsewhere it is a
/// plain line a minute, the first after a minute.
class Progress {
 public:
  /// Of `total` things; the time counts from here.
  explicit Progress(std::size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of them are done, and `name` (empty when it is not known yet) is worked on now. The
  /// name may be anybody's text.
  void Show(std::size_t done, std::string_view name);

 private:
  std::size_t total_;
  bool is_terminal_;
  std::chrono::steady_clock::time_point begin_;
  std::chrono::steady_clock::time_point said_;
};

}  // namespace varstored::tool
