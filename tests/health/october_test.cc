#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "health/states.h"
#include "support/loopback_client.h"
#include "support/real_data.h"
#include "support/signing.h"
#include "support/temporary_folder.h"
#include "varstored/base/file.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/health/fix.h"

namespace varstored::health {
namespace {

using base::Bytes;

/// October 2025: dbx held Microsoft's list under another owner. Microsoft's own update was appended
/// to it, no entry was the same, and the variable grew over the limit.
class OctoberTest : public test::RealDataTest {
 protected:
  void SetUp() override {
    RealDataTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    update_ = Read("secureboot_objects/dbx/DBXUpdate_amd64.bin");
    const auto lists =
        efi::ParseSignatureLists(efi::ParseAuthenticationDescriptor(update_)->payload);
    for (const efi::SignatureEntry& entry : lists->front().entries) {
      update_hashes_.push_back(base::ToBytes(entry.data));
    }
    // The next update brings a dozen that the last one had not.
    std::vector<Bytes> last(update_hashes_.begin(), update_hashes_.end() - 12);
    std::vector<Bytes> foreign = Hashes(0, 384);
    foreign.insert(foreign.end(), last.begin(), last.end());
    const Bytes own = CertificateList(kSomebody, test::Identity::Make().certificate());
    state_.entries = {
        Make(efi::kPk, own),
        Make(efi::kKek,
             CertificateList(
                 kMicrosoft,
                 Read("secureboot_objects/certificates/MicCorKEKCA2011_2011-06-24.der"))),
        Make(efi::kDb, own),
        Make(efi::kDbx, Lists(efi::SignatureKind::kSha256, kSomebody, foreign) +
                            Lists(efi::SignatureKind::kSha256, kMicrosoft, last))};
  }

  /// What a VM with these variables answers to the update, and its dbx afterwards.
  std::pair<std::uint64_t, Bytes> TakeUpdate(const State& state) {
    const test::TemporaryFolder folder;
    const std::string save = folder.File("save");
    EXPECT_TRUE(base::WriteFileInPlace(save, EncodeState(state)));
    test::Process daemon = test::StartLoopback(
        folder.File("guest"), {"--backend", "memory", "--resume", "--arg", "resume:" + save,
                               "--platform", "secureboot=true"});
    test::LoopbackClient guest(folder.File("guest"));
    const std::uint64_t status =
        guest.SetVariable(u"dbx", test::kSecurityDatabaseGuid, 0x67, update_);
    Bytes dbx = guest.GetVariable(u"dbx", test::kSecurityDatabaseGuid).data;
    EXPECT_EQ(daemon.Stop().exit_code, 0);
    return {status, std::move(dbx)};
  }

  State state_;
  Bytes update_;
  std::vector<Bytes> update_hashes_;
};

TEST_F(OctoberTest, IsFoundAndMendedAndTheVmTakesTheUpdate) {
  ASSERT_GT(state_.entries[3].data().size(), store::kMaxDataBytes);
  EXPECT_EQ(TakeUpdate(state_).first, test::kEfiOutOfResources);

  Context context;
  context.secure_boot = true;
  const Repaired repaired = FixAll(state_, context);
  std::vector<std::string_view> fixed;
  for (const Finding& finding : repaired.fixed) {
    fixed.push_back(TypeOf(finding.kind).name);
  }
  EXPECT_EQ(fixed, std::vector<std::string_view>{"variable-oversized"})
      << "and the doubled revocations with it";
  for (const Finding& finding : repaired.left) {
    EXPECT_EQ(TypeOf(finding.kind).name, "certificates-2011-only");
  }

  const auto [status, dbx] = TakeUpdate(repaired.state);
  EXPECT_EQ(status, test::kEfiSuccess);
  const auto lists = efi::ParseSignatureLists(dbx);
  ASSERT_TRUE(lists.has_value());
  std::set<Bytes> held;
  std::size_t count = 0;
  for (const efi::SignatureList& list : *lists) {
    for (const efi::SignatureEntry& entry : list.entries) {
      held.insert(base::ToBytes(entry.data));
      ++count;
    }
  }
  // Everything of both lists, each once.
  EXPECT_EQ(count, 384 + update_hashes_.size());
  EXPECT_EQ(held.size(), count);
  for (const Bytes& hash : update_hashes_) {
    EXPECT_TRUE(held.contains(hash));
  }
}

}  // namespace
}  // namespace varstored::health
