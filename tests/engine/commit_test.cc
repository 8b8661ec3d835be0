// What the backend is asked to keep, and when: each change once, nothing that changes nothing, and
// on a failure the state stays as it was.

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "failing_backend.h"
#include "support/signing.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"
#include "varstored/engine/variable_services.h"

namespace varstored::engine {
namespace {

constexpr efi::Guid kVendor = *efi::ParseGuid("12345678-1234-1234-1234-123456789abc");

class Commit : public testing::Test {
 protected:
  Reason Set(std::string_view name, std::uint32_t attributes, const base::Bytes& data,
             const efi::Guid& vendor = kVendor) {
    const auto valid = efi::NameFromUtf8(name);
    const base::Bytes name_bytes = base::ToBytes(valid->bytes());
    return services_
        .SetVariable({.name = name_bytes, .vendor = vendor, .attributes = attributes, .data = data})
        .reason;
  }

  FailingBackend backend_;
  CollectingLog log_;
  VariableServices services_{Policy{.secure_boot = true}, backend_, log_};
};

base::Bytes CertificateList(const test::Identity& identity) {
  return test::SignatureListOf(efi::TypeOf(efi::SignatureKind::kX509).guid.bytes, kVendor.bytes,
                               {identity.certificate()});
}

base::Bytes SignedKey(const char16_t* name, const efi::Guid& vendor, const test::Identity& held,
                      const test::Identity& signer, std::uint32_t attributes = 0x27) {
  return test::AuthPayload({.name = name,
                            .guid = vendor.bytes,
                            .attributes = attributes,
                            .payload = CertificateList(held)},
                           signer);
}

TEST_F(Commit, AFirstBootWithoutKeysKeepsNothing) {
  ASSERT_TRUE(services_.Boot({}).ok());
  EXPECT_TRUE(backend_.kept_names().empty());
}

TEST_F(Commit, FirstBootKeysAndTheModesAreOneCommit) {
  const auto pk = test::Identity::Make();
  FirstBootKeys keys;
  keys.pk = SignedKey(u"PK", efi::kGlobalVariableGuid, pk, pk);
  keys.kek = SignedKey(u"KEK", efi::kGlobalVariableGuid, pk, pk);
  keys.db = SignedKey(u"db", efi::kImageSecurityDatabaseGuid, pk, pk);
  keys.dbx = SignedKey(u"dbx", efi::kImageSecurityDatabaseGuid, pk, pk, 0x67);

  ASSERT_TRUE(services_.Boot(keys).ok());

  const std::vector<std::string> expected = {"dbx",       "db",           "KEK",       "PK",
                                             "SetupMode", "DeployedMode", "SecureBoot"};
  ASSERT_EQ(backend_.kept_names().size(), 1U);
  EXPECT_EQ(backend_.kept_names()[0], expected);
}

TEST_F(Commit, FirstBootKeysThatCannotBeKeptFailTheStart) {
  const auto pk = test::Identity::Make();
  FirstBootKeys keys;
  keys.pk = SignedKey(u"PK", efi::kGlobalVariableGuid, pk, pk);
  backend_.FailAlways(true);
  EXPECT_FALSE(services_.Boot(keys).ok());
}

TEST_F(Commit, AStateThatIsThereButEmptyIsNoFirstBoot) {
  const auto pk = test::Identity::Make();
  FirstBootKeys keys;
  keys.pk = SignedKey(u"PK", efi::kGlobalVariableGuid, pk, pk);
  FailingBackend empty{FailingBackend::Entries()};
  VariableServices again(Policy{}, empty, log_);

  ASSERT_TRUE(again.Boot(keys).ok());

  EXPECT_EQ(again.store().Find(store::KeyOf(efi::kPk)), nullptr);
}

TEST_F(Commit, ANonVolatileWriteIsKeptOnceBeforeItIsAnswered) {
  ASSERT_TRUE(services_.Boot({}).ok());
  EXPECT_EQ(Set("Boot0001", 0x07, {1, 2, 3}), Reason::kSuccess);
  ASSERT_EQ(backend_.kept_names().size(), 1U);
  EXPECT_EQ(backend_.kept_names()[0], std::vector<std::string>{"Boot0001"});
}

TEST_F(Commit, AVolatileWriteIsNobodysBusiness) {
  ASSERT_TRUE(services_.Boot({}).ok());
  EXPECT_EQ(Set("BootCurrent", 0x06, {1, 0}), Reason::kSuccess);
  EXPECT_EQ(Set("BootCurrent", 0x06, {}), Reason::kSuccess);
  EXPECT_TRUE(backend_.kept_names().empty());
}

TEST_F(Commit, AWriteThatChangesNothingIsNotSent) {
  ASSERT_TRUE(services_.Boot({}).ok());
  ASSERT_EQ(Set("Boot0001", 0x07, {1, 2, 3}), Reason::kSuccess);
  EXPECT_EQ(Set("Boot0001", 0x07, {1, 2, 3}), Reason::kUnchanged);
  EXPECT_EQ(Set("Boot0001", 0x47, {}), Reason::kUnchanged);
  EXPECT_EQ(backend_.kept_names().size(), 1U);
}

TEST_F(Commit, MorIsNeverAReasonToKeepAnything) {
  ASSERT_TRUE(services_.Boot({}).ok());
  EXPECT_EQ(Set("MemoryOverwriteRequestControl", 0x07, {1}, efi::kMorControlGuid),
            Reason::kSuccess);
  EXPECT_EQ(Set("MemoryOverwriteRequestControlLock", 0x07, {1}, efi::kMorLockGuid),
            Reason::kSuccess);
  EXPECT_TRUE(backend_.kept_names().empty());
}

TEST_F(Commit, AFailureLeavesEverythingAndTheNextGoodWriteWorks) {
  ASSERT_TRUE(services_.Boot({}).ok());
  ASSERT_EQ(Set("Boot0001", 0x07, {1}), Reason::kSuccess);
  const base::Bytes before = services_.Save();
  backend_.FailAlways(true);

  EXPECT_EQ(Set("Boot0001", 0x07, {2}), Reason::kBackendFailed);
  EXPECT_EQ(Set("Boot0001", 0x07, {}), Reason::kBackendFailed);
  EXPECT_EQ(Set("Boot0002", 0x07, {2}), Reason::kBackendFailed);
  EXPECT_EQ(services_.Save(), before);

  backend_.FailAlways(false);
  EXPECT_EQ(Set("Boot0002", 0x07, {2}), Reason::kSuccess);
}

TEST_F(Commit, EachFailureOfTheBackendIsALineWithItsCause) {
  ASSERT_TRUE(services_.Boot({}).ok());
  const std::size_t lines_before = log_.lines().size();
  backend_.FailAlways(true);
  ASSERT_EQ(Set("Boot0001", 0x07, {1}), Reason::kBackendFailed);
  ASSERT_EQ(Set("Boot0001", 0x07, {2}), Reason::kBackendFailed);
  ASSERT_EQ(log_.lines().size() - lines_before, 2U);
  EXPECT_EQ(log_.lines().back(), "a change could not be stored: the disk is full");
}

TEST_F(Commit, AByteOfThePpiBufferIsKeptAndItsVolatilePartIsNot) {
  ASSERT_TRUE(services_.Boot({}).ok());
  services_.WritePpiIndex(0x10);
  services_.WritePpiData(0, 4, 0x01020304);
  EXPECT_TRUE(backend_.kept_names().empty());

  services_.WritePpiIndex(0x100);
  services_.WritePpiData(0, 1, 1);
  services_.WritePpiData(0, 1, 1);
  ASSERT_EQ(backend_.kept_names().size(), 1U);
  EXPECT_EQ(backend_.kept_names()[0], std::vector<std::string>{"PPIBuffer"});
}

TEST_F(Commit, AByteOfThePpiBufferThatCannotBeKeptStaysAsItWas) {
  ASSERT_TRUE(services_.Boot({}).ok());
  backend_.FailAlways(true);
  services_.WritePpiIndex(0xFE);
  services_.WritePpiData(0, 4, 0xFFFFFFFF);
  EXPECT_EQ(services_.ReadPpiData(0, 4), 0U);
}

TEST_F(Commit, ASecureBootFailureIsReportedOncePerProcess) {
  ASSERT_TRUE(services_.Boot({}).ok());
  EXPECT_EQ(services_.NotifySecureBootFailure().reason, Reason::kSuccess);
  EXPECT_EQ(services_.NotifySecureBootFailure().reason, Reason::kAlreadyReported);
  EXPECT_EQ(backend_.reports(), 1U);
}

TEST_F(Commit, ASecureBootFailureThatCannotBeReportedIsADeviceError) {
  ASSERT_TRUE(services_.Boot({}).ok());
  backend_.FailAlways(true);
  EXPECT_EQ(StatusOf(services_.NotifySecureBootFailure().reason), efi::Status::kDeviceError);
  EXPECT_EQ(services_.NotifySecureBootFailure().reason, Reason::kAlreadyReported);
}

}  // namespace
}  // namespace varstored::engine
