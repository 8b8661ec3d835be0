// Stored variables that no call would have made: they are loaded, reported and served, and what a
// guest may do to them is little.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "failing_backend.h"
#include "support/signing.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"
#include "varstored/engine/variable_services.h"
#include "varstored/store/vars_blob.h"

namespace varstored::engine {
namespace {

constexpr efi::Guid kVendor = *efi::ParseGuid("12345678-1234-1234-1234-123456789abc");
const base::Bytes kName = {'P', 0, 'r', 0, 'i', 0, 'v', 0};
constexpr Policy kEnforcing = {};
constexpr Policy kPermissive = {.enforce = false};
constexpr Policy kTool = {.enforce = false, .tool = true};

store::Entry Record(base::ByteSpan name, const efi::Guid& vendor, std::uint32_t attributes,
                    base::Bytes data) {
  return store::MakeEntry({.name = base::ToString(name),
                           .vendor = vendor,
                           .attributes = attributes,
                           .data = std::move(data),
                           .timestamp = {.year = 2024, .month = 1, .day = 1},
                           .signer = {}});
}

/// A VM that has booted from one stored variable.
class Vm {
 public:
  Vm(const Policy& policy, const store::Entry& stored)
      : backend_({stored}), services_(policy, backend_, log_) {
    EXPECT_TRUE(services_.Boot({}));
  }

  [[nodiscard]] std::string_view Set(base::ByteSpan name, const efi::Guid& vendor,
                                     std::uint32_t attributes, const base::Bytes& data) {
    return ReasonText(
        services_
            .SetVariable({.name = name, .vendor = vendor, .attributes = attributes, .data = data})
            .reason);
  }
  [[nodiscard]] std::string_view Get(base::ByteSpan name, const efi::Guid& vendor) {
    return ReasonText(
        services_.GetVariable({.name = name, .vendor = vendor, .data_size = 65536}).reason);
  }
  [[nodiscard]] const std::vector<std::string>& log() const { return log_.lines(); }

 private:
  FailingBackend backend_;
  CollectingLog log_;
  VariableServices services_;
};

base::Bytes SignedPrivate(const base::Bytes& payload) {
  return test::AuthPayload(
      {.name = u"Priv", .guid = kVendor.bytes, .time = {.year = 2025}, .payload = payload},
      test::Identity::Make());
}

class L13 : public testing::Test {
 protected:
  static store::Entry WithoutSigner() { return Record(kName, kVendor, 0x27, {1}); }
};

TEST_F(L13, APrivateVariableWithoutASignerIsServedAndReported) {
  Vm vm(kEnforcing, WithoutSigner());
  EXPECT_EQ(vm.Get(kName, kVendor), "success");
  ASSERT_EQ(vm.log().size(), 1U);
  EXPECT_NE(vm.log()[0].find("Priv"), std::string::npos) << vm.log()[0];
  EXPECT_NE(vm.log()[0].find("has no signer"), std::string::npos) << vm.log()[0];
}

TEST_F(L13, NobodyCanSignAChangeOfIt) {
  Vm vm(kEnforcing, WithoutSigner());
  EXPECT_EQ(vm.Set(kName, kVendor, 0x27, SignedPrivate({2})), "signer-differs");
  EXPECT_EQ(vm.Set(kName, kVendor, 0x27, SignedPrivate({})), "signer-differs");
}

TEST_F(L13, APermissiveVmGivesItASigner) {
  Vm vm(kPermissive, WithoutSigner());
  EXPECT_EQ(vm.Set(kName, kVendor, 0x27, SignedPrivate({2})), "success");
}

TEST_F(L13, AToolDeletesItWithoutASignature) {
  Vm vm(kTool, WithoutSigner());
  EXPECT_EQ(vm.Set(kName, kVendor, 0x27, test::WithDescriptor({}, {}, {})), "success");
  EXPECT_EQ(vm.Get(kName, kVendor), "not-found");
}

TEST_F(L13, SecureBootVariablesAndPlainOnesHaveNoSignerAndNoLine) {
  const base::Bytes hashes = test::SignatureListOf(
      efi::TypeOf(efi::SignatureKind::kSha256).guid.bytes, kVendor.bytes, {base::Bytes(32)});
  EXPECT_TRUE(Vm(kEnforcing, Record(base::ToBytes(efi::kDbx.name), efi::kDbx.vendor, 0x27, hashes))
                  .log()
                  .empty());
  EXPECT_TRUE(Vm(kEnforcing, Record(kName, kVendor, 0x07, {1})).log().empty());
}

/// As many records as are loaded, of one byte each but for the last.
std::vector<store::Entry> Records(std::size_t count, std::size_t last_bytes) {
  std::vector<store::Entry> records;
  for (std::size_t i = 0; i < count; ++i) {
    const base::Bytes name = {
        'V', 0, static_cast<std::uint8_t>(1 + i / 200), 0, static_cast<std::uint8_t>(1 + i % 200),
        0};
    records.push_back(Record(name, kVendor, 0x07, base::Bytes(i + 1 == count ? last_bytes : 1, 1)));
  }
  return records;
}

base::Bytes BlobOf(const std::vector<store::Entry>& records) {
  std::vector<const store::Entry*> entries;
  entries.reserve(records.size());
  for (const store::Entry& record : records) {
    entries.push_back(&record);
  }
  return store::EncodeVarsBlob({}, entries);
}

TEST(NearTheLimits, WhatIsServedCanBeResumedAndKeptAgainAndAgain) {
  // States that no guest can make: the most variables and the most bytes that are loaded.
  const std::size_t without_data = BlobOf(Records(1, 1)).size() - BlobOf({}).size() - 1;
  for (const auto& kept :
       {Records(store::kMaxVariables, 1), Records(1, store::kMaxLoadedBytes - without_data)}) {
    ASSERT_TRUE(store::DecodeVarsBlob(BlobOf(kept)));
    FailingBackend backend(kept);
    CollectingLog log;
    VariableServices first(kEnforcing, backend, log);
    const auto booted = first.Boot({});
    ASSERT_TRUE(booted) << booted.error().message;
    const base::Bytes saved = first.Save();

    // On the next host.
    FailingBackend elsewhere;
    VariableServices second(kEnforcing, elsewhere, log);
    const auto resumed = second.Resume(saved);
    ASSERT_TRUE(resumed) << resumed.error().message;
    EXPECT_TRUE(second.Save() == saved);
    ASSERT_EQ(
        second
            .SetVariable(
                {.name = base::ToBytes(kept[0].name()), .vendor = kVendor, .attributes = 0x07})
            .reason,
        Reason::kSuccess);

    // What the deletion left is what the next boot finds.
    EXPECT_TRUE(store::DecodeVarsBlob(BlobOf(*elsewhere.kept())));
    VariableServices third(kEnforcing, elsewhere, log);
    EXPECT_TRUE(third.Boot({}));
  }
}

/// A key under attributes that SetVariable never gives it.
class KeyWithOtherAttributes : public testing::TestWithParam<std::uint32_t> {
 protected:
  static constexpr efi::WellKnownVariable kKey = efi::kDb;
  const base::Bytes name = base::ToBytes(kKey.name);
  const base::Bytes hashes = test::SignatureListOf(
      efi::TypeOf(efi::SignatureKind::kSha256).guid.bytes, kVendor.bytes, {base::Bytes(32)});
  const store::Entry stored = Record(name, kKey.vendor, GetParam(), hashes);

  /// Data for a write that keeps every other rule.
  [[nodiscard]] base::Bytes Data() const {
    return (GetParam() & efi::kTimeBasedAuthenticatedWriteAccess) != 0
               ? test::WithDescriptor({.year = 2025}, {}, hashes)
               : hashes;
  }
};

TEST_P(KeyWithOtherAttributes, CannotBeChangedByAGuestInAnyMode) {
  for (const Policy& policy : {kEnforcing, kPermissive}) {
    Vm vm(policy, stored);
    EXPECT_EQ(vm.Set(name, kKey.vendor, GetParam(), Data()), "secure-boot-attributes");
    EXPECT_EQ(vm.Set(name, kKey.vendor, GetParam() | 0x40, Data()), "secure-boot-attributes");
    EXPECT_EQ(vm.Set(name, kKey.vendor, GetParam(), {}), "secure-boot-attributes");
    EXPECT_EQ(vm.Set(name, kKey.vendor, 0, {}), "attributes-differ");
    EXPECT_EQ(vm.Set(name, kKey.vendor, 0x27, test::WithDescriptor({.year = 2025}, {}, hashes)),
              "attributes-differ");
    EXPECT_EQ(vm.Get(name, kKey.vendor), "success");
  }
}

TEST_P(KeyWithOtherAttributes, IsRemovedByATool) {
  Vm vm(kTool, stored);
  const bool authenticated = (GetParam() & efi::kTimeBasedAuthenticatedWriteAccess) != 0;
  EXPECT_EQ(vm.Set(name, kKey.vendor, GetParam(),
                   authenticated ? test::WithDescriptor({}, {}, {}) : base::Bytes()),
            "success");
  EXPECT_EQ(vm.Get(name, kKey.vendor), "not-found");
}

TEST_P(KeyWithOtherAttributes, TakesNoUncheckedListFromATool) {
  Vm vm(kTool, stored);
  const bool authenticated = (GetParam() & efi::kTimeBasedAuthenticatedWriteAccess) != 0;
  const base::Bytes garbage = {1, 2, 3};
  EXPECT_EQ(vm.Set(name, kKey.vendor, GetParam(),
                   authenticated ? test::WithDescriptor({}, {}, garbage) : garbage),
            authenticated ? "signature-list-malformed" : "secure-boot-attributes");
}

INSTANTIATE_TEST_SUITE_P(Stored, KeyWithOtherAttributes, testing::Values(0x03, 0x06, 0x07, 0x23),
                         [](const auto& attributes) {
                           return "Attributes" + std::to_string(attributes.param);
                         });

}  // namespace
}  // namespace varstored::engine
