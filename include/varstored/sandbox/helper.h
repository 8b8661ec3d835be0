#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/base/unique_fd.h"

namespace varstored::sandbox {

/// What a helper keeps of what the caller can do.
enum class HelperKeeps : std::uint8_t {
  kNothing,     // it has the bytes that it is given; root becomes nobody
  kConnecting,  // and opens connections to unix sockets, as the caller's user
  kFiles,       // it has the bytes, and the descriptors of two open files; root becomes nobody
};

/// Readable once the process is told to stop; shared by all helpers of a program.
struct Stop {
  int fd = -1;
  /// What a helper that is at work may still take, after the first look at `fd` that found it
  /// readable.
  std::chrono::milliseconds grace{0};
  std::optional<std::chrono::steady_clock::time_point> since = {};
};

/// A process that looks at foreign bytes for a tool. It has given up everything before it sees one:
/// files, descriptors, child processes, capabilities, memory beyond a bound, processor time beyond
/// a bound, and all system calls that the list has no line for in its section (docs/security.md,
/// "The tools"). Questions and answers are bytes. An answer is bounded, and as foreign to the
/// caller as what the helper looked at.
class Helper {
 public:
  /// What is done about one request. What is logged reaches the caller's log with the answer.
  using Work = std::function<base::Result<base::Bytes>(base::ByteSpan request)>;
  /// Called in the helper when it has given up everything: makes the work. `stop_fd` can be read
  /// once nobody waits for an answer any more. `log` outlives the work.
  using Begin = std::function<Work(int stop_fd, base::Log& log)>;

  static constexpr int kFirstFile = 4;

  struct Options {
    HelperKeeps keeps = HelperKeeps::kNothing;
    /// kFiles: those that it has, from kFirstFile on, in this order. They stay the caller's.
    std::vector<int> files = {};
    /// The largest that one of them may become, in bytes.
    std::uint64_t max_file_bytes = 0;
    /// What the helper may have of addresses, the caller's memory included.
    std::uint64_t memory_bytes = std::uint64_t{256} << 20;
    /// The longest is a report in JSON of a list with as many entries as fit into a file.
    std::size_t max_answer_bytes = std::size_t{64} << 20;
    /// Null: the process ends by the signal itself.
    Stop* stop = nullptr;
    /// Called once, when an answer is waited for longer than two seconds: to say so. May be empty.
    std::function<void()> on_wait = {};
  };

  /// Forks the helper, which has what the caller's memory holds now. The caller has one thread.
  [[nodiscard]] static base::Result<Helper> Start(const Options& options, const Begin& begin);
  /// Lets the helper end, and waits for that.
  ~Helper();
  Helper(Helper&& other) noexcept;
  Helper& operator=(Helper&&) = delete;
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

  /// The answer to `request`. Fails with the work's own words; or when the helper has ended, with
  /// what ended it. What the work logs goes to `log`, with what the caller does to lines.
  [[nodiscard]] base::Result<base::Bytes> Ask(base::ByteSpan request, base::Log& log);

 private:
  Helper(Options options, pid_t process, base::UniqueFd socket);

  /// Waits until the answer can be read; gives up when the time after a stop is over.
  [[nodiscard]] bool MayRead();
  /// All of `size` bytes, or false.
  [[nodiscard]] bool Receive(std::size_t size, base::Bytes& bytes);
  /// Why there is no answer.
  [[nodiscard]] base::Failure<base::Error> Ended();

  Options options_;
  pid_t process_;
  base::UniqueFd socket_;
};

/// For who decodes an answer: it has not the form that the work gives it.
[[nodiscard]] base::Failure<base::Error> BrokenAnswer();

/// Does `work` in a helper that keeps nothing, on bytes that the caller's memory holds.
[[nodiscard]] base::Result<base::Bytes> InHelper(
    const std::function<base::Result<base::Bytes>(base::Log& log)>& work, base::Log& log,
    const Helper::Options& options = {});

/// The same for work that gives a text.
[[nodiscard]] base::Result<std::string> TextInHelper(
    const std::function<base::Result<std::string>(base::Log& log)>& work, base::Log& log);

}  // namespace varstored::sandbox
