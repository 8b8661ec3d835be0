#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arguments.h"
#include "domains.h"
#include "varstored/base/result.h"
#include "varstored/base/unique_fd.h"

namespace varstored::xl {

/// What is served, and how.
struct Launch {
  std::uint16_t domain = 0;
  /// Go on from the saved state when it is there, and else from the store.
  bool resumes = false;
  /// A daemon of this very domain is ended, as after a soft reset, in which a domain loses all that
  /// serves it.
  bool replaces = false;
  /// Where the daemon's messages go.
  int log = 2;
};

/// A varstored that is ready to serve.
class Daemon {
 public:
  /// Starts varstored, the one beside this program, and returns when it is ready. It is nobody's
  /// child, and holds no descriptor but its log. An earlier daemon of the same VM is ended first
  /// when its domain is gone. Whatever fails, no new daemon is left behind.
  [[nodiscard]] static base::Result<Daemon> Start(const Domains& domains, const Settings& settings,
                                                  const Launch& launch);

  /// Has the daemon save its state and end, and waits for that.
  void End() const;

 private:
  explicit Daemon(base::UniqueFd process) : process_(std::move(process)) {}

  base::UniqueFd process_;
};

}  // namespace varstored::xl
