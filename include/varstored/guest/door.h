#pragma once

#include <poll.h>

#include <array>
#include <optional>
#include <string>

#include "varstored/base/result.h"
#include "varstored/guest/dispatcher.h"

namespace varstored::guest {

/// What is known about a VM before it is served: values below `platform/` in the domain's part of
/// xenstore, which the toolstack has put there, and whether it was served before.
struct Platform {
  std::optional<std::string> secureboot;
  std::optional<std::string> auth_enforce;
  std::optional<std::string> secureboot_enforce;
  /// A daemon that has ended has served the guest, which goes on from there and does not boot.
  bool is_taken_over = false;
  /// A word that no daemon has had before this one, of this VM or another. From Announce on the
  /// daemon that takes over from this one finds it in `former_start`; empty where there is none.
  std::string start;
  /// The word of the daemon that has served the guest until now; empty where there is none.
  std::string former_start;
};

/// The way by which a guest's accesses to the ports reach the daemon. A door is used in the order
/// of its functions.
class Door {
 public:
  enum class Guest { kThere, kGone };

  virtual ~Door() = default;

  /// While the process still has every right that it was started with: opens all that is needed
  /// later, and gives what the toolstack says. Nobody can call yet.
  [[nodiscard]] virtual base::Result<Platform> Prepare() = 0;

  /// Tells the world that the guest is served from now on. This runs in a helper process, forked
  /// after Prepare, that keeps the rights and the folders that the daemon gives up: so a memory of
  /// it is not the daemon's, and what it opens the daemon never holds.
  [[nodiscard]] virtual base::Result<void> Announce() = 0;
  /// In the helper process instead of Announce, when the start has failed: removes what Prepare
  /// left outside of the process.
  virtual void Withdraw() = 0;

  /// What poll is given; a descriptor of -1 is none.
  using Waits = std::array<pollfd, 2>;

  /// What the loop has to wait for before HandleReady, which may be something else after each call.
  [[nodiscard]] virtual Waits waits_for() const = 0;
  /// Serves what is ready, which is in what poll has made of waits_for's result. It does not wait
  /// for anything but the backend. An error ends the daemon.
  [[nodiscard]] virtual base::Result<Guest> HandleReady(const Waits& waited,
                                                        Dispatcher& dispatcher) = 0;

  /// Lets go of the guest: nothing of it stays mapped.
  virtual void Close() = 0;
};

}  // namespace varstored::guest
