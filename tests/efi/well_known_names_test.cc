#include "varstored/efi/well_known_names.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"

namespace varstored::efi {
namespace {

std::string VendorOf(std::string_view name) {
  const auto vendor = WellKnownVendor(NameFromAscii(name).bytes());
  return vendor ? ToText(*vendor) : "";
}

TEST(WellKnownVendor, IsWhereTheSpecificationsPutTheName) {
  constexpr std::string_view kShim = "605dab50-e046-4300-abb6-3dd810dd8b23";
  for (const char* name : {"PK", "KEK", "BootOrder", "Boot0001", "BootFFFF", "SysPrep00A0",
                           "SecureBoot", "OsIndications", "dbDefault"}) {
    EXPECT_EQ(VendorOf(name), "8be4df61-93ca-11d2-aa0d-00e098032b8c") << name;
  }
  for (const char* name : {"db", "dbx", "dbt", "dbr"}) {
    EXPECT_EQ(VendorOf(name), "d719b2cb-3d3a-4596-a3bc-dad00e67656f") << name;
  }
  for (const char* name : {"MokList", "MokListXRT", "MokSBState", "SbatLevel"}) {
    EXPECT_EQ(VendorOf(name), kShim) << name;
  }
  EXPECT_EQ(VendorOf("HwErrRec0001"), "414e6bdd-e47b-47cc-b244-bb61020cf516");
  EXPECT_EQ(VendorOf("MemoryOverwriteRequestControl"), "e20939be-32d4-41be-a150-897f85d49829");
  EXPECT_EQ(VendorOf("PPIBuffer"), ToText(kTcg2PhysicalPresenceGuid));
  EXPECT_EQ(VendorOf("SecureBootMode"), ToText(kModeMark.vendor));
}

TEST(WellKnownVendor, IsNothingForANameThatIsNearlyOne) {
  for (const char* name : {"pk", "Boot", "Boot001", "Boot00001", "Boot000g", "Boot000a", "HwErrRec",
                           "0001", "db ", "Note", "OsRecovery0001"}) {
    EXPECT_EQ(VendorOf(name), "") << name;
  }
  // A name of an older daemon's, with half a character.
  EXPECT_EQ(WellKnownVendor("P"), std::nullopt);
  EXPECT_EQ(WellKnownVendor(""), std::nullopt);
}

}  // namespace
}  // namespace varstored::efi
