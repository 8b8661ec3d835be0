#pragma once

#include <poll.h>

namespace varstored::backend {

/// Somebody who is served while a backend waits, since the process has one thread: whoever looks
/// into the running VM. Nothing that it does reaches the backend.
class Meanwhile {
 public:
  virtual ~Meanwhile() = default;

  /// What poll is given, and how long it may wait, in milliseconds; -1: without end.
  [[nodiscard]] virtual pollfd waits_for() const = 0;
  [[nodiscard]] virtual int milliseconds() const = 0;
  /// To be called whenever poll has returned, with what it made of waits_for's result. Never waits.
  virtual void HandleReady(const pollfd& waited) noexcept = 0;
};

}  // namespace varstored::backend
