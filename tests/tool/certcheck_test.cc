#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/real_data.h"
#include "support/recordings.h"
#include "support/signing.h"
#include "varstored/base/base64.h"
#include "varstored/base/file.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"
#include "varstored/store/vars_blob.h"
#include "workshop.h"

/// Microsoft's certificates of 2011 and 2023, and the vendors' updates, in the tools' hands.
namespace varstored::tool {
namespace {

constexpr const char* kKek2011 = "MicCorKEKCA2011_2011-06-24";
constexpr const char* kKek2023 = "microsoft_corporation_kek_2k_ca_2023";
constexpr const char* kWindows2011 = "MicWinProPCA2011_2011-10-19";
constexpr const char* kWindows2023 = "windows_uefi_ca_2023";
constexpr const char* kUefi2011 = "MicCorUEFCA2011_2011-06-27";
constexpr const char* kUefi2023 = "microsoft_uefi_ca_2023";
constexpr const char* kOptionRom2023 = "microsoft_option_rom_uefi_ca_2023";

using Names = std::vector<const char*>;

class MicrosoftTest : public test::RealDataTest {
 protected:
  [[nodiscard]] base::Bytes Lists(const Names& names) const {
    base::Bytes lists;
    for (const char* name : names) {
      const base::Bytes list = test::SignatureListOf(
          efi::TypeOf(efi::SignatureKind::kX509).guid.bytes, {},
          {Read("secureboot_objects/certificates/" + std::string(name) + ".der")});
      lists.insert(lists.end(), list.begin(), list.end());
    }
    return lists;
  }

  /// The file as XAPI would write it, of a VM with these certificates.
  void WriteVm(const Names& kek, const Names& db) const {
    std::vector<store::Entry> entries = UsualEntries();
    for (const auto& [variable, names] : {std::pair(efi::kKek, kek), std::pair(efi::kDb, db)}) {
      if (!names.empty()) {
        entries.push_back(store::MakeEntry({.name = std::string(variable.name),
                                            .vendor = variable.vendor,
                                            .attributes = 0x27,
                                            .data = Lists(names)}));
      }
    }
    const auto written = base::WriteFileInPlace(workshop_.File("vm.b64"),
                                                base::ToBytes(base::EncodeBase64(BlobOf(entries))));
    ASSERT_TRUE(written);
  }

  [[nodiscard]] std::string CertcheckOf(const Names& kek, const Names& db) const {
    WriteVm(kek, db);
    const test::Ended ended = workshop_.Run("varstore-nvram-certcheck @vm.b64");
    EXPECT_EQ(ended.exit_code, 0);
    EXPECT_EQ(ended.errors, "");
    return ended.output;
  }

  /// The host's KEK.auth and db.auth.
  void WriteHost(const Names& kek, const Names& db) const {
    for (const auto& [file, names] :
         {std::pair("keys/KEK.auth", kek), std::pair("keys/db.auth", db)}) {
      const auto written = base::WriteFileInPlace(
          workshop_.File(file), test::WithDescriptor({}, base::Bytes(), Lists(names)));
      ASSERT_TRUE(written);
    }
  }

  void Update(const std::string& variable, const efi::WellKnownVariable& known,
              const std::string& path) const {
    const auto content = [&] {
      return workshop_.Run({"varstore-get", "@kept.b64", efi::ToText(known.vendor), variable})
          .output;
    };
    const std::string before = content();
    const test::Ended ended = workshop_.Run({"varstore-set", "@kept.b64", efi::ToText(known.vendor),
                                             variable, "0x67", FolderFile(path)});
    EXPECT_EQ(ended.exit_code, 0) << path << ": " << ended.errors;
    // Most vendors' updates bring the same certificate.
    EXPECT_EQ(
        ended.errors,
        content() == before
            ? ""
            : "varstore-set: PCR 7 changes: BitLocker and TPM-sealed keys will ask for recovery\n")
        << path;
  }

  [[nodiscard]] std::string FolderFile(const std::string& path) const {
    const base::Bytes content = Read(path);
    EXPECT_TRUE(base::WriteFileInPlace(workshop_.File("update"), content));
    return "@update";
  }

  Workshop workshop_;
};

TEST_F(MicrosoftTest, AnUpdateIsRequiredWhereASuccessorIsMissing) {
  const std::string required = "update_required\n";
  EXPECT_EQ(CertcheckOf({kKek2011}, {}), required);
  EXPECT_EQ(CertcheckOf({}, {kWindows2011}), required);
  EXPECT_EQ(CertcheckOf({}, {kUefi2011, kOptionRom2023}), required);
  EXPECT_EQ(CertcheckOf({kKek2011, kKek2023}, {kWindows2011, kUefi2011, kWindows2023}), required);
  // A new KEK beside an old db.
  EXPECT_EQ(CertcheckOf({kKek2023}, {kWindows2011, kUefi2011}), required);
}

TEST_F(MicrosoftTest, NoUpdateIsRequiredWhereTheSuccessorsAre) {
  const std::string ok = "update_ok\n";
  EXPECT_EQ(CertcheckOf({}, {}), ok);
  EXPECT_EQ(CertcheckOf({kKek2023}, {kWindows2023}), ok);
  EXPECT_EQ(CertcheckOf({kKek2011, kKek2023}, {kWindows2011, kWindows2023, kUefi2023, kUefi2011}),
            ok);
  EXPECT_EQ(CertcheckOf({kKek2023}, {kWindows2011, kWindows2023}), ok);
}

TEST_F(MicrosoftTest, CertcheckSaysWhichVariableItIs) {
  WriteVm({kKek2011}, {kWindows2011, kWindows2023});
  const test::Ended ended = workshop_.Run("varstore-nvram-certcheck --verbose @vm.b64");
  EXPECT_EQ(ended.output, "update_required\n");
  EXPECT_NE(ended.errors.find("KEK: 1560 bytes, a certificate of 2011 without its successor"),
            std::string::npos)
      << ended.errors;
  EXPECT_NE(ended.errors.find("each certificate of 2011 with its successor"), std::string::npos)
      << ended.errors;
}

TEST_F(MicrosoftTest, AHostIsUpdatedWhenBothFilesAre) {
  WriteHost({kKek2011, kKek2023}, {kWindows2011, kWindows2023});
  EXPECT_EQ(workshop_.Run("varstore-authfile-certcheck --auth-dir @keys").output, "updated\n");
  WriteHost({kKek2011}, {kWindows2011, kWindows2023});
  EXPECT_EQ(workshop_.Run("varstore-authfile-certcheck --auth-dir @keys").output, "not-updated\n");
  WriteHost({kKek2023}, {kWindows2011});
  EXPECT_EQ(workshop_.Run("varstore-authfile-certcheck --auth-dir @keys").output, "not-updated\n");
}

TEST_F(MicrosoftTest, TheVendorsUpdatesAreTaken) {
  for (const std::string& path : Find("secureboot_objects/kek", "KEKUpdate_")) {
    Update("KEK", efi::kKek, path);
  }
  for (const std::string& path : Find("secureboot_objects/db", "DBUpdate")) {
    Update("db", efi::kDb, path);
  }
  Update("dbx", efi::kDbx, "secureboot_objects/dbx/DBXUpdate_amd64.bin");
  EXPECT_EQ(workshop_.Run("varstore-nvram-certcheck @kept.b64").output, "update_ok\n");
}

TEST(RecordedVm, IsReadAndWrittenBackAsItWas) {
  Workshop workshop;
  for (const std::string& name : test::RecordingsNamed(".b64")) {
    const base::Bytes before = test::ReadRecording(name);
    const std::string file = workshop.File("recorded.b64");
    ASSERT_TRUE(base::WriteFileInPlace(file, before));
    const std::string variable = " @recorded.b64 " + std::string(kVendorText) + " Mine";
    EXPECT_EQ(workshop.Run("varstore-set" + variable + " 7 @data").exit_code, 0);
    EXPECT_NE(workshop.Content("recorded.b64"), before);
    EXPECT_EQ(workshop.Run("varstore-rm" + variable).exit_code, 0);
    EXPECT_EQ(workshop.Content("recorded.b64"), before);
  }
}

}  // namespace
}  // namespace varstored::tool
