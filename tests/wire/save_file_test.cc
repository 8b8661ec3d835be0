// The save file (docs/formats.md) as a whole: what an older daemon needs to find in it, and what
// goes over a resume without being seen by the guest.

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/signing.h"
#include "varstored/crypto/certificate.h"
#include "varstored/crypto/digest.h"
#include "varstored/efi/variable_name.h"
#include "varstored/store/vars_blob.h"
#include "wire/expressions.h"
#include "wire/machine.h"

namespace varstored::test {
namespace {

constexpr Guid kVendor = {1, 2, 3};

store::VarsBlob Decode(ByteSpan saved) {
  auto blob = store::DecodeVarsBlob(saved);
  EXPECT_TRUE(blob.ok());
  return *std::move(blob);
}

const store::Entry* Find(const store::VarsBlob& blob, const std::string& name) {
  const auto found = std::ranges::find_if(blob.entries, [&](const store::Entry& entry) {
    return efi::NameToUtf8(entry.name()) == name;
  });
  return found != blob.entries.end() ? &*found : nullptr;
}

TEST(SaveFile, HoldsWhatAnOlderDaemonDoesNotMakeItself) {
  const std::map<std::string, std::uint32_t> attributes_of = {
      {"SetupMode", 0x06},
      {"SecureBoot", 0x06},
      {"AuditMode", 0x06},
      {"DeployedMode", 0x06},
      {"SignatureSupport", 0x06},
      {"MemoryOverwriteRequestControl", 0x07},
      {"MemoryOverwriteRequestControlLock", 0x07},
      {"PPIBuffer", 0x07},
      {"Tcg2PhysicalPresenceFlagsLock", 0x07},
  };
  Machine machine;
  ASSERT_EQ(machine.guest().SetVariable(u"Volatile", kVendor, 0x06, Bytes{5}), kEfiSuccess);
  const store::VarsBlob blob = Decode(machine.Save());
  EXPECT_EQ(blob.version, 2U);
  EXPECT_EQ(blob.entries.size(), attributes_of.size() + 1);
  for (const auto& [name, attributes] : attributes_of) {
    const store::Entry* entry = Find(blob, name);
    ASSERT_NE(entry, nullptr) << name;
    EXPECT_EQ(entry->raw_attributes(), attributes) << name;
    if (name != "SetupMode") {  // where the mark of boot time is
      EXPECT_EQ(entry->signer(), store::SignerDigest{}) << name;
    }
  }
}

TEST(SaveFile, HoldsTheKeyOfTheMorLockAndThePhysicalPresenceInterface) {
  Machine machine;
  LoopbackClient& guest = machine.guest();
  const Bytes key = {1, 2, 3, 4, 5, 6, 7, 8};
  ASSERT_EQ(
      guest.SetVariable(u"MemoryOverwriteRequestControlLock", ParseGuidWord("mor-lock"), 0x07, key),
      kEfiSuccess);
  guest.WritePort(0x104, 4, 0x20);
  guest.WritePort(0x108, 1, 0x77);
  const store::VarsBlob blob = Decode(machine.Save());
  EXPECT_TRUE(std::ranges::equal(blob.ancillary.mor_key, key));
  EXPECT_EQ(blob.ancillary.ppi_index, 0x20U);
  EXPECT_EQ(blob.ancillary.ppi_volatile[0x20], 0x77);
}

TEST(SaveFile, ForgetsAWipedKey) {
  for (const Bytes& last : {Bytes(8, 0xAA), Bytes(8, 0xBB)}) {
    Machine machine;
    const Guid lock = ParseGuidWord("mor-lock");
    const std::u16string name = u"MemoryOverwriteRequestControlLock";
    ASSERT_EQ(machine.guest().SetVariable(name, lock, 0x07, Bytes(8, 0xAA)), kEfiSuccess);
    const std::uint64_t status = machine.guest().SetVariable(name, lock, 0x07, last);
    EXPECT_EQ(status, last[0] == 0xAA ? kEfiSuccess : kEfiAccessDenied);
    EXPECT_EQ(Decode(machine.Save()).ancillary.mor_key, (std::array<std::uint8_t, 8>{}));
  }
}

TEST(SaveFile, IsTheSameAfterAResume) {
  Machine machine;
  const Identity owner = Identity::Make();
  const VariableWrite write = {.name = u"Private", .guid = kVendor, .payload = {1, 2, 3}};
  ASSERT_EQ(machine.guest().SetVariable(u"Private", kVendor, 0x27, AuthPayload(write, owner)),
            kEfiSuccess);
  ASSERT_EQ(machine.guest().SetVariable(u"Volatile", kVendor, 0x02, Bytes{5}), kEfiSuccess);
  const Bytes saved = machine.Save();
  Machine resumed({.saved = saved});
  EXPECT_TRUE(resumed.Save() == saved);
}

TEST(SaveFile, KeepsTheOrderOfAWalk) {
  // A guest that is migrated in the middle of a walk goes on from the name that it holds.
  Machine machine;
  ASSERT_EQ(machine.guest().SetVariable(u"Volatile", kVendor, 0x02, Bytes{5}), kEfiSuccess);
  ASSERT_EQ(machine.guest().SetVariable(u"Kept", kVendor, 0x07, Bytes{5}), kEfiSuccess);
  const auto names = machine.guest().Walk();
  Machine resumed({.saved = machine.Save()});
  EXPECT_TRUE(resumed.guest().Walk() == names);
}

/// A signer's common name, and what of it goes into the digest of a private variable.
struct NameCase {
  NamePart common_name;
  std::string digested;
};

TEST(SaveFile, HoldsTheDigestOfAPrivateVariablesSigner) {
  using namespace std::string_literals;
  const std::array<NameCase, 7> cases = {{
      {{"CN", "Owner"}, "Owner"},
      {{"CN", std::string(127, 'x')}, std::string(127, 'x')},
      {{"CN", std::string(200, 'x')}, std::string(127, 'x')},
      {{"CN", "Own\0er"s}, "Own"},
      {{"CN", "\0Owner"s}, ""},
      {{"CN", "Owner", StringType::kPrintable}, "Owner"},
      {{"CN", "\0O\0w"s, StringType::kBmp}, ""},
  }};
  for (const auto& [common_name, digested] : cases) {
    SCOPED_TRACE(common_name.octets);
    const Identity owner =
        Identity::Make({.subject = {{"O", "First"}, common_name, {"CN", "Second"}}});
    Machine machine;
    const VariableWrite write = {.name = u"Private", .guid = kVendor, .payload = {1, 2, 3}};
    ASSERT_EQ(machine.guest().SetVariable(u"Private", kVendor, 0x27, AuthPayload(write, owner)),
              kEfiSuccess);
    const store::VarsBlob blob = Decode(machine.Save());
    const auto certificate = crypto::Certificate::Parse(owner.certificate());
    ASSERT_TRUE(certificate.ok());
    const auto expected = crypto::Sha256({base::ToBytes(digested), certificate->tbs_der()});
    ASSERT_TRUE(expected.ok());
    EXPECT_EQ(Find(blob, "Private")->signer(), *expected);
  }
}

TEST(SaveFile, HoldsNoDigestForSecureBootVariables) {
  KeyRing keys({});
  const Identity pk = Identity::Make();
  Machine machine;
  const VariableWrite write = {
      .name = u"PK",
      .guid = kGlobalGuid,
      .payload = SignatureListOf(ParseGuidWord("a5c059a1-94e4-4aa7-87b5-ab155c2bf072"),
                                 ParseGuidWord("test"), {pk.certificate()})};
  ASSERT_EQ(machine.guest().SetVariable(u"PK", kGlobalGuid, 0x27, AuthPayload(write, pk)),
            kEfiSuccess);
  const store::VarsBlob blob = Decode(machine.Save());
  const store::Entry* entry = Find(blob, "PK");
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->signer(), store::SignerDigest{});
  EXPECT_EQ(entry->timestamp().year, 2024);
}

TEST(SaveFile, OfAnotherModeIsNotBelieved) {
  // A saved file arrives with a migration: PK decides, not what stands beside it.
  Machine machine({.saved = BlobOf({
                       RecordOf(u"SetupMode", kGlobalGuid, 0x06, {0}),
                       RecordOf(u"DeployedMode", kGlobalGuid, 0x06, {1}),
                       RecordOf(u"SecureBoot", kGlobalGuid, 0x06, {2}),
                   })});
  EXPECT_EQ(machine.guest().GetVariable(u"SetupMode", kGlobalGuid).data, Bytes{1});
  EXPECT_EQ(machine.guest().GetVariable(u"DeployedMode", kGlobalGuid).data, Bytes{0});
  EXPECT_EQ(machine.guest().GetVariable(u"SecureBoot", kGlobalGuid).data, Bytes{0});
}

/// Whether the guest of this save file goes on in its firmware: nothing else reads a variable
/// without runtime access.
bool IsAtBootTime(const Bytes& saved) {
  Machine machine({.saved = saved});
  const auto reply = machine.guest().GetVariable(u"BootOnly", kVendor);
  EXPECT_TRUE(reply.status == kEfiSuccess || reply.status == kEfiNotFound) << reply.status;
  return reply.status == kEfiSuccess;
}

class BootTimeMark : public testing::Test {
 protected:
  /// The state of a guest in its firmware, or in its operating system.
  static Bytes Saved(bool at_runtime) {
    Machine machine;
    EXPECT_EQ(machine.guest().SetVariable(u"BootOnly", kVendor, 0x03, Bytes{5}), kEfiSuccess);
    static_cast<void>(machine.guest().GetVariable(u"None", kVendor, 64, at_runtime));
    return machine.Save();
  }
  /// The same blob with its records in another order, or changed.
  static Bytes Encoded(const store::VarsBlob& blob) {
    std::vector<const store::Entry*> entries;
    for (const store::Entry& entry : blob.entries) {
      entries.push_back(&entry);
    }
    return store::EncodeVarsBlob(blob.ancillary, entries);
  }
};

TEST_F(BootTimeMark, IsWrittenForAGuestInItsFirmwareOnly) {
  EXPECT_TRUE(IsAtBootTime(Saved(false)));
  EXPECT_FALSE(IsAtBootTime(Saved(true)));
  const store::VarsBlob later = Decode(Saved(true));
  EXPECT_EQ(Find(later, "SetupMode")->signer(), store::SignerDigest{});
}

TEST_F(BootTimeMark, TakesNoRoomAndLeavesEveryOtherByteAsItWas) {
  store::VarsBlob marked = Decode(Saved(false));
  const store::VarsBlob unmarked = Decode(Saved(true));
  ASSERT_EQ(marked.entries.size(), unmarked.entries.size());
  for (std::size_t i = 0; i < marked.entries.size(); ++i) {
    const store::Entry& entry = marked.entries[i];
    if (efi::NameToUtf8(entry.name()) == "SetupMode") {
      EXPECT_NE(entry.signer(), store::SignerDigest{});
      EXPECT_EQ(entry.data(), unmarked.entries[i].data());
    } else {
      EXPECT_EQ(entry, unmarked.entries[i]);
    }
  }
}

TEST_F(BootTimeMark, OfAnotherStateIsNoWord) {
  const Bytes saved = Saved(false);
  store::VarsBlob unmarked = Decode(Saved(true));
  EXPECT_FALSE(IsAtBootTime(Encoded(unmarked)));

  // An older daemon keeps the mark as it is, and writes the records in the opposite order.
  store::VarsBlob reversed = Decode(saved);
  std::ranges::reverse(reversed.entries);
  EXPECT_FALSE(IsAtBootTime(Encoded(reversed)));

  store::VarsBlob changed = Decode(saved);
  changed.ancillary.ppi_index = 1;
  EXPECT_FALSE(IsAtBootTime(Encoded(changed)));

  // A mark of one state in another.
  const store::Entry* mark = Find(reversed, "SetupMode");
  for (store::Entry& entry : unmarked.entries) {
    if (efi::NameToUtf8(entry.name()) == "SetupMode") {
      entry = *mark;
    } else if (efi::NameToUtf8(entry.name()) == "BootOnly") {
      entry = store::MakeEntry(RecordOf(u"BootOnly", kVendor, 0x03, {6}));
    }
  }
  EXPECT_FALSE(IsAtBootTime(Encoded(unmarked)));
}

TEST_F(BootTimeMark, InAFileWithARecordTwiceIsNoWord) {
  store::VarsBlob twice = Decode(Saved(false));
  const store::Entry last = twice.entries.back();
  twice.entries.push_back(last);
  EXPECT_FALSE(IsAtBootTime(Encoded(twice)));
}

/// A lock that nobody can understand stays shut until the next boot.
TEST(SaveFile, WithUnclearLocksLeavesThemShut) {
  const Guid ppi = ParseGuidWord("ppi");
  const Guid mor = ParseGuidWord("mor");
  const Guid lock = ParseGuidWord("mor-lock");
  const std::array<store::LegacyRecord, 4> locks = {
      RecordOf(u"MemoryOverwriteRequestControlLock", lock, 0x07, {7}),
      RecordOf(u"MemoryOverwriteRequestControlLock", lock, 0x07, {0, 0}),
      RecordOf(u"Other", lock, 0x07, {0}),  // it is missing
      RecordOf(u"Tcg2PhysicalPresenceFlagsLock", ppi, 0x07, {0xFF, 0}),
  };
  for (const store::LegacyRecord& record : locks) {
    Machine machine({.saved = BlobOf({record})});
    LoopbackClient& guest = machine.guest();
    EXPECT_EQ(guest.GetVariable(u"MemoryOverwriteRequestControlLock", lock).data, Bytes{1});
    EXPECT_EQ(guest.SetVariable(u"MemoryOverwriteRequestControl", mor, 0x07, Bytes{1}),
              kEfiAccessDenied);
    EXPECT_EQ(guest.SetVariable(u"MemoryOverwriteRequestControlLock", lock, 0x07, Bytes(8)),
              kEfiAccessDenied);
    EXPECT_EQ(guest.GetVariable(u"Tcg2PhysicalPresenceFlagsLock", ppi).data, Bytes{1});
    EXPECT_EQ(guest.SetVariable(u"Tcg2PhysicalPresenceFlags", ppi, 0x07, Bytes{1}),
              kEfiWriteProtected);
  }
}

}  // namespace
}  // namespace varstored::test
