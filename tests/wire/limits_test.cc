// The store's limits, with and without the latch (docs/engine.md, "Limits"), as a guest meets them.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "wire/expressions.h"
#include "wire/machine.h"

namespace varstored::test {
namespace {

constexpr Guid kVendor = {1, 2, 3};
constexpr std::uint64_t kStoreBytes = 131072;
constexpr std::uint64_t kRuntimeBytes = 98304;
constexpr std::uint64_t kRuntimeSecureBootBytes = 122880;
constexpr std::uint64_t kOverheadBytes = 128;

std::uint64_t Remaining(LoopbackClient& guest) {
  const auto info = guest.QueryVariableInfo(0x07);
  EXPECT_EQ(info.status, kEfiSuccess);
  EXPECT_EQ(info.maximum_storage, kStoreBytes);
  EXPECT_EQ(info.maximum_variable, 57344U);
  return info.remaining_storage;
}

/// What the guest can find out about itself: it has to be at boot time to see everything.
std::uint64_t UsedByAWalk(LoopbackClient& guest) {
  std::uint64_t used = 0;
  for (const auto& [name, guid] : guest.Walk()) {
    used += 2 * name.size() + guest.GetVariable(name, guid).data.size() + kOverheadBytes;
  }
  return used;
}

/// A name of 2 bytes.
std::u16string ShortName(char16_t number) { return {static_cast<char16_t>(0x4E00 + number)}; }

constexpr std::uint64_t kShortNameBytes = 2;

/// Fills the store until it uses `target` bytes, at least 8 KiB more than now, with variables
/// called ShortName(first), ...
void FillUpTo(LoopbackClient& guest, std::uint64_t target, char16_t first = 1) {
  constexpr std::uint64_t kStep = 16384;
  char16_t number = first;
  for (std::uint64_t used = kStoreBytes - Remaining(guest); used < target;) {
    const std::uint64_t missing = target - used;
    // The last one must not be too small to be.
    const std::uint64_t next = missing < 2 * kStep ? missing : kStep;
    ASSERT_EQ(guest.SetVariable(ShortName(number++), kVendor, 0x07,
                                Bytes(next - kShortNameBytes - kOverheadBytes)),
              kEfiSuccess);
    used += next;
  }
}

/// A first call at runtime.
void EnterRuntime(LoopbackClient& guest) {
  EXPECT_EQ(guest.GetVariable(u"Nothing", kVendor, 0, true).status, kEfiNotFound);
}

/// dbx of so many bytes, as a guest in setup mode can have it: 28 bytes of a list's header, and
/// entries of one certificate each, which has a size of its own.
Bytes DbxOf(std::uint64_t size_bytes, KeyRing& keys) {
  constexpr std::uint64_t kHashListBytes = 28;
  constexpr std::uint64_t kHashBytes = 48;
  EXPECT_EQ((size_bytes - kHashListBytes) % kHashBytes, 0U);
  return ParseBytes("hashes(" + std::to_string((size_bytes - kHashListBytes) / kHashBytes) + ")",
                    keys);
}

TEST(Limits, UsedIsTheSumOverAllVariables) {
  Machine machine;
  LoopbackClient& guest = machine.guest();
  EXPECT_EQ(Remaining(guest), kStoreBytes - UsedByAWalk(guest));
  const std::uint64_t before = Remaining(guest);

  ASSERT_EQ(guest.SetVariable(u"Name", kVendor, 0x07, Bytes(100)), kEfiSuccess);
  EXPECT_EQ(Remaining(guest), before - (8 + 100 + kOverheadBytes));
  ASSERT_EQ(guest.SetVariable(u"Volatile", kVendor, 0x02, Bytes(10)), kEfiSuccess);
  EXPECT_EQ(Remaining(guest), before - (8 + 100 + kOverheadBytes) - (16 + 10 + kOverheadBytes));
  EXPECT_EQ(Remaining(guest), kStoreBytes - UsedByAWalk(guest));

  ASSERT_EQ(guest.SetVariable(u"Name", kVendor, 0x07, Bytes(1)), kEfiSuccess);
  ASSERT_EQ(guest.SetVariable(u"Volatile", kVendor, 0x02, {}), kEfiSuccess);
  EXPECT_EQ(Remaining(guest), before - (8 + 1 + kOverheadBytes));
  ASSERT_EQ(guest.SetVariable(u"Name", kVendor, 0x07, {}), kEfiSuccess);
  EXPECT_EQ(Remaining(guest), before);
}

TEST(Limits, RemainingIsTheSameForAllAttributes) {
  Machine machine;
  const std::uint64_t remaining = Remaining(machine.guest());
  for (const std::uint32_t attributes : {0x02U, 0x06U, 0x07U, 0x27U, 0x67U}) {
    EXPECT_EQ(machine.guest().QueryVariableInfo(attributes).remaining_storage, remaining);
  }
  EnterRuntime(machine.guest());
  for (const std::uint32_t attributes : {0x02U, 0x06U, 0x07U, 0x27U, 0x67U}) {
    EXPECT_EQ(machine.guest().QueryVariableInfo(attributes).remaining_storage,
              remaining - (kStoreBytes - kRuntimeSecureBootBytes));
  }
}

TEST(Limits, BeforeTheLatchTheWholeStoreCanBeFilled) {
  Machine machine;
  LoopbackClient& guest = machine.guest();
  FillUpTo(guest, kStoreBytes - 1000);
  const std::uint64_t left = 1000 - kShortNameBytes - kOverheadBytes;
  EXPECT_EQ(guest.SetVariable(u"x", kVendor, 0x07, Bytes(left + 1)), kEfiOutOfResources);
  EXPECT_EQ(guest.SetVariable(u"x", kVendor, 0x02, Bytes(left + 1)), kEfiOutOfResources);
  EXPECT_EQ(guest.SetVariable(u"x", kVendor, 0x07, Bytes(left)), kEfiSuccess);
  EXPECT_EQ(Remaining(guest), 0U);
  EXPECT_EQ(guest.SetVariable(u"x", kVendor, 0x47, Bytes(1)), kEfiOutOfResources);
  EXPECT_EQ(guest.SetVariable(u"x", kVendor, 0x07, Bytes(left + 1)), kEfiOutOfResources);
  EXPECT_EQ(guest.SetVariable(u"y", kVendor, 0x02, Bytes(1)), kEfiOutOfResources);
}

TEST(Limits, AFullStoreTakesWhatIsNotLarger) {
  Machine machine;
  LoopbackClient& guest = machine.guest();
  FillUpTo(guest, kStoreBytes);
  const auto size = guest.GetVariable(ShortName(1), kVendor).data.size();
  EXPECT_EQ(guest.SetVariable(ShortName(1), kVendor, 0x07, Bytes(size, 0xBB)), kEfiSuccess);
  EXPECT_EQ(guest.SetVariable(ShortName(1), kVendor, 0x07, Bytes(size + 1)), kEfiOutOfResources);
  EXPECT_EQ(guest.SetVariable(ShortName(1), kVendor, 0x07, Bytes(size - 1)), kEfiSuccess);
  EXPECT_EQ(guest.SetVariable(ShortName(1), kVendor, 0x07, Bytes(size)), kEfiSuccess);
  EXPECT_EQ(guest.SetVariable(ShortName(1), kVendor, 0x07, {}), kEfiSuccess);
  EXPECT_EQ(guest.SetVariable(ShortName(1), kVendor, 0x07, Bytes(size)), kEfiSuccess);
  // What is built in has its place already.
  EXPECT_EQ(
      guest.SetVariable(u"MemoryOverwriteRequestControl", ParseGuidWord("mor"), 0x07, Bytes{1}),
      kEfiSuccess);
}

TEST(Limits, AfterTheLatchOrdinaryVariablesLeaveRoomForABoot) {
  Machine machine;
  LoopbackClient& guest = machine.guest();
  FillUpTo(guest, kRuntimeBytes - 1000);
  EnterRuntime(guest);
  const std::uint64_t left = 1000 - kShortNameBytes - kOverheadBytes;
  EXPECT_EQ(guest.SetVariable(u"x", kVendor, 0x07, Bytes(left + 1)), kEfiOutOfResources);
  EXPECT_EQ(guest.SetVariable(u"x", kVendor, 0x07, Bytes(left)), kEfiSuccess);
  EXPECT_EQ(guest.SetVariable(u"x", kVendor, 0x47, Bytes(1)), kEfiOutOfResources);
  EXPECT_EQ(Remaining(guest), kRuntimeSecureBootBytes - kRuntimeBytes);
  EXPECT_EQ(guest.SetVariable(u"x", kVendor, 0x07, Bytes(left - 1)), kEfiSuccess);
  EXPECT_EQ(guest.SetVariable(u"x", kVendor, 0x07, {}), kEfiSuccess);
}

TEST(Limits, AfterTheLatchSecureBootVariablesMayUseMore) {
  Machine machine;
  LoopbackClient& guest = machine.guest();
  KeyRing keys({});
  constexpr std::uint64_t kDbxBytes = 28 + std::uint64_t{48} * 500;
  FillUpTo(guest, kRuntimeSecureBootBytes - (6 + kDbxBytes + kOverheadBytes));
  EnterRuntime(guest);
  const Guid security = ParseGuidWord("security");
  EXPECT_EQ(guest.SetVariable(u"x", kVendor, 0x07, Bytes(1)), kEfiOutOfResources);
  EXPECT_EQ(guest.SetVariable(u"dbx", security, 0x27,
                              WithDescriptor({}, {}, DbxOf(kDbxBytes + 48, keys))),
            kEfiOutOfResources);
  EXPECT_EQ(
      guest.SetVariable(u"dbx", security, 0x27, WithDescriptor({}, {}, DbxOf(kDbxBytes, keys))),
      kEfiSuccess);
  EXPECT_EQ(Remaining(guest), 0U);
  EXPECT_EQ(guest.SetVariable(u"dbx", security, 0x67,
                              WithDescriptor({}, {}, ParseBytes("sha256(77)", keys))),
            kEfiOutOfResources);
  // A private variable is an ordinary one.
  EXPECT_EQ(guest.SetVariable(u"x", kVendor, 0x07, Bytes(1)), kEfiOutOfResources);
}

TEST(Limits, AStoreThatIsFullAlreadyWhenTheLatchFallsOnlyShrinks) {
  Machine machine;
  LoopbackClient& guest = machine.guest();
  FillUpTo(guest, kStoreBytes - 500);
  EnterRuntime(guest);
  EXPECT_EQ(Remaining(guest), 0U);
  const auto size = guest.GetVariable(ShortName(1), kVendor).data.size();
  EXPECT_EQ(guest.SetVariable(ShortName(1), kVendor, 0x07, Bytes(size, 0xBB)), kEfiSuccess);
  EXPECT_EQ(guest.SetVariable(ShortName(1), kVendor, 0x07, Bytes(size + 1)), kEfiOutOfResources);
  EXPECT_EQ(guest.SetVariable(ShortName(1), kVendor, 0x07, Bytes(size - 1)), kEfiSuccess);
  EXPECT_EQ(guest.SetVariable(ShortName(1), kVendor, 0x07, Bytes(size)), kEfiOutOfResources);
  EXPECT_EQ(guest.SetVariable(ShortName(1), kVendor, 0x07, {}), kEfiSuccess);
}

TEST(Limits, TheReserveIsThereAgainAtTheNextBoot) {
  Machine machine;
  FillUpTo(machine.guest(), kRuntimeBytes);
  EnterRuntime(machine.guest());
  EXPECT_EQ(machine.guest().SetVariable(u"x", kVendor, 0x07, Bytes(1)), kEfiOutOfResources);
  Machine next({.kept = machine.ShutDown()});
  EXPECT_EQ(next.guest().SetVariable(u"x", kVendor, 0x07, Bytes(20000)), kEfiSuccess);
}

TEST(Limits, ThereAre1024Variables) {
  Machine machine;
  LoopbackClient& guest = machine.guest();
  const std::size_t built_in = guest.Walk().size();
  // Names of 2 bytes and data of 1 byte: bytes are not what is used up.
  std::vector<store::LegacyRecord> records;
  for (char16_t number = 0; number < 800; ++number) {
    records.push_back(RecordOf(ShortName(number), kVendor, 0x07, Bytes(1)));
  }
  EXPECT_GT(1024 * (kShortNameBytes + 1 + kOverheadBytes), kStoreBytes);
  Machine many({.kept = BlobOf(records)});
  EXPECT_EQ(many.guest().Walk().size(), 800 + built_in);
}

TEST(Limits, MoreVariablesThanAllowedAreNotAdded) {
  // As many as a stored state may hold, which is more than the store's bytes would allow.
  std::vector<store::LegacyRecord> records;
  for (char16_t number = 0; number < 1000; ++number) {
    records.push_back(RecordOf(ShortName(number), kVendor, 0x07, Bytes(1)));
  }
  Machine machine({.kept = BlobOf(records)});
  LoopbackClient& guest = machine.guest();
  EXPECT_EQ(Remaining(guest), 0U);
  EXPECT_EQ(guest.SetVariable(u"new", kVendor, 0x07, Bytes(1)), kEfiOutOfResources);
  EXPECT_EQ(guest.SetVariable(ShortName(0), kVendor, 0x07, Bytes(1, 5)), kEfiSuccess);
  EXPECT_EQ(guest.SetVariable(ShortName(1), kVendor, 0x07, {}), kEfiSuccess);
}

TEST(Limits, AStoreOverTheLimitIsServed) {
  std::vector<store::LegacyRecord> records;
  for (char16_t number = 0; number < 4; ++number) {
    records.push_back(RecordOf(ShortName(number), kVendor, 0x07, Bytes(50000)));
  }
  Machine machine({.kept = BlobOf(records)});
  LoopbackClient& guest = machine.guest();
  EXPECT_EQ(Remaining(guest), 0U);
  EXPECT_EQ(guest.GetVariable(ShortName(3), kVendor).data.size(), 50000U);
  EXPECT_EQ(guest.SetVariable(u"new", kVendor, 0x07, Bytes(1)), kEfiOutOfResources);
  EXPECT_EQ(guest.SetVariable(ShortName(0), kVendor, 0x47, Bytes(1)), kEfiOutOfResources);
  EXPECT_EQ(guest.SetVariable(ShortName(0), kVendor, 0x07, Bytes(49999)), kEfiSuccess);
  EXPECT_EQ(guest.SetVariable(ShortName(0), kVendor, 0x07, {}), kEfiSuccess);
  EXPECT_EQ(guest.SetVariable(ShortName(1), kVendor, 0x07, {}), kEfiSuccess);
  EXPECT_EQ(guest.SetVariable(u"new", kVendor, 0x07, Bytes(1)), kEfiSuccess);
}

TEST(Limits, TheLargestPossibleRequestIsTaken) {
  Machine machine;
  const std::u16string name(2048, u'x');
  EXPECT_EQ(machine.guest().SetVariable(name, kVendor, 0x07, Bytes(57344, 0xAA)), kEfiSuccess);
  EXPECT_EQ(machine.guest().GetVariable(name, kVendor).data, Bytes(57344, 0xAA));
}

// L-22, where it is the class limit and not the variable's that is in the way.
TEST(L22, AListThatDoesNotFitIntoTheStoreTwiceIsComparedWithoutItsOwner) {
  KeyRing keys({});
  Machine machine;
  LoopbackClient& guest = machine.guest();
  const Guid security = ParseGuidWord("security");
  const auto append = [&](const std::string& payload) {
    return guest.SetVariable(u"dbx", security, 0x67,
                             WithDescriptor({}, {}, ParseBytes(payload, keys)));
  };
  ASSERT_EQ(append("hashes(400)"), kEfiSuccess);
  FillUpTo(guest, kStoreBytes - 10000);
  EXPECT_EQ(append("hashes(400,owner=ms)"), kEfiSuccess);
  EXPECT_EQ(guest.GetVariable(u"dbx", security).data, ParseBytes("hashes(400)", keys));
  EXPECT_EQ(append("hashes(100,owner=ms)"), kEfiSuccess);
  EXPECT_EQ(guest.GetVariable(u"dbx", security).data,
            ParseBytes("hashes(400)+hashes(100,owner=ms)", keys));
  EXPECT_EQ(append("hashes(150,owner=ms,first=400)"), kEfiOutOfResources);
}

// L-23: what a guest leaves behind is no obstacle to the next boot, which writes 40 variables and
// asks 600 times.
TEST(L23, ABootSucceedsInAStoreThatWasFilledAtRuntime) {
  KeyRing keys({});
  Machine machine;
  LoopbackClient& guest = machine.guest();
  const Guid security = ParseGuidWord("security");
  EnterRuntime(guest);
  std::size_t size_bytes = 16384;
  for (char16_t number = 1; size_bytes > 0; ++number) {
    if (guest.SetVariable(ShortName(number), kVendor, 0x07, Bytes(size_bytes)) != kEfiSuccess) {
      size_bytes /= 2;
    }
  }
  // In setup mode nobody has to sign, so that the guest gets at the rest as well.
  for (int first = 0, count = 400; count > 0; first += count) {
    const std::string list =
        "hashes(" + std::to_string(count) + ",first=" + std::to_string(first) + ")";
    if (guest.SetVariable(u"dbx", security, 0x67, WithDescriptor({}, {}, ParseBytes(list, keys))) !=
        kEfiSuccess) {
      count /= 2;
    }
  }
  ASSERT_LT(Remaining(guest), 200U);

  Machine next({.kept = machine.ShutDown()});
  for (char16_t number = 0; number < 40; ++number) {
    const std::u16string name = {u'B', u'o', u'o', u't', static_cast<char16_t>(u'A' + number)};
    const std::uint32_t attributes = number % 2 == 0 ? 0x07 : 0x06;
    EXPECT_EQ(next.guest().SetVariable(name, ParseGuidWord("global"), attributes, Bytes(50)),
              kEfiSuccess);
    for (int i = 0; i < 14; ++i) {
      EXPECT_EQ(next.guest().GetVariable(name, ParseGuidWord("global")).status, kEfiSuccess);
    }
  }
}

}  // namespace
}  // namespace varstored::test
