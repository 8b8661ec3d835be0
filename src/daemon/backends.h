#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/daemon/options.h"
#include "varstored/store/backend.h"

namespace varstored::daemon {

struct BackendArgument {
  std::string_view name;
  bool is_required;
};

/// A place where variables can be kept, as --backend names it.
struct BackendKind {
  std::string_view name;
  std::span<const BackendArgument> arguments;
  /// All required arguments are there. `log` outlives the backend. A call that would block ends
  /// when `stop_fd` becomes readable.
  base::Result<std::unique_ptr<store::Backend>> (*open)(const Options& options, int stop_fd,
                                                        base::Log& log);

  [[nodiscard]] bool Takes(std::string_view argument) const;
};

/// All of them.
[[nodiscard]] std::span<const BackendKind> Backends();

/// The one with this name, or null.
[[nodiscard]] const BackendKind* FindBackend(std::string_view name);

}  // namespace varstored::daemon
