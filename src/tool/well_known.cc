#include "varstored/tool/well_known.h"

#include "varstored/base/file.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"
#include "varstored/efi/well_known_names.h"

namespace varstored::tool {

std::string HintOfPlace(const store::Key& key) {
  const auto vendor = efi::WellKnownVendor(key.name);
  return vendor && *vendor != key.vendor
             ? ": " + efi::EscapeName(key.name) + " belongs under " + efi::ToText(*vendor) +
                   " (leave the GUID out, and it is this one)"
             : "";
}

bool IsUnderTheOtherGuid(const store::Key& key) {
  const auto vendor = efi::WellKnownVendor(key.name);
  return vendor && *vendor != key.vendor &&
         (key.vendor == efi::kGlobalVariableGuid || key.vendor == efi::kImageSecurityDatabaseGuid);
}

base::Result<NamedVariable> ParseWellKnownVariable(std::string_view name) {
  auto variable = ParseNamedVariable(efi::ToText(efi::kGlobalVariableGuid), name);
  if (!variable) {
    return variable;
  }
  const auto vendor = efi::WellKnownVendor(variable->key().name);
  if (!vendor) {
    return base::Fail("'" + base::Printable(name) +
                      "' is no name that the specifications know: give its GUID too, which "
                      "varstore-ls shows");
  }
  variable->vendor = *vendor;
  return variable;
}

base::Result<NamedVariable> TakeVariable(PlaceOptions& place, std::vector<std::string>& operands,
                                         std::size_t others) {
  const std::size_t place_operands = place.backend.empty() ? 1 : 0;
  const bool is_name_alone =
      operands.size() == place_operands + 1 + others && !efi::ParseGuid(operands[place_operands]);
  if (auto taken = TakePlace(place, operands, others + (is_name_alone ? 1 : 2)); !taken) {
    return taken.failure();
  }
  auto variable = is_name_alone ? ParseWellKnownVariable(operands.front())
                                : ParseNamedVariable(operands.front(), operands[1]);
  if (!variable) {
    return Misuse(variable.error().message);
  }
  operands.erase(operands.begin(), operands.begin() + (is_name_alone ? 1 : 2));
  return variable;
}

}  // namespace varstored::tool
