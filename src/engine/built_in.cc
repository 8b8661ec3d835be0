#include "built_in.h"

#include <string>
#include <utility>

namespace varstored::engine {

void StageBuiltIn(store::StagedStore& staged, const efi::WellKnownVariable& variable,
                  efi::Attributes attributes, base::Bytes data) {
  staged.Put(store::MakeEntry({.name = std::string(variable.name),
                               .vendor = variable.vendor,
                               .attributes = attributes.raw(),
                               .data = std::move(data)}));
}

std::optional<std::uint8_t> SingleByte(const store::Entry* entry) {
  if (entry == nullptr || entry->data().size() != 1) {
    return std::nullopt;
  }
  return entry->data().front();
}

}  // namespace varstored::engine
