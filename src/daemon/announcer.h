#pragma once

#include <sys/types.h>

#include "varstored/base/result.h"
#include "varstored/base/unique_fd.h"
#include "varstored/guest/door.h"

namespace varstored::daemon {

/// The helper process that runs Door::Announce. It is forked while the daemon still has its rights,
/// and waits for one byte, which is sent when the variables are loaded. Should the daemon end
/// before, for whatever reason, the helper runs Door::Withdraw instead.
class Announcer {
 public:
  /// `door` is prepared.
  [[nodiscard]] static base::Result<Announcer> Fork(guest::Door& door);

  Announcer(Announcer&& other) noexcept;
  Announcer& operator=(Announcer&&) = delete;
  Announcer(const Announcer&) = delete;
  Announcer& operator=(const Announcer&) = delete;
  /// Waits for the end of the helper.
  ~Announcer();

  /// Has the door announced, once, and returns when that is done and the helper has ended.
  [[nodiscard]] base::Result<void> Announce();

 private:
  Announcer(base::UniqueFd socket, pid_t helper) : socket_(std::move(socket)), helper_(helper) {}

  void EndHelper();

  base::UniqueFd socket_;
  pid_t helper_;
};

}  // namespace varstored::daemon
