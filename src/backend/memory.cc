#include "varstored/backend/memory.h"

#include <utility>

#include "varstored/base/file.h"
#include "varstored/store/vars_blob.h"

namespace varstored::backend {

MemoryBackend::MemoryBackend(std::optional<std::string> init_path, base::Log& log)
    : init_path_(std::move(init_path)), log_(log) {}

base::Result<std::optional<std::vector<store::Entry>>> MemoryBackend::Load() {
  if (!init_path_) {
    return std::optional<std::vector<store::Entry>>();
  }
  const auto bytes = base::ReadFile(*init_path_, store::kMaxBlobBytes);
  if (!bytes) {
    return bytes.failure();
  }
  auto blob = store::DecodeVarsBlob(*bytes);
  if (!blob) {
    return base::Fail(*init_path_ + ": " + blob.error().message);
  }
  // In a save file there is more than what a backend keeps.
  std::erase_if(blob->entries,
                [](const store::Entry& entry) { return !entry.Has(efi::kNonVolatile); });
  return std::optional(std::move(blob->entries));
}

base::Result<void> MemoryBackend::Commit(const store::StagedStore& /*staged*/) { return {}; }

base::Result<void> MemoryBackend::ReportSecureBootFailure() {
  log_.Say(base::Event::kSecureBootRefusal,
           "the guest's firmware refused an image that Secure Boot does not allow");
  return {};
}

}  // namespace varstored::backend
