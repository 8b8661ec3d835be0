// Memory can end at any allocation of a call. The call then ends in std::bad_alloc, which the
// dispatcher answers, and has changed nothing: neither the store nor what the backend keeps.

#include <functional>
#include <string_view>

#include <gtest/gtest.h>

#include "failing_backend.h"
#include "support/allocations.h"
#include "support/signing.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"
#include "varstored/engine/variable_services.h"

namespace varstored::engine {
namespace {

constexpr efi::Guid kVendor = *efi::ParseGuid("12345678-1234-1234-1234-123456789abc");

base::Bytes NameBytes(std::string_view name) {
  return base::ToBytes(efi::NameFromUtf8(name)->bytes());
}

/// Counts, and takes no memory: so every allocation that fails is one of the engine's.
class CountingBackend final : public store::Backend {
 public:
  base::Result<std::optional<std::vector<store::Entry>>> Load() override {
    return std::optional<std::vector<store::Entry>>();
  }
  base::Result<void> Commit(const store::StagedStore& /*staged*/) override {
    ++commits;
    return {};
  }
  base::Result<void> ReportSecureBootFailure() override { return {}; }

  std::size_t commits = 0;
};

struct Vm {
  CountingBackend backend;
  CollectingLog log;
  VariableServices services{Policy{.secure_boot = true}, backend, log};

  explicit Vm(const FirstBootKeys& keys) {
    EXPECT_TRUE(services.Boot(keys).ok());
    services.WritePpiIndex(0xFE);
  }
};

base::Bytes Signed(const efi::WellKnownVariable& variable, std::u16string name,
                   std::uint32_t attributes, std::uint16_t year, const base::Bytes& payload,
                   const test::Identity& signer) {
  return test::AuthPayload({.name = std::move(name),
                            .guid = variable.vendor.bytes,
                            .attributes = attributes,
                            .time = {.year = year},
                            .payload = payload},
                           signer);
}

base::Bytes List(efi::SignatureKind kind, const base::Bytes& entry) {
  return test::SignatureListOf(efi::TypeOf(kind).guid.bytes, kVendor.bytes, {entry});
}

/// Runs `call` on fresh VMs, each time with the next allocation failing, until it goes through.
void ExpectAllOrNothing(const FirstBootKeys& keys,
                        const std::function<void(VariableServices&)>& call) {
  for (std::size_t number = 0;; ++number) {
    Vm vm(keys);
    const base::Bytes before = vm.services.Save();
    const std::size_t commits_before = vm.backend.commits;
    if (!test::FailsAtAllocation(number, [&] { call(vm.services); })) {
      EXPECT_GT(number, 0U) << "the call takes no memory, so nothing was tested";
      return;
    }
    EXPECT_EQ(vm.services.Save(), before) << "allocation " << number;
    EXPECT_EQ(vm.backend.commits, commits_before) << "allocation " << number;
  }
}

class Allocation : public testing::Test {
 protected:
  Allocation() {
    const base::Bytes certificate = List(efi::SignatureKind::kX509, pk.certificate());
    keys.pk = Signed(efi::kPk, u"PK", 0x27, 2024, certificate, pk);
    keys.kek = Signed(efi::kKek, u"KEK", 0x27, 2024, certificate, pk);
    keys.db = Signed(efi::kDb, u"db", 0x27, 2024, certificate, pk);
  }

  const test::Identity pk = test::Identity::Make();
  FirstBootKeys keys;
};

TEST_F(Allocation, APlainWriteIsDoneOrNot) {
  const base::Bytes name = NameBytes("Boot0001, with a name that no string holds inside itself");
  const base::Bytes data(100, 1);
  ExpectAllOrNothing(keys, [&](VariableServices& services) {
    EXPECT_EQ(services.SetVariable({.name = name, .vendor = kVendor, .attributes = 7, .data = data})
                  .reason,
              Reason::kSuccess);
  });
}

TEST_F(Allocation, ASignedAppendIsDoneOrNot) {
  const base::Bytes name = NameBytes("db");
  const base::Bytes data = Signed(efi::kDb, u"db", 0x67, 2025,
                                  List(efi::SignatureKind::kSha256, base::Bytes(32, 7)), pk);
  ExpectAllOrNothing(keys, [&](VariableServices& services) {
    EXPECT_EQ(services
                  .SetVariable(
                      {.name = name, .vendor = efi::kDb.vendor, .attributes = 0x67, .data = data})
                  .reason,
              Reason::kSuccess);
  });
}

TEST_F(Allocation, TheRemovalOfPkAndTheModesAreDoneTogetherOrNot) {
  const base::Bytes name = NameBytes("PK");
  const base::Bytes data = Signed(efi::kPk, u"PK", 0x27, 2025, {}, pk);
  ExpectAllOrNothing(keys, [&](VariableServices& services) {
    EXPECT_EQ(services
                  .SetVariable(
                      {.name = name, .vendor = efi::kPk.vendor, .attributes = 0x27, .data = data})
                  .reason,
              Reason::kSuccess);
    EXPECT_EQ(services.store().Find(store::KeyOf(efi::kPk)), nullptr);
  });
}

TEST_F(Allocation, ALockOfMorIsDoneOrNot) {
  const base::Bytes name = base::ToBytes(efi::kMorLock.name);
  const base::Bytes key(8, 0x42);
  ExpectAllOrNothing(keys, [&](VariableServices& services) {
    EXPECT_EQ(services
                  .SetVariable(
                      {.name = name, .vendor = efi::kMorLock.vendor, .attributes = 7, .data = key})
                  .reason,
              Reason::kSuccess);
  });
}

TEST_F(Allocation, APpiWriteAcrossBothPartsIsDoneOrNot) {
  ExpectAllOrNothing(keys, [&](VariableServices& services) {
    services.WritePpiData(0, 4, 0x01020304);
    EXPECT_EQ(services.ReadPpiData(0, 4), 0x01020304U);
  });
}

}  // namespace
}  // namespace varstored::engine
