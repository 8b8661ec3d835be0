#pragma once

#include "varstored/base/result.h"
#include "varstored/base/unique_fd.h"

namespace varstored::daemon {

/// SIGTERM, SIGINT and SIGHUP end the daemon. While it starts they do so at once, with exit code 0:
/// nothing was served, so nothing is to be saved, and a state that was saved before stays. Once it
/// serves they are read from a descriptor, so that the request at hand is finished first.
class StopSignals {
 public:
  /// From here on they end the process, and SIGPIPE is ignored.
  StopSignals();

  /// Opens the descriptor, which stays silent until ReadFromDescriptor.
  [[nodiscard]] base::Result<void> OpenDescriptor();
  /// From here on they make fd() readable.
  [[nodiscard]] base::Result<void> ReadFromDescriptor();
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  base::UniqueFd fd_;
};

}  // namespace varstored::daemon
