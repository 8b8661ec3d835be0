#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "varstored/base/result.h"
#include "varstored/store/backend.h"

namespace varstored::backend {

/// A VM whose variables are reset by each boot: it starts from what another backend keeps, and
/// changes nothing there. So an update of certificates that was asked for stays to be done.
class NonPersistent final : public store::Backend {
 public:
  explicit NonPersistent(std::unique_ptr<store::Backend> kept);

  [[nodiscard]] base::Result<std::optional<std::vector<store::Entry>>> Load() override;
  /// Succeeds without keeping anything.
  [[nodiscard]] base::Result<void> Commit(const store::StagedStore& staged) override;
  [[nodiscard]] base::Result<void> ReportSecureBootFailure() override;
  void ReportNotInForce(std::string_view why) override;

 private:
  std::unique_ptr<store::Backend> kept_;
};

}  // namespace varstored::backend
