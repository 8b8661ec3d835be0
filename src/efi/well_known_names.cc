#include "varstored/efi/well_known_names.h"

#include <algorithm>
#include <array>
#include <span>

#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"

namespace varstored::efi {
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
/// UEFI 2.10, 8.2.4.2: likewise.
constexpr std::array<std::string_view, 1> kErrorNumbered = {"HwErrRec"};
/// UEFI 2.10, 32.6.1.
constexpr std::array<std::string_view, 5> kSecurityNames = {"db", "dbr", "dbt", "dbx", "devdb"};

/// shim (https://github.com/rhboot/shim): MokVars.txt, and its notes on SBAT.
constexpr std::array<std::string_view, 26> kShimNames = {
    "MokAuth",     "MokDB",      "MokDBState",  "MokDel",         "MokDelAuth",
    "MokIgnoreDB", "MokList",    "MokListRT",   "MokListTrusted", "MokListTrustedRT",
    "MokListX",    "MokListXRT", "MokNew",      "MokPW",          "MokPWStore",
    "MokPolicy",   "MokSB",      "MokSBState",  "MokSBStateRT",   "MokTimeout",
    "MokXAuth",    "MokXDel",    "MokXDelAuth", "MokXNew",        "SbatLevel",
    "SbatLevelRT",
};

struct Names {
  Guid vendor;
  std::span<const std::string_view> names;
  std::span<const std::string_view> numbered = {};
};

constexpr std::array kTable = {
    Names{kGlobalVariableGuid, kGlobalNames, kGlobalNumbered},
    Names{kImageSecurityDatabaseGuid, kSecurityNames},
    Names{kHardwareErrorGuid, {}, kErrorNumbered},
    Names{kShimLockGuid, kShimNames},
};

/// What has constants of its own (well_known.h).
constexpr std::array kOthers = {kMorControl, kMorLock,      kModeMark,
                                kPpiFlags,   kPpiFlagsLock, kPpiBuffer};

bool Has(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

/// The name without the four hexadecimal digits at its end; empty where there are none.
std::string_view WithoutNumber(std::string_view name) {
  constexpr std::size_t kDigits = 4;
  const std::size_t rest = name.size() - std::min(name.size(), kDigits);
  return name.substr(rest).find_first_not_of("0123456789ABCDEF") == std::string_view::npos
             ? name.substr(0, rest)
             : std::string_view();
}

}  // namespace

std::optional<Guid> WellKnownVendor(std::string_view name) {
  for (const WellKnownVariable& variable : kOthers) {
    if (variable.name == name) {
      return variable.vendor;
    }
  }
  const std::string text = NameToUtf8(name);
  for (const Names& row : kTable) {
    if (Has(row.names, text) || Has(row.numbered, WithoutNumber(text))) {
      return row.vendor;
    }
  }
  return std::nullopt;
}

}  // namespace varstored::efi
