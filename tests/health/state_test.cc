#include "varstored/health/state.h"

#include <array>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "engine/failing_backend.h"
#include "health/states.h"
#include "support/recordings.h"
#include "varstored/base/base64.h"
#include "varstored/engine/variable_services.h"
#include "varstored/health/fix.h"
#include "varstored/store/vars_blob.h"

namespace varstored::health {
namespace {

using base::Bytes;
using base::ByteSpan;

constexpr std::size_t kRecordsAt = 292;

State SmallState() {
  State state;
  state.ancillary.ppi_index = 7;
  state.entries = {Make("BootOrder", {1, 0}), Make(efi::kDbx, HashList(kMicrosoft, 0, 2)),
                   Make("Lang", {'e', 'n', 'g', 0}), Make("Other", Bytes(300, 0x55)),
                   Make("Last", {9})};
  return state;
}

/// Where each record begins, and the end.
std::vector<std::size_t> RecordOffsets(const State& state) {
  std::vector<std::size_t> offsets = {kRecordsAt};
  for (const store::Entry& entry : state.entries) {
    offsets.push_back(offsets.back() + 84 + entry.name().size() + entry.data().size());
  }
  return offsets;
}

Bytes WithU64(Bytes blob, std::size_t offset, std::uint64_t value) {
  for (std::size_t i = 0; i < 8; ++i) {
    blob[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
  return blob;
}

bool Contains(const State& state, const store::Entry& entry) {
  return std::find(state.entries.begin(), state.entries.end(), entry) != state.entries.end();
}

/// What the daemon would say of the same bytes; and that nothing is invented.
void ExpectAgreement(const Bytes& blob, const std::string& what) {
  const State state = ReadState(blob);
  const auto strict = store::DecodeVarsBlob(blob);
  EXPECT_EQ(state.damage.empty(), strict.ok())
      << what << (strict ? "" : ": " + strict.error().message);
  if (strict && state.damage.empty()) {
    EXPECT_TRUE(state.entries == strict->entries) << what;
    EXPECT_TRUE(state.ancillary == strict->ancillary) << what;
  }
  // What was saved can be written, and read again as a whole.
  EXPECT_TRUE(ReadState(EncodeState(state)).damage.empty()) << what;
}

TEST(ReadState, GivesAWholeBlobAsItIs) {
  const State state = SmallState();
  const State read = ReadState(EncodeState(state));
  EXPECT_TRUE(read.damage.empty());
  EXPECT_TRUE(read.entries == state.entries);
  EXPECT_TRUE(read.ancillary == state.ancillary);
}

TEST(ReadState, GivesAllRecordsOfOneName) {
  State state = SmallState();
  state.entries.push_back(Make("Lang", {'f'}));
  EXPECT_TRUE(ReadState(EncodeState(state)).entries == state.entries);
}

TEST(ReadState, SavesEveryRecordInFrontOfACut) {
  const State state = SmallState();
  const Bytes blob = EncodeState(state);
  const std::vector<std::size_t> offsets = RecordOffsets(state);
  for (std::size_t size = 0; size < blob.size(); ++size) {
    const Bytes cut(blob.begin(), blob.begin() + static_cast<std::ptrdiff_t>(size));
    ExpectAgreement(cut, "cut at " + std::to_string(size));
    const auto whole = static_cast<std::size_t>(
        std::count_if(offsets.begin() + 1, offsets.end(), [&](auto end) { return end <= size; }));
    const std::vector<store::Entry> front(
        state.entries.begin(), state.entries.begin() + static_cast<std::ptrdiff_t>(whole));
    EXPECT_TRUE(ReadState(cut).entries == front) << "cut at " << size;
  }
}

TEST(ReadState, AgreesWithTheDaemonAtEveryEdgeOfEveryLength) {
  const State state = SmallState();
  const Bytes blob = EncodeState(state);
  std::set<std::uint64_t> edges = {0, 1, 2, 4095, 4096, 4097, blob.size()};
  for (const unsigned int bits : {8U, 16U, 31U, 32U, 63U}) {
    const std::uint64_t power = std::uint64_t{1} << bits;
    edges.insert({power - 1, power, power + 1});
  }
  edges.insert(std::numeric_limits<std::uint64_t>::max());
  std::vector<std::size_t> fields = {8, 16};
  for (std::size_t i = 0; i < state.entries.size(); ++i) {
    const std::size_t offset = RecordOffsets(state)[i];
    fields.push_back(offset);
    fields.push_back(offset + 8 + state.entries[i].name().size());
  }
  for (const std::size_t field : fields) {
    for (const std::uint64_t edge : edges) {
      ExpectAgreement(WithU64(blob, field, edge),
                      std::to_string(edge) + " at " + std::to_string(field));
    }
  }
}

TEST(ReadState, AgreesWithTheDaemonWhateverByteIsBroken) {
  const Bytes blob = EncodeState(SmallState());
  for (std::size_t i = 0; i < blob.size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xFF}) {
      Bytes broken = blob;
      broken[i] = static_cast<std::uint8_t>(broken[i] ^ flip);
      ExpectAgreement(broken, "byte " + std::to_string(i));
    }
  }
}

TEST(ReadState, GoesOnBehindARecordOfWhichTheLengthIsWrong) {
  const State state = SmallState();
  const std::size_t third = RecordOffsets(state)[2];
  // Its name's length, its data's length too small, too large, and far too large.
  const std::size_t data_length = third + 8 + 8;
  for (const auto& [field, value] :
       std::vector<std::pair<std::size_t, std::uint64_t>>{{third, 3},
                                                          {third, 5000},
                                                          {data_length, 2},
                                                          {data_length, 40},
                                                          {data_length, 400},
                                                          {data_length, 1U << 30}}) {
    const State read = ReadState(WithU64(EncodeState(state), field, value));
    const std::string what = std::to_string(value) + " at " + std::to_string(field);
    EXPECT_FALSE(read.damage.empty()) << what;
    for (const std::size_t kept : {0U, 1U, 3U, 4U}) {
      EXPECT_TRUE(Contains(read, state.entries[kept])) << what << ", record " << kept;
    }
  }
}

TEST(ReadState, LeavesKeysBehindDamageOutBecauseTheyMayBeForged) {
  // A guest's variable holds bytes that are a record of its own PK, and the tail of the variable
  // itself ends that record.
  State state = SmallState();
  State forged;
  forged.entries = {Make(efi::kPk, Bytes(40, 0x66)), Make("Fine", Bytes(10, 1))};
  const Bytes inner = EncodeState(forged);
  state.entries[3] = Make("Other", Bytes(inner.begin() + kRecordsAt, inner.end()));
  const Bytes blob = EncodeState(state);
  const std::size_t other = RecordOffsets(state)[3];
  const State read = ReadState(WithU64(blob, other, 5000));
  EXPECT_FALSE(Contains(read, forged.entries[0]));
  EXPECT_TRUE(Contains(read, state.entries[1])) << "a key in front of the damage";
  EXPECT_TRUE(Contains(read, state.entries[4]));
  EXPECT_TRUE(std::any_of(read.damage.begin(), read.damage.end(), [](const Damage& damage) {
    return damage.left_out && efi::kPk.Is(damage.left_out->name, damage.left_out->vendor);
  })) << "what is left out is named";
  // Without damage nothing of it is a record.
  EXPECT_TRUE(ReadState(blob).entries == state.entries);
}

TEST(ReadState, TakesNoMoreVariablesThanTheStore) {
  State state;
  for (std::size_t i = 0; i < store::kMaxVariables + 1; ++i) {
    state.entries.push_back(Make("V" + std::to_string(i), {1}));
  }
  const State read = ReadState(EncodeState(state));
  EXPECT_EQ(read.entries.size(), store::kMaxVariables);
  EXPECT_FALSE(read.damage.empty());
}

/// As many variables as wanted, `bytes` of data each.
State StateOf(std::size_t variables, std::size_t bytes) {
  State state;
  for (std::size_t i = 0; i < variables; ++i) {
    state.entries.push_back(Make("V" + std::to_string(i), Bytes(bytes, 1)));
  }
  return state;
}

/// A blob of exactly `bytes`.
Bytes BlobOfBytes(std::size_t bytes) {
  State state = StateOf(11, 100000);
  const std::size_t surplus = EncodeState(state).size() - bytes;
  state.entries.back() = Make("V10", Bytes(100000 - surplus, 1));
  return EncodeState(state);
}

TEST(ReadState, WhatIsRepairedIsServedSavedAndResumedAtTheLimitsToo) {
  for (const Bytes& blob :
       {EncodeState(StateOf(1024, 1)), EncodeState(StateOf(1035, 1)), EncodeState(StateOf(1040, 1)),
        EncodeState(StateOf(1100, 1)), EncodeState(StateOf(1030, 1010)), BlobOfBytes(1048549),
        BlobOfBytes(1048576), BlobOfBytes(1050000), BlobOfBytes(1060000)}) {
    SCOPED_TRACE(blob.size());
    const State state = ReadState(blob);
    // Whether it has to be repaired is what the daemon says of it.
    EXPECT_EQ(state.damage.empty(), store::DecodeVarsBlob(blob).ok());
    const auto repaired = store::DecodeVarsBlob(EncodeState(FixAll(state, {}).state));
    ASSERT_TRUE(repaired) << repaired.error().message;

    engine::FailingBackend backend(repaired->entries);
    engine::CollectingLog log;
    engine::VariableServices here({}, backend, log);
    const auto booted = here.Boot({});
    ASSERT_TRUE(booted) << booted.error().message;
    EXPECT_TRUE(ReadState(here.Save()).damage.empty());

    engine::FailingBackend elsewhere;
    engine::VariableServices there({}, elsewhere, log);
    const auto resumed = there.Resume(here.Save());
    ASSERT_TRUE(resumed) << resumed.error().message;
  }
}

TEST(ReadState, ABlobAtTheLimitsThatCouldBeStartedNeedsNoRepair) {
  EXPECT_TRUE(ReadState(EncodeState(StateOf(1024, 1))).damage.empty());
  EXPECT_TRUE(ReadState(BlobOfBytes(1048549)).damage.empty());
  EXPECT_TRUE(ReadState(BlobOfBytes(1048576)).damage.empty());
}

TEST(ReadState, LooksAtNoMoreThanTheDaemon) {
  Bytes blob = EncodeState(SmallState());
  blob.resize(store::kMaxBlobBytes + 1);
  const State read = ReadState(blob);
  EXPECT_EQ(read.entries.size(), SmallState().entries.size());
  EXPECT_FALSE(read.damage.empty());
}

TEST(ReadState, TakesHostileBlobsInTimeThatGrowsWithTheirSize) {
  // Everywhere something begins that looks like a record for a while.
  for (const Bytes& pattern : {Bytes{2, 0, 0, 0, 0, 0, 0, 0}, Bytes{0xFE, 0x0F, 0, 0, 0, 0, 0, 0},
                               Bytes{2, 0}, Bytes{1}}) {
    Bytes blob = EncodeState(SmallState());
    blob[kRecordsAt] = 0;
    while (blob.size() + pattern.size() <= store::kMaxBlobBytes) {
      blob.insert(blob.end(), pattern.begin(), pattern.end());
    }
    EXPECT_FALSE(ReadState(blob).damage.empty());
  }
}

TEST(ReadStateFromText, ReadsWhatStandsInFrontOfAFault) {
  const State state = SmallState();
  std::string text = base::EncodeBase64(EncodeState(state));
  EXPECT_TRUE(ReadStateFromText(text + "\n").damage.empty());
  const std::size_t third = RecordOffsets(state)[2];
  text[(third + 30) / 3 * 4] = '!';
  const State read = ReadStateFromText(text);
  EXPECT_FALSE(read.damage.empty());
  EXPECT_TRUE(Contains(read, state.entries[0]));
  EXPECT_TRUE(Contains(read, state.entries[1]));
  for (const char* nothing : {"", "!", "VkFS", "===="}) {
    EXPECT_TRUE(ReadStateFromText(nothing).entries.empty()) << nothing;
    EXPECT_FALSE(ReadStateFromText(nothing).damage.empty()) << nothing;
  }
}

TEST(RealState, RecordedBootsAreReadAsTheDaemonReadsThem) {
  for (const std::string& file : test::RecordingsNamed(".b64")) {
    const auto blob = base::DecodeBase64(base::ToString(test::ReadRecording(file)));
    ASSERT_TRUE(blob) << file;
    ExpectAgreement(*blob, file);
    for (std::size_t size = 0; size < blob->size(); size += 7) {
      ExpectAgreement(Bytes(blob->begin(), blob->begin() + static_cast<std::ptrdiff_t>(size)),
                      file);
    }
  }
}

}  // namespace
}  // namespace varstored::health
