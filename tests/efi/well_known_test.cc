#include "varstored/efi/well_known.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "varstored/efi/guid.h"
#include "varstored/efi/variable_name.h"

namespace varstored::efi {
namespace {

constexpr std::string_view kGlobal = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
constexpr std::string_view kSecurity = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";
constexpr std::string_view kPpi = "9d1947eb-09bb-4780-a3cd-bea956e0e056";

struct Row {
  WellKnownVariable variable;
  std::string_view name;
  std::string_view vendor;
};

const std::vector<Row> kRows = {
    {kSetupMode, "SetupMode", kGlobal},
    {kAuditMode, "AuditMode", kGlobal},
    {kDeployedMode, "DeployedMode", kGlobal},
    {kSecureBoot, "SecureBoot", kGlobal},
    {kSignatureSupport, "SignatureSupport", kGlobal},
    {kPk, "PK", kGlobal},
    {kKek, "KEK", kGlobal},
    {kDb, "db", kSecurity},
    {kDbx, "dbx", kSecurity},
    {kDbt, "dbt", kSecurity},
    {kDbr, "dbr", kSecurity},
    {kMorControl, "MemoryOverwriteRequestControl", "e20939be-32d4-41be-a150-897f85d49829"},
    {kMorLock, "MemoryOverwriteRequestControlLock", "bb983ccf-151d-40e1-a07b-4a17be168292"},
    {kPpiFlags, "Tcg2PhysicalPresenceFlags", kPpi},
    {kPpiFlagsLock, "Tcg2PhysicalPresenceFlagsLock", kPpi},
    {kPpiBuffer, "PPIBuffer", kPpi},
};

TEST(WellKnown, NamesAndVendorsAreThoseOfTheSpecifications) {
  for (const Row& row : kRows) {
    EXPECT_EQ(row.variable.name, NameFromAscii(row.name).bytes()) << row.name;
    EXPECT_EQ(ToText(row.variable.vendor), row.vendor) << row.name;
  }
  EXPECT_EQ(ToText(kCertTypePkcs7Guid), "4aafd29d-68df-49ee-8aa9-347d375665a7");
}

TEST(WellKnown, AVariableIsItsNameAndItsVendor) {
  for (const Row& one : kRows) {
    for (const Row& other : kRows) {
      EXPECT_EQ(one.variable.Is(other.variable.name, other.variable.vendor),
                one.name == other.name);
    }
    std::string longer(one.variable.name);
    longer += std::string("s\0", 2);
    EXPECT_FALSE(one.variable.Is(longer, one.variable.vendor));
    EXPECT_FALSE(one.variable.Is(one.name, one.variable.vendor)) << "ASCII is not UTF-16";
  }
  EXPECT_FALSE(kDb.Is(kDb.name, kGlobalVariableGuid));
  EXPECT_FALSE(kDb.Is(NameFromAscii("DB").bytes(), kImageSecurityDatabaseGuid));
}

}  // namespace
}  // namespace varstored::efi
