#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "varstored/backend/meanwhile.h"
#include "varstored/base/result.h"

namespace varstored::backend {

using Clock = std::chrono::steady_clock;

/// Larger answers are refused: the largest honest one holds a VM's variables, in base64.
inline constexpr std::size_t kMaxAnswerBytes = std::size_t{2} * 1024 * 1024;

struct HttpError {
  enum class Kind {
    kUnreachable,   // nobody listens, or the socket is not there; nothing was sent
    kClosedEarly,   // the other side went away before it had answered
    kTimedOut,      // the deadline has passed
    kStopped,       // `stop_fd` became readable
    kNotUnderstood  // the answer is too large, no HTTP, or not "200"
  };

  Kind kind;
  std::string message;
};

/// The body of the answer to POST / with `body` (text/xml) on the unix socket at `path`, over a
/// connection of its own. It ends at `deadline`, and at once when `stop_fd` can be read (-1: none).
/// `meanwhile` (null: nobody) is served as long as it waits.
[[nodiscard]] base::Result<std::string, HttpError> Post(const std::string& path,
                                                        std::string_view body,
                                                        Clock::time_point deadline, int stop_fd,
                                                        Meanwhile* meanwhile = nullptr);

/// Waits until `deadline`, and serves `meanwhile`. False when `stop_fd` became readable before.
[[nodiscard]] bool PauseUntil(Clock::time_point deadline, int stop_fd,
                              Meanwhile* meanwhile = nullptr);

/// Whether `stop_fd` can be read already.
[[nodiscard]] bool IsToldToStop(int stop_fd);

}  // namespace varstored::backend
