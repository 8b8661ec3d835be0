#pragma once

#include <poll.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

#include "varstored/base/bytes.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/base/unique_fd.h"
#include "varstored/live/snapshot.h"

namespace varstored::daemon {

/// Tells whoever connects how the VM is (docs/formats.md, "The snapshot of a running VM"), and
/// listens to nobody: a client gets the bytes of that moment and the end of the connection. One
/// client at a time. What it does, or does not do, costs the guest no more than the time of one
/// snapshot.
class LiveSocket {
 public:
  /// Nobody can connect.
  LiveSocket() = default;

  /// Makes a socket in `folder`, which is made if missing and has to be out of everybody else's
  /// reach. It takes the place of one of that name; sockets there that no process has any more are
  /// removed, unless another process holds the folder's lock for a second. To be called with the
  /// rights of the user who may connect, which is root. `client_budget` is how long a client may
  /// take to read a snapshot that the kernel does not take at once, as that of a store that is
  /// larger than one may be; `rest` is how long nobody is accepted after the kernel could not do
  /// it, for want of descriptors or memory.
  [[nodiscard]] static base::Result<LiveSocket> Open(
      std::string folder, const live::SocketName& name,
      std::chrono::milliseconds client_budget = std::chrono::seconds(5),
      std::chrono::milliseconds rest = std::chrono::seconds(5));

  [[nodiscard]] bool is_open() const { return listener_.valid(); }

  /// What poll is given, and how long it may wait, in milliseconds; -1: without end.
  [[nodiscard]] pollfd waits_for() const;
  [[nodiscard]] int milliseconds() const;

  using MakeSnapshot = std::function<base::Bytes()>;

  /// To be called whenever poll has returned, with what it made of waits_for's result. Never waits.
  /// A client that gets nothing, for want of memory too, sees the end of the connection.
  void HandleReady(const pollfd& waited, const MakeSnapshot& make_snapshot,
                   base::Log& log) noexcept;

 private:
  void Accept(const MakeSnapshot& make_snapshot, base::Log& log);
  void Send();
  void DropClient();
  [[nodiscard]] bool IsResting() const;

  base::UniqueFd listener_;
  uid_t owner_ = 0;
  std::chrono::milliseconds client_budget_{};
  std::chrono::milliseconds rest_{};
  std::chrono::steady_clock::time_point rests_until_;
  base::UniqueFd client_;
  base::Bytes snapshot_;
  std::size_t sent_ = 0;
  std::chrono::steady_clock::time_point deadline_;
};

}  // namespace varstored::daemon
