#include "varstored/tool/well_known.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"

namespace varstored::tool {
namespace {

/// UEFI 2.10, 3.3: under EFI_GLOBAL_VARIABLE.
constexpr std::array<std::string_view, 41> kGlobalNames = {
    "AuditMode",
    "BootCurrent",
    "BootNext",
    "BootOptionSupport",
    "BootOrder",
    "ConIn",
    "ConInDev",
    "ConOut",
    "ConOutDev",
    "CryptoIndications",
    "CryptoIndicationsActivated",
    "CryptoIndicationsSupported",
    "DeployedMode",
    "DriverOrder",
    "ErrOut",
    "ErrOutDev",
    "HwErrRecSupport",
    "KEK",
    "KEKDefault",
    "Lang",
    "LangCodes",
    "OsIndications",
    "OsIndicationsSupported",
    "OsRecoveryOrder",
    "PK",
    "PKDefault",
    "PlatformLang",
    "PlatformLangCodes",
    "SecureBoot",
    "SetupMode",
    "SignatureSupport",
    "SysPrepOrder",
    "Timeout",
    "VendorKeys",
    "dbDefault",
    "dbrDefault",
    "dbtDefault",
    "dbxDefault",
    "devAuthBoot",
    "devdbDefault",
    "RuntimeServicesSupported",
};
/// The same with four hexadecimal digits behind them.
constexpr std::array<std::string_view, 5> kGlobalNumbered = {"Boot", "Driver", "Key",
                                                             "PlatformRecovery", "SysPrep"};
/// UEFI 2.10, 32.6.1.
constexpr std::array<std::string_view, 5> kSecurityNames = {"db", "dbr", "dbt", "dbx", "devdb"};

template <class Names>
bool Has(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool IsNumbered(std::string_view name) {
  constexpr std::size_t kDigits = 4;
  return name.size() > kDigits &&
         name.substr(name.size() - kDigits).find_first_not_of("0123456789ABCDEF") ==
             std::string_view::npos &&
         Has(kGlobalNumbered, name.substr(0, name.size() - kDigits));
}

}  // namespace

std::optional<efi::Guid> WellKnownVendor(std::string_view name) {
  for (const efi::WellKnownVariable& variable : {efi::kMorControl, efi::kMorLock}) {
    if (variable.name == name) {
      return variable.vendor;
    }
  }
  const std::string text = efi::NameToUtf8(name);
  if (Has(kSecurityNames, text)) {
    return efi::kImageSecurityDatabaseGuid;
  }
  return Has(kGlobalNames, text) || IsNumbered(text) ? std::optional(efi::kGlobalVariableGuid)
                                                     : std::nullopt;
}

std::string HintOfPlace(const store::Key& key) {
  const auto vendor = WellKnownVendor(key.name);
  return vendor && *vendor != key.vendor
             ? ": " + efi::EscapeName(key.name) + " belongs under " + efi::ToText(*vendor) +
                   " (leave the GUID out, and it is this one)"
             : "";
}

bool IsUnderTheOtherGuid(const store::Key& key) {
  const auto vendor = WellKnownVendor(key.name);
  return vendor && *vendor != key.vendor &&
         (key.vendor == efi::kGlobalVariableGuid || key.vendor == efi::kImageSecurityDatabaseGuid);
}

base::Result<NamedVariable> TakeVariable(PlaceOptions& place, std::vector<std::string>& operands,
                                         std::size_t others) {
  const std::size_t place_operands = place.backend.empty() ? 1 : 0;
  const bool is_name_alone =
      operands.size() == place_operands + 1 + others && !efi::ParseGuid(operands[place_operands]);
  if (auto taken = TakePlace(place, operands, others + (is_name_alone ? 1 : 2)); !taken) {
    return taken.failure();
  }
  const std::string name = operands[is_name_alone ? 0 : 1];
  auto variable = ParseNamedVariable(
      is_name_alone ? efi::ToText(efi::kGlobalVariableGuid) : operands.front(), name);
  if (!variable) {
    return Misuse(variable.error().message);
  }
  if (is_name_alone) {
    const auto vendor = WellKnownVendor(variable->key().name);
    if (!vendor) {
      return Misuse("'" + base::Printable(name) +
                    "' is no name that the specifications know: give its GUID too, which "
                    "varstore-ls shows");
    }
    variable->vendor = *vendor;
  }
  operands.erase(operands.begin(), operands.begin() + (is_name_alone ? 1 : 2));
  return variable;
}

}  // namespace varstored::tool
