// What happens when memory runs out, and how much a claim alone can take: with an operator new of
// its own.

#include <cstdint>
#include <functional>
#include <limits>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "store/entries.h"
#include "support/allocations.h"
#include "varstored/base/bytes.h"
#include "varstored/base/writer.h"
#include "varstored/store/store.h"
#include "varstored/store/vars_blob.h"

namespace varstored::store {
namespace {

using base::Bytes;
using test::AllocationCount;
using test::FailsAtAllocation;

// Names that are too long for the room that a string has in itself.
Entry Named(char name, Bytes data) { return MakeVariable(std::string(40, name), std::move(data)); }

const Entry kA = Named('A', {1});
const Entry kB = Named('B', {1, 2});
const Entry kC = Named('C', {1, 2, 3});
const Entry kOtherB = Named('B', {9, 9, 9, 9, 9});

void Fill(Store& store) {
  store.Append(kA);
  store.Append(kB);
}

/// A change of {A, B}: what is staged first, and then the step that runs out of memory.
struct Step {
  std::string name;
  std::function<void(StagedStore&)> first;
  std::function<void(StagedStore&, Entry)> step;
  Entry entry;
};

void PrintTo(const Step& step, std::ostream* out) { *out << step.name; }

const std::vector<Step> kSteps = [] {
  const auto put = [](StagedStore& staged, Entry entry) { staged.Put(std::move(entry)); };
  const auto erase = [](StagedStore& staged, const Entry& entry) { staged.Erase(KeyOf(entry)); };
  return std::vector<Step>{
      {"PutNew", [](StagedStore&) {}, put, kC},
      {"PutOverStored", [](StagedStore&) {}, put, kOtherB},
      {"PutOverStaged", [](StagedStore& s) { s.Put(kOtherB); }, put, Named('B', {3})},
      {"PutOverStagedNew", [](StagedStore& s) { s.Put(kC); }, put, Named('C', {3})},
      {"PutBack", [](StagedStore& s) { s.Put(kOtherB); }, put, kB},
      {"PutBackErased", [](StagedStore& s) { s.Erase(KeyOf(kB)); }, put, kB},
      {"PutOverErased", [](StagedStore& s) { s.Erase(KeyOf(kB)); }, put, kOtherB},
      {"PutThird",
       [](StagedStore& s) {
         s.Put(kC);
         s.Erase(KeyOf(kA));
       },
       put, Named('D', {4})},
      {"EraseStored", [](StagedStore&) {}, erase, kB},
      {"EraseReplaced", [](StagedStore& s) { s.Put(kOtherB); }, erase, kB},
      {"EraseThird",
       [](StagedStore& s) {
         s.Put(kC);
         s.Erase(KeyOf(kA));
       },
       erase, kB},
  };
}();

class OutOfMemory : public testing::TestWithParam<Step> {};

TEST_P(OutOfMemory, AtEveryAllocationLeavesStoreAndStagedAsTheyWere) {
  const Step& step = GetParam();
  std::size_t number = 0;
  for (bool failed = true; failed; ++number) {
    ASSERT_LT(number, 100U);
    Store store;
    Fill(store);
    const std::vector<Entry> stored = Walk(store);
    StagedStore staged(store);
    step.first(staged);
    const std::vector<Entry> before = Walk(staged);
    const std::size_t used_before = staged.used_bytes();
    const std::size_t changes_before = staged.Changes().size();
    Entry entry = step.entry;

    failed = FailsAtAllocation(number, [&] { step.step(staged, std::move(entry)); });

    EXPECT_EQ(Walk(store), stored);
    EXPECT_EQ(store.used_bytes(), stored[0].used_bytes() + stored[1].used_bytes());
    if (!failed) {
      EXPECT_NE(Walk(staged), before) << "the step does nothing";
      continue;
    }
    EXPECT_EQ(Walk(staged), before) << number;
    EXPECT_EQ(staged.used_bytes(), used_before) << number;
    EXPECT_EQ(staged.size(), before.size()) << number;
    EXPECT_EQ(staged.Changes().size(), changes_before) << number;
    // The step can be tried again, or the rest applied without it.
    StagedStore again(store);
    step.first(again);
    step.step(again, step.entry);
    step.step(staged, step.entry);
    EXPECT_EQ(Walk(staged), Walk(again)) << number;
    store.Apply(std::move(staged));
    EXPECT_EQ(Walk(store).size(), store.size());
  }
  EXPECT_GT(number, 1U) << "the step takes no memory at all";
}

INSTANTIATE_TEST_SUITE_P(Steps, OutOfMemory, testing::ValuesIn(kSteps),
                         [](const auto& step) { return step.param.name; });

TEST(Apply, TakesNoMemory) {
  for (const Step& step : kSteps) {
    Store store;
    Fill(store);
    StagedStore staged(store);
    step.first(staged);
    step.step(staged, step.entry);
    staged.SetAncillary({.ppi_index = 1});
    const std::vector<Entry> expected = Walk(staged);

    const AllocationCount count;
    store.Apply(std::move(staged));
    EXPECT_EQ(count.calls(), 0U) << step.name;

    EXPECT_EQ(Walk(store), expected) << step.name;
  }
}

TEST(Apply, TakesNoMemoryUpToTheLastVariable) {
  const auto entry = [](std::size_t number) {
    return MakeVariable("Variable" + std::to_string(number), {1});
  };
  Store store;
  for (std::size_t i = 0; i < kMaxEntries / 2; ++i) {
    store.Append(entry(i));
  }
  Store moved = std::move(store);
  while (moved.size() < kMaxEntries) {
    StagedStore staged(moved);
    for (int i = 0; i < 4 && staged.size() < kMaxEntries; ++i) {
      staged.Put(entry(staged.size()));
    }
    const AllocationCount count;
    moved.Apply(std::move(staged));
    ASSERT_EQ(count.calls(), 0U) << moved.size();
  }
  for (std::size_t i = 0; i < kMaxEntries; ++i) {
    ASSERT_NE(moved.Find(KeyOf(entry(i))), nullptr) << i;
  }
}

/// Bytes of memory taken while the blob is refused.
std::size_t TakenByRefusing(const Bytes& blob) {
  const AllocationCount count;
  const auto decoded = DecodeVarsBlob(blob);
  EXPECT_FALSE(decoded.ok());
  return count.bytes();
}

TEST(DecodeVarsBlob, AClaimAloneTakesNoMemory) {
  constexpr std::uint64_t kMax64 = std::numeric_limits<std::uint64_t>::max();
  constexpr std::size_t kForAMessage = 1000;
  for (const std::uint32_t version : {1U, 2U}) {
    for (const std::uint64_t count : {std::uint64_t{1}, std::uint64_t{kMaxEntries}, kMax64}) {
      for (const std::uint64_t data_bytes : {std::uint64_t{0}, std::uint64_t{1} << 20U, kMax64}) {
        base::Writer writer;
        writer.WriteBytes(base::ToBytes("VARS"));
        writer.WriteU32(version);
        writer.WriteU64(count);
        writer.WriteU64(data_bytes);
        writer.WriteBytes(Bytes(version == 2 ? 268 : 0));
        EXPECT_LT(TakenByRefusing(writer.Take()), kForAMessage) << count << " " << data_bytes;
      }
    }
  }
  // A record that is there, of a length that is not.
  for (const std::uint64_t size : {std::uint64_t{4096}, std::uint64_t{1} << 20U, kMax64}) {
    for (const bool is_name : {true, false}) {
      base::Writer record;
      if (!is_name) {
        record.WriteU64(2);
        record.WriteU16('A');
      }
      record.WriteU64(size);
      record.WriteBytes(Bytes(60));
      const Bytes body = record.Take();
      base::Writer writer;
      writer.WriteBytes(base::ToBytes("VARS"));
      writer.WriteU32(1);
      writer.WriteU64(kMaxEntries);
      writer.WriteU64(body.size());
      writer.WriteBytes(body);
      EXPECT_LT(TakenByRefusing(writer.Take()), kForAMessage) << size;
    }
  }
}

TEST(DecodeVarsBlob, TheLargestBlobTakesAFewTimesItsSize) {
  // As many variables as there can be, and as much as there can be beside.
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < kMaxVariables; ++i) {
    entries.push_back(MakeVariable("Variable" + std::to_string(i), Bytes(900, 1)));
  }
  std::vector<const Entry*> all;
  all.reserve(entries.size());
  for (const Entry& entry : entries) {
    all.push_back(&entry);
  }
  const Bytes blob = EncodeVarsBlob({}, all);
  ASSERT_GT(blob.size(), kMaxBlobBytes * 9 / 10);
  const AllocationCount count;
  const auto decoded = DecodeVarsBlob(blob);
  EXPECT_LT(count.bytes(), 3 * blob.size());
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->entries, entries);
}

TEST(DecodeVarsBlob, RunningOutOfMemoryIsAnExceptionAndNothingElse) {
  const Bytes blob = EncodeVarsBlob({}, {&kA, &kB, &kC});
  std::size_t number = 0;
  while (FailsAtAllocation(number, [&blob] { EXPECT_TRUE(DecodeVarsBlob(blob)); })) {
    ++number;
  }
  EXPECT_GT(number, 5U);
}

}  // namespace
}  // namespace varstored::store
