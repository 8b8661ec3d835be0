// L-14: a storage that fails leaves no half-done update. A VM's life is told again and again, each
// time with another commit that fails: the call is answered with a device error, everything is as
// it was, in memory and in the storage, and the same call works once the storage does.

#include <cstddef>
#include <cstdint>
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

/// One call of the story.
struct Step {
  std::u16string name;
  efi::Guid vendor;
  std::uint32_t attributes;
  base::Bytes data;
};

/// Signs everything that it writes with one key, each time a minute later.
class Author {
 public:
  [[nodiscard]] Step Signed(std::u16string name, const efi::Guid& vendor, std::uint32_t attributes,
                            const base::Bytes& payload) {
    ++time_.minute;
    const test::VariableWrite write = {.name = name,
                                       .guid = vendor.bytes,
                                       .attributes = attributes,
                                       .time = time_,
                                       .payload = payload};
    return {std::move(name), vendor, attributes, test::AuthPayload(write, identity_)};
  }
  [[nodiscard]] base::Bytes certificate_list() const {
    return test::SignatureListOf(efi::TypeOf(efi::SignatureKind::kX509).guid.bytes, kVendor.bytes,
                                 {identity_.certificate()});
  }

 private:
  test::Identity identity_ = test::Identity::Make();
  test::Time time_;
};

base::Bytes Hashes(std::uint8_t fill) {
  return test::SignatureListOf(efi::TypeOf(efi::SignatureKind::kSha256).guid.bytes, kVendor.bytes,
                               {base::Bytes(32, fill)});
}

/// Every kind of change that has to be kept.
std::vector<Step> Story() {
  const efi::Guid& global = efi::kGlobalVariableGuid;
  const efi::Guid& database = efi::kImageSecurityDatabaseGuid;
  Author author;
  return {
      {u"Boot0001", global, 0x07, {1, 2, 3}},           // create
      {u"Boot0001", global, 0x07, {4}},                 // replace
      {u"Boot0001", global, 0x47, {5, 6}},              // append
      author.Signed(u"db", database, 0x27, Hashes(1)),  // keys in setup mode
      author.Signed(u"KEK", global, 0x27, author.certificate_list()),
      author.Signed(u"PK", global, 0x27, author.certificate_list()),  // user mode begins
      author.Signed(u"db", database, 0x67, Hashes(2)),
      author.Signed(u"db", database, 0x67, {}),  // nothing but a later time
      author.Signed(u"Private", kVendor, 0x27, {7, 8}),
      author.Signed(u"Private", kVendor, 0x67, {9}),
      {u"Tcg2PhysicalPresenceFlags", efi::kTcg2PhysicalPresenceGuid, 0x07, {1, 0, 0, 0}},
      {u"Tcg2PhysicalPresenceFlagsLock", efi::kTcg2PhysicalPresenceGuid, 0x07, {1}},
      author.Signed(u"Private", kVendor, 0x27, {}),  // a signed deletion
      author.Signed(u"PK", global, 0x27, {}),        // setup mode again
      {u"Boot0001", global, 0x07, {}},               // a deletion
  };
}

Reason Call(VariableServices& services, const Step& step) {
  base::Bytes name;
  for (const char16_t unit : step.name) {
    name.push_back(static_cast<std::uint8_t>(unit));
    name.push_back(0);
  }
  return services
      .SetVariable(
          {.name = name, .vendor = step.vendor, .attributes = step.attributes, .data = step.data})
      .reason;
}

TEST(L14, ACallWhoseCommitFailsChangesNothingAndWorksOnceTheStorageDoes) {
  const std::vector<Step> story = Story();
  for (std::size_t failing = 1; failing <= story.size(); ++failing) {
    FailingBackend backend;
    CollectingLog log;
    VariableServices services({.secure_boot = true}, backend, log);
    ASSERT_TRUE(services.Boot({}));
    for (std::size_t i = 0; i + 1 < failing; ++i) {
      ASSERT_EQ(ReasonText(Call(services, story[i])), "success") << "step " << i + 1;
    }
    const base::Bytes before = services.Save();
    const auto kept_before = backend.kept();

    backend.FailNextCommit();
    const Reason reason = Call(services, story[failing - 1]);

    EXPECT_EQ(ReasonText(reason), "backend-failed") << "step " << failing;
    EXPECT_EQ(StatusOf(reason), efi::Status::kDeviceError);
    EXPECT_EQ(services.Save(), before) << "step " << failing;
    EXPECT_EQ(backend.kept(), kept_before) << "step " << failing;
    for (std::size_t i = failing - 1; i < story.size(); ++i) {
      EXPECT_EQ(ReasonText(Call(services, story[i])), "success") << "step " << i + 1;
    }
  }
}

TEST(L14, EachCallOfTheStoryIsOneCommit) {
  const std::vector<Step> story = Story();
  FailingBackend backend;
  CollectingLog log;
  VariableServices services({.secure_boot = true}, backend, log);
  ASSERT_TRUE(services.Boot({}));
  for (const Step& step : story) {
    ASSERT_EQ(ReasonText(Call(services, step)), "success");
  }
  EXPECT_EQ(backend.commits(), story.size());
}

TEST(L14, WhatIsKeptAfterAFailureIsWhatTheNextBootFinds) {
  const std::vector<Step> story = Story();
  for (std::size_t failing = 1; failing <= story.size(); ++failing) {
    FailingBackend backend;
    CollectingLog log;
    {
      VariableServices services({.secure_boot = true}, backend, log);
      ASSERT_TRUE(services.Boot({}));
      backend.FailCommit(failing);
      for (std::size_t i = 0; i < failing; ++i) {
        [[maybe_unused]] const Reason reason = Call(services, story[i]);
      }
    }
    VariableServices next({.secure_boot = true}, backend, log);
    ASSERT_TRUE(next.Boot({}));
    // The call that failed was never made: it, and all that follow, can be made now.
    for (std::size_t i = failing - 1; i < story.size(); ++i) {
      EXPECT_EQ(ReasonText(Call(next, story[i])), "success")
          << "commit " << failing << ", step " << i + 1;
    }
  }
}

TEST(L14, FirstBootKeysThatCannotBeKeptFailTheStartAndKeepNothing) {
  Author author;
  FirstBootKeys keys;
  keys.db = author.Signed(u"db", efi::kImageSecurityDatabaseGuid, 0x27, Hashes(1)).data;
  keys.pk = author.Signed(u"PK", efi::kGlobalVariableGuid, 0x27, author.certificate_list()).data;
  FailingBackend backend;
  CollectingLog log;
  backend.FailNextCommit();
  VariableServices services({.secure_boot = true}, backend, log);

  const auto booted = services.Boot(keys);

  EXPECT_FALSE(booted.ok());
  EXPECT_FALSE(backend.kept().has_value());
}

TEST(L14, AByteOfThePhysicalPresenceInterfaceThatCannotBeKeptStaysAndIsLogged) {
  FailingBackend backend;
  CollectingLog log;
  VariableServices services({}, backend, log);
  ASSERT_TRUE(services.Boot({}));
  services.WritePpiIndex(0x100);
  services.WritePpiData(0, 1, 0x11);
  const std::size_t lines = log.lines().size();

  backend.FailNextCommit();
  services.WritePpiData(0, 1, 0x22);

  EXPECT_EQ(services.ReadPpiData(0, 1), 0x11U);
  EXPECT_EQ(log.lines().size(), lines + 1);
}

}  // namespace
}  // namespace varstored::engine
