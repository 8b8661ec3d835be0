// What Microsoft publishes, when it is there (docs/testing.md, "Data from outside").

#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>

#include <gtest/gtest.h>

#include "support/real_data.h"
#include "varstored/base/file.h"
#include "varstored/crypto/digest.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/signature_list.h"
#include "varstored/signer/content.h"

namespace varstored::signer {
namespace {

using base::Bytes;

constexpr efi::Guid kMicrosoft = *efi::ParseGuid("77fa9abd-0359-4d32-bd60-28f4e78f784b");

class RealCertificates : public test::RealDataTest {
 protected:
  [[nodiscard]] Bytes Object(const std::string& path) const {
    return Read("secureboot_objects/" + path);
  }
};

/// Type, owner and data of every entry.
std::set<std::tuple<efi::SignatureKind, efi::Guid, Bytes>> EntriesOf(base::ByteSpan lists) {
  std::set<std::tuple<efi::SignatureKind, efi::Guid, Bytes>> entries;
  const auto parsed = efi::ParseSignatureLists(lists);
  if (!parsed) {
    ADD_FAILURE() << "malformed lists";
    return entries;
  }
  for (const efi::SignatureList& list : *parsed) {
    for (const efi::SignatureEntry& entry : list.entries) {
      entries.emplace(list.kind, entry.owner, base::ToBytes(entry.data));
    }
  }
  return entries;
}

TEST_F(RealCertificates, TheListOfRevocationsIsThatOfMicrosoftsSignedUpdate) {
  const auto content = ParseContent(Object("dbx/dbx_info_msft_latest.json"));
  ASSERT_TRUE(content) << content.error().message;
  const Bytes update = Object("dbx/DBXUpdate_amd64.bin");
  const auto descriptor = efi::ParseAuthenticationDescriptor(update);
  ASSERT_TRUE(descriptor);
  const auto ours = EntriesOf(EncodeContent(*content, kMicrosoft));
  EXPECT_GT(ours.size(), 400U);
  EXPECT_EQ(ours, EntriesOf(descriptor->payload));
}

TEST_F(RealCertificates, ACertificateOfAnUpdateOfDbIsTheSameEntry) {
  const auto certificate = ParseContent(Object("certificates/windows_uefi_ca_2023.der"));
  ASSERT_TRUE(certificate);
  const Bytes update = Object("db/DBUpdate2024.bin");
  const auto descriptor = efi::ParseAuthenticationDescriptor(update);
  ASSERT_TRUE(descriptor);
  EXPECT_EQ(EncodeContent(*certificate, kMicrosoft), base::ToBytes(descriptor->payload));
}

TEST_F(RealCertificates, EveryRowOfTheManifestIsThePublishedFile) {
  const auto manifest = base::ReadFile(SOURCE_FOLDER "/certs/manifest.txt", 65536);
  ASSERT_TRUE(manifest);
  std::istringstream lines(base::ToString(*manifest));
  int rows = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string variable;
    std::string need;
    std::string digest;
    std::string file;
    if (!(words >> variable >> need >> digest >> file) || variable == "#" || digest == "-") {
      continue;
    }
    ++rows;
    const Bytes der = Object("certificates/" + file);
    const auto sum = crypto::Sha256({der});
    ASSERT_TRUE(sum);
    std::string hex;
    for (const std::uint8_t byte : *sum) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      hex += {kDigits[byte >> 4U], kDigits[byte & 15U]};
    }
    EXPECT_EQ(hex, digest) << file;
    EXPECT_TRUE(ParseContent(der)) << file;
  }
  EXPECT_EQ(rows, 7);
}

}  // namespace
}  // namespace varstored::signer
