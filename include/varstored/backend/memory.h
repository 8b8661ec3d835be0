#pragma once

#include <optional>
#include <string>
#include <vector>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/store/backend.h"

namespace varstored::backend {

/// Keeps nothing: the variables end with the process. For tests and tools.
class MemoryBackend final : public store::Backend {
 public:
  /// `init_path` is a file with a `VARS` blob, whose non-volatile variables count as what the last
  /// boot left behind; without it there was no boot yet. `log` belongs to the caller and outlives
  /// this object.
  MemoryBackend(std::optional<std::string> init_path, base::Log& log);

  /// Fails, naming the file, when it is not there or does not hold a blob.
  [[nodiscard]] base::Result<std::optional<std::vector<store::Entry>>> Load() override;
  [[nodiscard]] base::Result<void> Commit(const store::StagedStore& staged) override;
  /// The log is the only operator here.
  [[nodiscard]] base::Result<void> ReportSecureBootFailure() override;

 private:
  std::optional<std::string> init_path_;
  base::Log& log_;
};

}  // namespace varstored::backend
