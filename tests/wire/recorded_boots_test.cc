// What real firmware and a real operating system asked for from power-on to power-off, recorded
// once, is asked again: the answers are the same, but for the differences that are named here.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/recordings.h"
#include "varstored/base/base64.h"
#include "varstored/base/reader.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"
#include "varstored/store/vars_blob.h"
#include "wire/machine.h"

namespace varstored::test {
namespace {

/// One command: what the guest wrote into the pages, and what it found there.
struct Exchange {
  Bytes request;
  Bytes reply;
};

enum Command : std::uint32_t { kGet = 0, kSet = 1, kNext = 2, kQuery = 3, kNotify = 4 };

/// Reads what is there for sure: the recording is checked by the test that counts it.
class Fields {
 public:
  explicit Fields(ByteSpan bytes) : reader_(bytes) {}

  std::uint32_t U32() {
    std::uint32_t value = 0;
    EXPECT_TRUE(reader_.ReadU32(value));
    return value;
  }
  std::uint64_t U64() {
    std::uint64_t value = 0;
    EXPECT_TRUE(reader_.ReadU64(value));
    return value;
  }
  Bytes Take(std::uint64_t size) {
    ByteSpan bytes;
    EXPECT_TRUE(reader_.ReadBytes(size, bytes));
    return base::ToBytes(bytes);
  }
  [[nodiscard]] bool empty() const { return reader_.empty(); }

 private:
  base::Reader reader_;
};

std::vector<Exchange> ParseTrace(ByteSpan trace) {
  std::vector<Exchange> exchanges;
  Fields fields(trace);
  while (!fields.empty()) {
    Exchange exchange;
    exchange.request = fields.Take(fields.U32());
    exchange.reply = fields.Take(fields.U32());
    exchanges.push_back(std::move(exchange));
  }
  return exchanges;
}

std::uint32_t CommandOf(const Exchange& exchange) {
  Fields fields(exchange.request);
  EXPECT_EQ(fields.U32(), 1U) << "version";
  return fields.U32();
}

std::uint64_t StatusOf(ByteSpan reply) { return Fields(reply).U64(); }

/// A variable's name and GUID, as bytes.
using Identifier = std::pair<Bytes, Bytes>;

/// GetNextVariableName, as it was recorded.
struct Step {
  explicit Step(const Exchange& exchange) {
    Fields request(exchange.request);
    request.Take(8);
    room = request.U64();
    from.first = request.Take(request.U64());
    from.second = request.Take(16);
    at_runtime = request.Take(1)[0] != 0;
    Fields reply(exchange.reply);
    status = reply.U64();
    if (status == kEfiSuccess) {
      to.first = reply.Take(reply.U64());
      to.second = reply.Take(16);
    }
  }

  std::uint64_t room = 0;
  Identifier from;
  bool at_runtime = false;
  std::uint64_t status = 0;
  Identifier to;  // on success
};

std::u16string ToName(ByteSpan bytes) {
  std::u16string name;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    name.push_back(static_cast<char16_t>(bytes[i] | bytes[i + 1] << 8));
  }
  return name;
}

Guid ToGuid(ByteSpan bytes) {
  Guid guid{};
  std::ranges::copy(bytes.first(guid.size()), guid.begin());
  return guid;
}

/// A walk that goes on with the names that were really answered, since the order is free. What was
/// recorded is only the plan: where a walk begins, goes on and ends, and the set of its names.
class Walker {
 public:
  explicit Walker(LoopbackClient& guest) : guest_(guest) {}

  void Take(const Step& step) {
    if (step.from.first.empty()) {
      recorded_.clear();
      answered_.clear();
      at_ = {{}, Bytes(16)};
    }
    if (step.status == kEfiBufferTooSmall) {
      ExpectRoomIsKept(step);
    } else if (step.status == kEfiSuccess) {
      recorded_.insert(step.to);
      EXPECT_TRUE(Advance(step.at_runtime)) << "the walk ends too early";
    } else if (step.status == kEfiNotFound) {
      EXPECT_FALSE(Advance(step.at_runtime)) << "the walk goes on for too long";
      EXPECT_TRUE(answered_ == recorded_) << "the walks have met different names";
      ++full_walks_;
    } else {
      ADD_FAILURE() << "the recording holds a walk from an unknown name";
    }
  }

  [[nodiscard]] std::size_t full_walks() const { return full_walks_; }

 private:
  /// With as little room as there was, the answer is a name that fits, or how much room one needs.
  void ExpectRoomIsKept(const Step& step) {
    const auto reply = guest_.GetNextVariableName(ToName(at_.first), ToGuid(at_.second), step.room,
                                                  step.at_runtime);
    if (reply.status == kEfiSuccess) {
      EXPECT_LE(2 * reply.name.size() + 2, step.room);
    } else {
      EXPECT_EQ(reply.status, kEfiBufferTooSmall);
      EXPECT_GT(reply.needed_size, step.room);
    }
  }

  bool Advance(bool at_runtime) {
    constexpr std::uint64_t kRoomForAnyName = 4098;
    const auto reply = guest_.GetNextVariableName(ToName(at_.first), ToGuid(at_.second),
                                                  kRoomForAnyName, at_runtime);
    if (reply.status != kEfiSuccess) {
      EXPECT_EQ(reply.status, kEfiNotFound);
      return false;
    }
    at_ = {NameBytes(reply.name), Bytes(reply.guid.begin(), reply.guid.end())};
    EXPECT_TRUE(answered_.insert(at_).second) << "the walk meets a name twice";
    return true;
  }

  LoopbackClient& guest_;
  Identifier at_ = {{}, Bytes(16)};
  std::set<Identifier> recorded_;
  std::set<Identifier> answered_;
  std::size_t full_walks_ = 0;
};

/// What a replay has met.
struct Replayed {
  std::size_t full_walks = 0;
  std::size_t queries_at_runtime = 0;
};

class RecordedBoots : public ::testing::Test {
 protected:
  [[nodiscard]] static std::vector<Exchange> Trace(const std::string& name) {
    return ParseTrace(ReadRecording(name));
  }
  [[nodiscard]] static Bytes Kept(const std::string& name) {
    auto blob = base::DecodeBase64(base::ToString(ReadRecording(name)));
    EXPECT_TRUE(blob.ok()) << name;
    return *std::move(blob);
  }

  static Replayed Replay(const std::vector<Exchange>& trace, LoopbackClient& guest);
  static void ExpectSameVariables(ByteSpan answered, ByteSpan recorded);
};

/// SignatureSupport: the older daemon names 4 types, this one those and 11 more.
constexpr std::size_t kOlderTypeBytes = 64;
constexpr std::size_t kMoreTypeBytes = 176;

bool ReadsSignatureSupport(const Exchange& exchange) {
  constexpr std::size_t kNameAt = 16;
  const Bytes name = NameBytes(u"SignatureSupport");
  return CommandOf(exchange) == kGet && exchange.request.size() > kNameAt + name.size() &&
         std::ranges::equal(ByteSpan(exchange.request).subspan(kNameAt, name.size()), name);
}

/// A guest asks with the room that it was told.
void ExpectMoreTypes(const Exchange& exchange, LoopbackClient& guest) {
  const std::size_t room_at = exchange.request.size() - 9;
  constexpr std::size_t kSizeAt = 12;
  constexpr std::size_t kDataAt = 20;
  Bytes request = exchange.request;
  ASSERT_TRUE(request[room_at] == 0 || request[room_at] == kOlderTypeBytes);
  request[room_at] = request[room_at] == 0 ? 0 : kOlderTypeBytes + kMoreTypeBytes;
  const Bytes pages = guest.Command(request);
  EXPECT_EQ(StatusOf(pages), StatusOf(exchange.reply));
  if (StatusOf(exchange.reply) == kEfiSuccess) {
    EXPECT_EQ(pages[kSizeAt], kOlderTypeBytes + kMoreTypeBytes);
    EXPECT_TRUE(std::ranges::equal(ByteSpan(pages).subspan(kDataAt, kOlderTypeBytes),
                                   ByteSpan(exchange.reply).subspan(kDataAt)));
  }
}

/// docs/engine.md, "Deliberate differences", row "limits at runtime, remaining at runtime": 8 KiB
/// less are left once the operating system runs. The longer SignatureSupport takes some, too.
void ExpectQueryAtRuntime(ByteSpan answered, ByteSpan recorded) {
  constexpr std::uint64_t kReserveBytes = 131072 - 122880;
  Fields ours(answered);
  Fields theirs(recorded);
  EXPECT_EQ(ours.U64(), theirs.U64());                                   // status
  EXPECT_EQ(ours.U64(), theirs.U64());                                   // maximum storage
  EXPECT_EQ(ours.U64(), theirs.U64() - kReserveBytes - kMoreTypeBytes);  // remaining storage
  EXPECT_EQ(ours.U64(), theirs.U64());                                   // maximum variable
}

bool IsAtRuntime(const Exchange& exchange) {
  // The last byte of every request that says it.
  return CommandOf(exchange) <= kNext && exchange.request.back() != 0;
}

Replayed RecordedBoots::Replay(const std::vector<Exchange>& trace, LoopbackClient& guest) {
  Replayed replayed;
  Walker walker(guest);
  bool at_runtime = false;
  for (std::size_t i = 0; i < trace.size() && !HasFailure(); ++i) {
    SCOPED_TRACE("request " + std::to_string(i));
    const auto& [request, recorded] = trace[i];
    at_runtime = at_runtime || IsAtRuntime(trace[i]);
    if (CommandOf(trace[i]) == kNext) {
      walker.Take(Step(trace[i]));
      continue;
    }
    if (ReadsSignatureSupport(trace[i])) {
      ExpectMoreTypes(trace[i], guest);
      continue;
    }
    const Bytes pages = guest.Command(request);
    const ByteSpan answered = ByteSpan(pages).first(recorded.size());
    if (CommandOf(trace[i]) == kQuery && at_runtime) {
      ExpectQueryAtRuntime(answered, recorded);
      ++replayed.queries_at_runtime;
    } else {
      EXPECT_TRUE(std::ranges::equal(answered, recorded))
          << "answered with status " << StatusOf(answered) << " instead of " << StatusOf(recorded);
    }
  }
  replayed.full_walks = walker.full_walks();
  return replayed;
}

/// Every variable that is kept, in any order, as text. PPIBuffer is left out: firmware has set its
/// first byte through the ports, which the recording does not hold.
std::set<std::string> VariablesOf(ByteSpan blob_bytes) {
  const auto blob = store::DecodeVarsBlob(blob_bytes);
  EXPECT_TRUE(blob.ok());
  std::set<std::string> variables;
  for (const store::Entry& entry : blob->entries) {
    if (!efi::kPpiBuffer.Is(entry.name(), entry.vendor())) {
      variables.insert(efi::NameToUtf8(entry.name()) + " " + efi::ToText(entry.vendor()) + " " +
                       std::to_string(entry.raw_attributes()) + " " +
                       base::EncodeBase64(entry.data()));
    }
  }
  return variables;
}

void RecordedBoots::ExpectSameVariables(ByteSpan answered, ByteSpan recorded) {
  const std::set<std::string> ours = VariablesOf(answered);
  const std::set<std::string> theirs = VariablesOf(recorded);
  EXPECT_GT(theirs.size(), 10U);
  std::vector<std::string> different;
  std::ranges::set_symmetric_difference(ours, theirs, std::back_inserter(different));
  for (const std::string& variable : different) {
    ADD_FAILURE() << (ours.contains(variable) ? "only here: " : "only there: ") << variable;
  }
}

TEST_F(RecordedBoots, TheFirmwareGetsTheSameAnswersOnAFirstBoot) {
  const auto trace = Trace("boot-1.trace");
  ASSERT_EQ(trace.size(), 604U);
  Machine machine;
  EXPECT_GT(Replay(trace, machine.guest()).full_walks, 3U);
  ExpectSameVariables(machine.ShutDown(), Kept("nvram-1.b64"));
}

TEST_F(RecordedBoots, TheFirmwareGetsTheSameAnswersOnItsNextBoot) {
  const auto trace = Trace("boot-2.trace");
  ASSERT_EQ(trace.size(), 706U);
  Machine machine({.kept = Kept("nvram-1.b64")});
  EXPECT_GT(Replay(trace, machine.guest()).full_walks, 3U);
  ExpectSameVariables(machine.ShutDown(), Kept("nvram-2.b64"));
}

TEST_F(RecordedBoots, OneBootFollowsTheOther) {
  Machine first;
  Replay(Trace("boot-1.trace"), first.guest());
  Machine second({.kept = first.ShutDown()});
  Replay(Trace("boot-2.trace"), second.guest());
  ExpectSameVariables(second.ShutDown(), Kept("nvram-2.b64"));
}

TEST_F(RecordedBoots, LinuxGetsTheSameAnswersOnAFirstBoot) {
  Machine machine;
  const Replayed replayed = Replay(Trace("linux-1.trace"), machine.guest());
  EXPECT_EQ(replayed.queries_at_runtime, 5U);
  ExpectSameVariables(machine.ShutDown(), Kept("linux-nvram-1.b64"));
}

TEST_F(RecordedBoots, LinuxGetsTheSameAnswersOnItsNextBoot) {
  Machine machine({.kept = Kept("linux-nvram-1.b64")});
  const Replayed replayed = Replay(Trace("linux-2.trace"), machine.guest());
  EXPECT_EQ(replayed.queries_at_runtime, 5U);
  ExpectSameVariables(machine.ShutDown(), Kept("linux-nvram-2.b64"));
}

TEST_F(RecordedBoots, TheAnswersAreTheSameWhenTheVmIsResumedInBetween) {
  const auto trace = Trace("boot-2.trace");
  const auto middle = trace.begin() + static_cast<std::ptrdiff_t>(trace.size() / 2);
  // A walk that is under way goes on in the other half: the first request that is none begins it.
  const auto cut = std::find_if(middle, trace.end(), [](const Exchange& exchange) {
    return CommandOf(exchange) == kNext && Step(exchange).from.first.empty();
  });
  Machine before({.kept = Kept("nvram-1.b64")});
  Replay({trace.begin(), cut}, before.guest());
  Machine after({.saved = before.Save()});
  Replay({cut, trace.end()}, after.guest());
  ExpectSameVariables(after.ShutDown(), Kept("nvram-2.b64"));
}

// L-23: a store that the guest has filled at runtime.
TEST_F(RecordedBoots, L23AStoreThatWasFilledAtRuntimeStillBoots) {
  constexpr Guid kVendor = {1, 2, 3};
  Machine machine({.kept = Kept("nvram-1.b64")});
  std::size_t size_bytes = 20000;
  for (char16_t number = u'A'; size_bytes > 0; ++number) {
    const Bytes data(size_bytes);
    if (machine.guest().SetVariable({u'F', number}, kVendor, 0x07, data, true) != kEfiSuccess) {
      size_bytes /= 2;
    }
  }
  Machine next({.kept = machine.ShutDown()});
  std::size_t saves = 0;
  for (const Exchange& exchange : Trace("boot-2.trace")) {
    if (CommandOf(exchange) == kSet) {
      const Bytes pages = next.guest().Command(exchange.request);
      EXPECT_EQ(StatusOf(pages), StatusOf(exchange.reply));
      saves += StatusOf(exchange.reply) == kEfiSuccess ? 1U : 0U;
    }
  }
  EXPECT_GT(saves, 40U);
}

}  // namespace
}  // namespace varstored::test
