#include "varstored/backend/non_persistent.h"

#include <utility>

namespace varstored::backend {

NonPersistent::NonPersistent(std::unique_ptr<store::Backend> kept) : kept_(std::move(kept)) {}

base::Result<std::optional<std::vector<store::Entry>>> NonPersistent::Load() {
  return kept_->Load();
}

base::Result<void> NonPersistent::Commit(const store::StagedStore& /*staged*/) { return {}; }

base::Result<void> NonPersistent::ReportSecureBootFailure() {
  return kept_->ReportSecureBootFailure();
}

void NonPersistent::ReportNotInForce(std::string_view why) { kept_->ReportNotInForce(why); }

}  // namespace varstored::backend
