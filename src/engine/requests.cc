#include "varstored/engine/requests.h"

#include "varstored/efi/variable_name.h"
#include "varstored/store/variable.h"

namespace varstored::engine {

std::optional<Reason> CheckNameLength(std::uint64_t name_bytes) {
  return name_bytes > efi::kMaxNameBytes ? std::optional(Reason::kNameTooLong) : std::nullopt;
}

std::optional<Reason> CheckSetLengths(std::uint64_t name_bytes, std::uint64_t data_bytes) {
  if (name_bytes == 0) {
    return Reason::kNameEmpty;
  }
  if (const auto refused = CheckNameLength(name_bytes)) {
    return refused;
  }
  return data_bytes > store::kMaxDataBytes ? std::optional(Reason::kDataTooLong) : std::nullopt;
}

}  // namespace varstored::engine
