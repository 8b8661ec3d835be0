// A saved state as another host sends it, and what a toolstack's database holds: a `VARS` blob, as
// it is or in base64. Input: the bytes of the file.

#include <string_view>

#include "engine/failing_backend.h"
#include "support.h"
#include "varstored/base/base64.h"
#include "varstored/engine/variable_services.h"
#include "varstored/store/vars_blob.h"

namespace varstored::fuzz {
namespace {

std::vector<const store::Entry*> PointersTo(const std::vector<store::Entry>& entries) {
  std::vector<const store::Entry*> pointers;
  for (const store::Entry& entry : entries) {
    pointers.push_back(&entry);
  }
  return pointers;
}

void CheckBlob(base::ByteSpan bytes) {
  const auto blob = store::DecodeVarsBlob(bytes);
  Silence log;
  engine::FailingBackend backend;
  engine::VariableServices services({}, backend, log);
  const bool resumed = services.Resume(bytes).ok();
  Require(blob.ok() || !resumed, "only a blob can be resumed");
  if (!blob) {
    return;
  }
  const base::Bytes encoded = store::EncodeVarsBlob(blob->ancillary, PointersTo(blob->entries));
  const auto again = store::DecodeVarsBlob(encoded);
  Require(again.ok() && again->entries == blob->entries && again->ancillary == blob->ancillary,
          "a blob that is written is read as the same");
  if (resumed) {
    const base::Bytes saved = services.Save();
    engine::VariableServices next({}, backend, log);
    Require(next.Resume(saved).ok() && next.Save() == saved, "a saved state is resumed as it was");
  }
  // The same entries as what a backend has kept. A boot can refuse them, and has to say so.
  engine::FailingBackend kept(blob->entries);
  engine::VariableServices booted({.secure_boot = true}, kept, log);
  static_cast<void>(booted.Boot({}).ok());
}

}  // namespace
}  // namespace varstored::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  const base::ByteSpan bytes(data, size);
  fuzz::CheckBlob(bytes);
  if (const auto decoded = base::DecodeBase64(base::ToString(bytes))) {
    const auto again = base::DecodeBase64(base::EncodeBase64(*decoded));
    fuzz::Require(again.ok() && *again == *decoded, "base64 is read as it was written");
    fuzz::CheckBlob(*decoded);
  }
  return 0;
}
