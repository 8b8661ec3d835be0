#include "varstored/guest/dispatcher.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/log_lines.h"
#include "support/loopback_client.h"

namespace varstored::guest {
namespace {

using base::Bytes;
using base::ByteSpan;
using engine::Reason;

constexpr std::size_t kWords = kSharedBytes / sizeof(std::uint64_t);
constexpr test::Guid kVendor = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
const Bytes kName = test::NameBytes(u"Name");
const Bytes kLongName = test::NameBytes(std::u16string(2048, u'n'));

class TestBackend final : public store::Backend {
 public:
  base::Result<std::optional<std::vector<store::Entry>>> Load() override {
    return std::optional<std::vector<store::Entry>>();
  }
  base::Result<void> Commit(const store::StagedStore& /*staged*/) override {
    if (is_out_of_memory) {
      throw std::bad_alloc();
    }
    return fails ? base::Result<void>(base::Fail("the disk is full")) : base::Result<void>();
  }
  base::Result<void> ReportSecureBootFailure() override { return {}; }

  bool is_out_of_memory = false;
  bool fails = false;
};

class TestLog final : public base::Log {
 public:
  std::vector<std::string> lines;

 private:
  void Put(base::LogLevel /*level*/, std::string_view name, std::string_view text) override {
    lines.push_back(std::string(name) + ": " + std::string(text));
  }
};

/// Shared pages in memory of the test's own.
class Pages {
 public:
  explicit Pages(ByteSpan request, std::uint8_t fill = 0) {
    std::ranges::fill(bytes(), fill);
    std::ranges::copy(request, bytes().begin());
  }
  [[nodiscard]] std::span<std::uint8_t> bytes() {
    return {static_cast<std::uint8_t*>(static_cast<void*>(words_.data())), kSharedBytes};
  }
  [[nodiscard]] MappedPages mapped() { return MappedPages(words_.data()); }
  [[nodiscard]] std::uint64_t status() const { return words_[0]; }

 private:
  std::vector<std::uint64_t> words_ = std::vector<std::uint64_t>(kWords);
};

/// A guest that is as quick as can be: each byte of the request is another one as soon as it was
/// read. Counts reads and writes of each.
class ChangingPages {
 public:
  explicit ChangingPages(ByteSpan request) : bytes_(ToPages(request)) {}

  [[nodiscard]] std::vector<std::uint64_t> Words(std::size_t first, std::size_t count) const {
    std::vector<std::uint64_t> words(count);
    for (std::size_t i = 0; i < count * sizeof(std::uint64_t); ++i) {
      const std::size_t at = first * sizeof(std::uint64_t) + i;
      words[i / sizeof(std::uint64_t)] |= std::uint64_t{bytes_.at(at)}
                                          << (8 * (i % sizeof(std::uint64_t)));
      bytes_.at(at) ^= 0xFF;
      ++reads_.at(at);
    }
    return words;
  }
  void StoreWord(std::size_t index, std::uint64_t word) {
    for (std::size_t i = 0; i < sizeof word; ++i) {
      StoreByte(index * sizeof word + i, static_cast<std::uint8_t>(word >> (8 * i)));
    }
  }
  void StoreByte(std::size_t index, std::uint8_t byte) {
    bytes_.at(index) = byte;
    ++writes_.at(index);
  }

  [[nodiscard]] ByteSpan bytes() const { return bytes_; }
  [[nodiscard]] int most_reads() const { return *std::ranges::max_element(reads_); }
  [[nodiscard]] int most_writes() const { return *std::ranges::max_element(writes_); }

 private:
  static Bytes ToPages(ByteSpan request) {
    Bytes pages = base::ToBytes(request);
    pages.resize(kSharedBytes);
    return pages;
  }

  mutable Bytes bytes_;
  mutable std::vector<int> reads_ = std::vector<int>(kSharedBytes);
  std::vector<int> writes_ = std::vector<int>(kSharedBytes);
};

/// A VM on its first boot.
struct Machine {
  Machine() {
    EXPECT_TRUE(services.Boot({}));
    log.lines.clear();
  }

  /// The status that a request is answered with.
  std::uint64_t Serve(ByteSpan request) {
    Pages pages(request);
    auto mapped = pages.mapped();
    dispatcher.Serve(mapped);
    return pages.status();
  }

  std::uint64_t Set(ByteSpan name, ByteSpan data, std::uint32_t attributes = 7) {
    return Serve(test::SetVariableRequest(name, kVendor, attributes, data, false));
  }

  /// Requests of every kind and of very different sizes, and answers of every form.
  std::vector<Bytes> Requests() {
    EXPECT_EQ(Set(kName, Bytes(300, 0xEE)), test::kEfiSuccess);
    EXPECT_EQ(Set(kLongName, Bytes(57344, 0xDD)), test::kEfiSuccess);
    return {test::GetVariableRequest(kName, kVendor, 300, false),
            test::GetVariableRequest(kName, kVendor, 299, false),
            test::GetVariableRequest(kLongName, kVendor, 57344, false),
            test::GetVariableRequest(test::NameBytes(u"Absent"), kVendor, 300, false),
            test::SetVariableRequest(kName, kVendor, 7, Bytes(299, 0xEE), false),
            test::SetVariableRequest(kLongName, kVendor, 7, Bytes(57343, 0xDC), false),
            test::SetVariableRequest(kName, kVendor, 0x10, Bytes(1), false),
            test::GetNextVariableNameRequest({}, kVendor, 4098, false),
            test::GetNextVariableNameRequest({}, kVendor, 4097, false),
            test::GetNextVariableNameRequest(kLongName, kVendor, 4098, false),
            test::QueryVariableInfoRequest(7),
            test::QueryVariableInfoRequest(0),
            test::NotifySecureBootFailureRequest(),
            Bytes(8),
            {1, 0, 0, 0, 5, 0, 0, 0}};
  }

  TestBackend backend;
  TestLog log;
  engine::VariableServices services{engine::Policy{}, backend, log};
  Dispatcher dispatcher{services, log};
};

class DispatcherTest : public ::testing::Test, protected Machine {};

using L01 = DispatcherTest;
using L02 = DispatcherTest;
using L03 = DispatcherTest;
using L05 = DispatcherTest;

// XSA-478: the request was read again between check and use.
TEST_F(L01, NoByteOfARequestIsReadTwice) {
  Machine undisturbed;
  static_cast<void>(undisturbed.Requests());
  for (const Bytes& request : Requests()) {
    Pages still(request);
    auto mapped = still.mapped();
    const std::size_t expected_size = undisturbed.dispatcher.Serve(mapped);

    ChangingPages changing(request);
    const std::size_t size = dispatcher.Serve(changing);

    EXPECT_EQ(changing.most_reads(), 1);
    EXPECT_EQ(changing.most_writes(), 1);
    ASSERT_EQ(size, expected_size);
    EXPECT_EQ(base::ToBytes(changing.bytes().first(size)),
              base::ToBytes(ByteSpan(still.bytes()).first(size)));
  }
}

TEST_F(L01, ASmallRequestIsNotCopiedWhole) {
  ChangingPages pages(test::GetVariableRequest(kName, kVendor, 0, false));
  dispatcher.Serve(pages);
  EXPECT_EQ(pages.bytes().back(), 0) << "the last byte of the pages was read";
}

TEST_F(L01, AKilobyteIsNoReasonToCopyAllPages) {
  ChangingPages pages(test::SetVariableRequest(kName, kVendor, 7, Bytes(1000, 0x5A), false));
  dispatcher.Serve(pages);
  EXPECT_EQ(pages.bytes().back(), 0) << "the last byte of the pages was read";
}

std::uint64_t Integer(ByteSpan bytes, std::size_t offset) {
  std::uint64_t value = 0;
  base::Reader reader(bytes.subspan(offset));
  EXPECT_TRUE(reader.ReadU64(value));
  return value;
}

// What a door kept mapped is looked at through its first page alone (docs/xen-door.md, "Kept
// mappings").
class KeptPagesTest : public DispatcherTest {
 protected:
  /// Whether the request is carried out when it stands in kept pages, which nobody writes to.
  bool IsServed(ByteSpan request) {
    Pages pages(request, 0xA5);
    const Bytes before = base::ToBytes(pages.bytes());
    const bool is_served = dispatcher.ServeFirstPage(pages.mapped()).has_value();
    EXPECT_EQ(base::ToBytes(pages.bytes()), before);
    return is_served;
  }
};

TEST_F(KeptPagesTest, AnAnswerThatStillStandsThereIsNoRequest) {
  for (std::size_t i = 0; i < engine::kReasonCount; ++i) {
    base::Writer answer;
    EncodeStatus(static_cast<Reason>(i), answer);
    EXPECT_FALSE(IsServed(answer.Take())) << i;
  }
  for (const Bytes& request : Requests()) {
    Pages pages(request);
    auto mapped = pages.mapped();
    dispatcher.Serve(mapped);
    EXPECT_FALSE(dispatcher.ServeFirstPage(mapped));
  }
}

TEST_F(KeptPagesTest, AWholeRequestInTheFirstPageIsCarriedOut) {
  const Bytes request = test::SetVariableRequest(kName, kVendor, 7, Bytes(600, 1), false);
  Pages pages(request);
  const auto reply = dispatcher.ServeFirstPage(pages.mapped());
  ASSERT_TRUE(reply);
  EXPECT_EQ(Integer(*reply, 0), test::kEfiSuccess);
  EXPECT_TRUE(IsServed(test::GetVariableRequest(kName, kVendor, 600, false)));
}

TEST_F(KeptPagesTest, ARequestIsCarriedOutUpToTheFirstPagesLastByteAndNoFurther) {
  const Bytes small = test::SetVariableRequest(kName, kVendor, 7, {}, false);
  const std::size_t room = kPageBytes - small.size();
  EXPECT_TRUE(IsServed(test::SetVariableRequest(kName, kVendor, 7, Bytes(room, 1), false)));

  EXPECT_FALSE(IsServed(test::SetVariableRequest(kName, kVendor, 7, Bytes(room + 1, 2), false)));
  EXPECT_FALSE(IsServed(test::SetVariableRequest(kName, kVendor, 7, Bytes(57344, 2), false)));

  Pages pages(test::GetVariableRequest(kName, kVendor, room, false));
  auto mapped = pages.mapped();
  EXPECT_EQ(dispatcher.Serve(mapped), 20 + room) << "the longer ones changed nothing";
}

/// The production copy of pages that another thread rewrites. What is stored is kept aside as well,
/// because the other thread may overwrite it.
class WatchedPages {
 public:
  explicit WatchedPages(MappedPages pages) : pages_(pages) {}
  [[nodiscard]] auto Words(std::size_t first, std::size_t count) const {
    return pages_.Words(first, count);
  }
  void StoreWord(std::size_t index, std::uint64_t word) {
    pages_.StoreWord(index, word);
    reply_.mapped().StoreWord(index, word);
  }
  void StoreByte(std::size_t index, std::uint8_t byte) {
    pages_.StoreByte(index, byte);
    reply_.mapped().StoreByte(index, byte);
  }
  [[nodiscard]] ByteSpan reply() { return reply_.bytes(); }

 private:
  MappedPages pages_;
  Pages reply_{ByteSpan()};
};

/// Whether an answer has one of the forms of docs/guest-protocol.md: a status, and behind success
/// or a buffer that is too small what belongs to the call.
bool IsWellFormed(ByteSpan reply) {
  const std::size_t size = reply.size();
  if (size < 8) {
    return false;
  }
  switch (Integer(reply, 0)) {
    case test::kEfiSuccess:
      // Nothing, the sizes of the store, a variable, or a name.
      return size == 8 || size == 32 || (size >= 20 && size == 20 + Integer(reply, 12)) ||
             (size >= 32 && size == 32 + Integer(reply, 8));
    case test::kEfiBufferTooSmall:
      return size == 16 || size == 20;  // a name's size, or a variable's with its attributes
    case test::kEfiInvalidParameter:
    case test::kEfiUnsupported:
    case test::kEfiDeviceError:
    case test::kEfiWriteProtected:
    case test::kEfiOutOfResources:
    case test::kEfiNotFound:
    case test::kEfiSecurityViolation:
    case test::kEfiAccessDenied:
      return size == 8;
    default:
      return false;
  }
}

TEST_F(L01, AnswersStayWellFormedWhileAnotherThreadRewritesTheRequest) {
  const std::vector<Bytes> requests = Requests();
  for (const Bytes& request : requests) {
    Pages still(request);
    WatchedPages watched(still.mapped());
    const std::size_t size = dispatcher.Serve(watched);
    ASSERT_TRUE(IsWellFormed(watched.reply().first(size))) << "undisturbed";
  }
  Pages pages{ByteSpan()};
  constexpr std::uint64_t kTimes = 5000;
  std::atomic<std::uint64_t> rewritten = 0;
  const std::jthread other_vcpu([&](const std::stop_token& is_done) {
    // Whole requests, and lengths that are wrong, one after the other.
    MappedPages mapped = pages.mapped();
    for (std::uint64_t round = 0; !is_done.stop_requested(); ++round) {
      CopyIn(requests[round % requests.size()], mapped);
      mapped.StoreWord(1 + round % 40, (round % 7 == 0 ? UINT64_MAX : std::uint64_t{1})
                                           << (round % 64));
      rewritten = round;
    }
  });
  // On a busy machine one of the two may wait while the other runs.
  for (std::uint64_t i = 0; i < kTimes || rewritten < kTimes; ++i) {
    WatchedPages watched(pages.mapped());
    const std::size_t size = dispatcher.Serve(watched);
    ASSERT_LE(size, kSharedBytes);
    ASSERT_TRUE(IsWellFormed(watched.reply().first(size))) << size << " bytes";
  }
  EXPECT_GT(dispatcher.counters().of(Reason::kSuccess), 0U);
}

// CVE-2025-8860: the guest was given heap that nobody had written.
TEST_F(L02, OnlyTheAnswersOwnBytesAreWritten) {
  for (const Bytes& request : Requests()) {
    Pages pages(request, 0xA5);
    const Bytes before = base::ToBytes(ByteSpan(pages.bytes()));
    auto mapped = pages.mapped();
    const std::size_t size = dispatcher.Serve(mapped);
    const Bytes after = base::ToBytes(ByteSpan(pages.bytes()));
    EXPECT_TRUE(std::equal(before.begin() + static_cast<std::ptrdiff_t>(size), before.end(),
                           after.begin() + static_cast<std::ptrdiff_t>(size)))
        << "behind an answer of " << size << " bytes";
  }
}

TEST_F(L02, AnAnswerHasTheLengthOfItsForm) {
  const std::vector<std::size_t> expected = {
      20 + 300, 20, 20 + 57344, 8, 8, 8, 8, 8 + 8 + 4096 + 16, 16, 8 + 8 + 8 + 16, 32, 8, 8, 8, 8};
  const std::vector<Bytes> requests = Requests();
  ASSERT_EQ(requests.size(), expected.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Pages pages(requests[i]);
    auto mapped = pages.mapped();
    EXPECT_EQ(dispatcher.Serve(mapped), expected[i]) << "request " << i;
  }
}

// CVE-2026-41438: a size of 64 bits was cut to 16. Lengths of names and data are in
// protocol_test.cc; here is the room that a caller says it has.
TEST_F(L03, TheCallersRoomIsComparedInItsFullWidth) {
  ASSERT_EQ(Set(kName, Bytes(300, 1)), test::kEfiSuccess);
  for (const int bit : {8, 16, 31, 32, 63}) {
    for (const std::uint64_t room :
         {(std::uint64_t{1} << bit) - 1, std::uint64_t{1} << bit, (std::uint64_t{1} << bit) + 1}) {
      EXPECT_EQ(Serve(test::GetVariableRequest(kName, kVendor, room, false)),
                room < 300 ? test::kEfiBufferTooSmall : test::kEfiSuccess)
          << room;
      EXPECT_EQ(Serve(test::GetNextVariableNameRequest({}, {}, room, false)), test::kEfiSuccess)
          << room;
    }
  }
  EXPECT_EQ(Serve(test::GetNextVariableNameRequest({}, {}, 9, false)), test::kEfiBufferTooSmall);
  EXPECT_EQ(Serve(test::GetNextVariableNameRequest({}, {}, 10, false)), test::kEfiSuccess);
}

TEST_F(L05, NamesOfOddLengthAreRefused) {
  ASSERT_EQ(Set(test::NameBytes(u"ABC"), Bytes(1)), test::kEfiSuccess);
  for (const std::size_t size : {1U, 3U, 5U, 7U, 4095U}) {
    Bytes name = test::NameBytes(u"ABC");
    name.resize(size, 'D');
    EXPECT_EQ(Serve(test::GetVariableRequest(name, kVendor, 1000, false)), test::kEfiNotFound);
    EXPECT_EQ(Set(name, Bytes(1)), test::kEfiInvalidParameter);
    EXPECT_EQ(Serve(test::GetNextVariableNameRequest(name, kVendor, 1000, false)),
              test::kEfiInvalidParameter);
  }
}

TEST_F(DispatcherTest, EveryCommandGetsAStatus) {
  for (std::uint32_t version : {0U, 1U, 2U, 0xFFFFFFFFU}) {
    for (std::uint32_t command = 0; command < 300; ++command) {
      base::Writer writer;
      writer.WriteU32(version);
      writer.WriteU32(command);
      const std::uint64_t status = Serve(writer.Take());
      if (version != 1 || command > 4) {
        EXPECT_EQ(status, test::kEfiUnsupported) << version << " " << command;
      } else {
        EXPECT_NE(status, std::uint64_t{command} << 32 | version) << "the request itself";
      }
    }
  }
}

TEST_F(DispatcherTest, MissingMemoryIsAStatus) {
  backend.is_out_of_memory = true;
  EXPECT_EQ(Set(kName, Bytes(1)), test::kEfiOutOfResources);
  EXPECT_EQ(dispatcher.counters().of(Reason::kOutOfMemory), 1U);
  backend.is_out_of_memory = false;
  EXPECT_EQ(Serve(test::GetVariableRequest(kName, kVendor, 100, false)), test::kEfiNotFound);
}

TEST_F(DispatcherTest, MissingMemoryBehindAPortChangesNothing) {
  EXPECT_FALSE(dispatcher.WritePort(0x104, 4, 0x100));
  backend.is_out_of_memory = true;
  EXPECT_FALSE(dispatcher.WritePort(0x108, 1, 0x55));
  EXPECT_EQ(dispatcher.counters().of(Reason::kOutOfMemory), 1U);
  EXPECT_EQ(dispatcher.ReadPort(0x108, 1), 0U);
}

TEST_F(DispatcherTest, OnlyAWriteOf4BytesToTheFirstPortIsACommand) {
  EXPECT_EQ(dispatcher.WritePort(0x100, 4, 0xFFFFFFFF), 0xFFFFFFFFU);
  EXPECT_EQ(dispatcher.WritePort(0x100, 4, 0), 0U);
  const std::vector<std::pair<std::uint32_t, std::uint32_t>> others = {
      {0x100, 1}, {0x100, 2}, {0x100, 8}, {0x100, 0}, {0x101, 4}, {0x102, 2}, {0x103, 1},
      {0x104, 1}, {0x104, 2}, {0x105, 4}, {0x107, 1}, {0x10C, 4}, {0, 4},     {0xFFFFFFFF, 4}};
  for (const auto& [port, size] : others) {
    EXPECT_EQ(dispatcher.WritePort(port, size, 0x12345678), std::nullopt) << port << " " << size;
  }
  EXPECT_EQ(dispatcher.counters().ignored_accesses, others.size());
}

TEST_F(DispatcherTest, NothingButPpiDataCanBeRead) {
  ASSERT_FALSE(dispatcher.WritePort(0x104, 4, 0x20));
  ASSERT_FALSE(dispatcher.WritePort(0x108, 4, 0x44332211));
  for (const std::uint32_t port : {0U, 0x100U, 0x103U, 0x104U, 0x107U, 0x10CU, 0xFFFFFFFFU}) {
    EXPECT_EQ(dispatcher.ReadPort(port, 4), 0U) << port;
    EXPECT_EQ(dispatcher.ReadPort(port, 1), 0U) << port;
  }
  EXPECT_EQ(dispatcher.ReadPort(0x108, 4), 0x44332211U);
}

TEST_F(DispatcherTest, PpiBytesAreReadAndWrittenAtIndexAndOffset) {
  ASSERT_FALSE(dispatcher.WritePort(0x104, 4, 0x20));
  ASSERT_FALSE(dispatcher.WritePort(0x108, 4, 0x44332211));
  EXPECT_EQ(dispatcher.ReadPort(0x10A, 1), 0x33U);
  EXPECT_EQ(dispatcher.ReadPort(0x109, 2), 0x3322U);
  ASSERT_FALSE(dispatcher.WritePort(0x10B, 1, 0xFFFFFF99));
  EXPECT_EQ(dispatcher.ReadPort(0x108, 4), 0x99332211U);
  ASSERT_FALSE(dispatcher.WritePort(0x104, 4, 0x22));
  EXPECT_EQ(dispatcher.ReadPort(0x108, 2), 0x9933U);
}

TEST_F(DispatcherTest, AnAccessThatLeavesThePortIsIgnored) {
  ASSERT_FALSE(dispatcher.WritePort(0x108, 4, 0x44332211));
  for (const auto& [port, size] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
           {0x109, 4}, {0x10A, 4}, {0x10B, 2}, {0x108, 8}, {0x108, 0}, {0x108, 0xFFFFFFFF}}) {
    EXPECT_FALSE(dispatcher.WritePort(port, size, 0));
    EXPECT_EQ(dispatcher.ReadPort(port, size), 0U) << port << " " << size;
  }
  EXPECT_EQ(dispatcher.ReadPort(0x108, 4), 0x44332211U);
  EXPECT_EQ(dispatcher.counters().ignored_accesses, 12U);
}

TEST_F(DispatcherTest, ARefusalIsLoggedWithNameAndReason) {
  EXPECT_EQ(Set(test::NameBytes(u"Attempt"), Bytes(1, 'X'), 0x10), test::kEfiUnsupported);
  ASSERT_EQ(log.lines.size(), 1U);
  EXPECT_EQ(log.lines[0],
            "authenticated-write-deprecated: SetVariable 'Attempt' "
            "03020100-0504-0706-0809-0a0b0c0d0e0f (Unsupported)");
}

TEST_F(DispatcherTest, ALongNameIsCutInTheLog) {
  EXPECT_EQ(Set(kLongName, Bytes(1), 0x10), test::kEfiUnsupported);
  ASSERT_EQ(log.lines.size(), 1U);
  EXPECT_NE(log.lines[0].find("'" + std::string(64, 'n') + "...'"), std::string::npos);
}

TEST_F(DispatcherTest, WhatAHealthyGuestAsksForIsNotLogged) {
  EXPECT_EQ(Set(kName, Bytes(8)), test::kEfiSuccess);
  EXPECT_EQ(Set(kName, Bytes(8)), test::kEfiSuccess);
  EXPECT_EQ(Serve(test::GetVariableRequest(kName, kVendor, 0, false)), test::kEfiBufferTooSmall);
  EXPECT_EQ(Serve(test::GetVariableRequest(kLongName, kVendor, 0, false)), test::kEfiNotFound);
  EXPECT_TRUE(log.lines.empty());
}

TEST_F(DispatcherTest, EachThingThatAGuestCausesIsALineOfItsName) {
  EXPECT_EQ(Serve(Bytes(8)), test::kEfiUnsupported);
  EXPECT_EQ(dispatcher.WritePort(0, 2, 0), std::nullopt);
  EXPECT_EQ(dispatcher.ReadPort(0x104, 4), 0U);
  dispatcher.PagesNotMapped(0x1000);
  EXPECT_EQ(log.lines,
            (std::vector<std::string>{
                "unsupported-version: a request (Unsupported)",
                "access-ignored: write to port 0x0, 2 bytes wide",
                "access-ignored: read of port 0x104, 4 bytes wide",
                "pages-not-mapped: no answer: the request's pages from 0x1000 on cannot be mapped",
            }));
}

// What a guest can cause, again and again. The host's log is the limit, for lines of all rooms.
TEST_F(DispatcherTest, AGuestCannotFillTheLog) {
  ::testing::internal::CaptureStderr();
  base::SystemLog system_log("", base::LogLevel::kDebug);
  engine::VariableServices flooded({}, backend, system_log);
  ASSERT_TRUE(flooded.Boot({}));
  Dispatcher flooded_dispatcher(flooded, system_log);
  backend.fails = true;
  const auto call = [&flooded_dispatcher](ByteSpan request) {
    Pages pages(request);
    auto mapped = pages.mapped();
    static_cast<void>(flooded_dispatcher.Serve(mapped));
  };
  constexpr int kTimes = 300;
  for (int i = 0; i < kTimes; ++i) {
    call(Bytes(8));
    call(test::SetVariableRequest(kLongName, kVendor, 0x10, Bytes(1), false));
    call(test::SetVariableRequest(kName, kVendor, 0x07, Bytes(1), false));  // fails
    static_cast<void>(flooded_dispatcher.WritePort(0x104, 4, 0x100));
    static_cast<void>(flooded_dispatcher.WritePort(0x108, 4, 0xFFFFFFFF));  // the same
    static_cast<void>(flooded_dispatcher.WritePort(0, 0, 0));
    static_cast<void>(flooded_dispatcher.ReadPort(0, 0));
    flooded_dispatcher.PagesNotMapped(1);
  }
  system_log.SayWhatIsLeftOut();
  const std::string text = ::testing::internal::GetCapturedStderr();

  EXPECT_EQ(flooded_dispatcher.counters().of(Reason::kBackendFailed), std::uint64_t{kTimes});
  EXPECT_EQ(test::CountLines(text),
            (std::map<std::string, int>{{"unsupported-version", 8},
                                        {"authenticated-write-deprecated", 8},
                                        {"backend-failed", 8},
                                        {"change-not-stored", 8},
                                        {"access-ignored", 8},
                                        {"pages-not-mapped", 8},
                                        {"lines-left-out", 1},
                                        {"key-file-missing", 3}}));
  EXPECT_LT(text.size(), 52U * 250);
  EXPECT_NE(text.find("unsupported-version " + std::to_string(kTimes - 8)), text.npos) << text;
  EXPECT_NE(text.find("change-not-stored " + std::to_string(2 * kTimes - 8)), text.npos) << text;
}

TEST_F(DispatcherTest, LargeCountsOfAllReasonsFitIntoALine) {
  std::string text;
  for (std::size_t i = 0; i < engine::kReasonCount; ++i) {
    text += std::string(engine::ReasonText(static_cast<Reason>(i))) + " 18446744073709551615, ";
  }
  base::SystemLog system_log("", base::LogLevel::kInfo);

  ::testing::internal::CaptureStderr();
  system_log.Say(base::Event::kEnded, text + "the end");

  EXPECT_TRUE(::testing::internal::GetCapturedStderr().ends_with(", the end\n"));
}

TEST_F(DispatcherTest, CountersAreOneLine) {
  EXPECT_EQ(dispatcher.CountersText(), "none");
  EXPECT_EQ(Serve(Bytes(8)), test::kEfiUnsupported);
  EXPECT_EQ(Set(kName, Bytes(8)), test::kEfiSuccess);
  EXPECT_EQ(Set(kName, Bytes(9)), test::kEfiSuccess);
  dispatcher.PagesNotMapped(0x1000);
  EXPECT_EQ(dispatcher.CountersText(), "success 2, unsupported-version 1, pages-not-mapped 1");
}

TEST_F(DispatcherTest, AnswersAreCountedByCallAndReason) {
  EXPECT_EQ(Serve(Bytes(8)), test::kEfiUnsupported);
  EXPECT_EQ(Set(kName, Bytes(8)), test::kEfiSuccess);
  EXPECT_EQ(Serve(test::GetVariableRequest(kName, kVendor, 8, false)), test::kEfiSuccess);
  EXPECT_EQ(Serve(test::GetVariableRequest(kName, kVendor, 7, false)), test::kEfiBufferTooSmall);
  const auto count = [&](std::size_t row, Reason reason) {
    return dispatcher.counters().answers.at(row).at(static_cast<std::size_t>(reason));
  };
  EXPECT_EQ(CallName(0), "GetVariable");
  EXPECT_EQ(count(0, Reason::kSuccess), 1U);
  EXPECT_EQ(count(0, Reason::kBufferTooSmall), 1U);
  EXPECT_EQ(CallName(1), "SetVariable");
  EXPECT_EQ(count(1, Reason::kSuccess), 1U);
  EXPECT_EQ(count(Counters::kOther, Reason::kUnsupportedVersion), 1U);
  EXPECT_EQ(dispatcher.counters().of(Reason::kSuccess), 2U);
}

TEST_F(DispatcherTest, TheLastErrorIsNoEverydayAnswerAndHasTheName) {
  EXPECT_EQ(Serve(test::GetVariableRequest(kName, kVendor, 8, false)), test::kEfiNotFound);
  EXPECT_FALSE(dispatcher.last_error());

  EXPECT_EQ(Serve(test::SetVariableRequest(kLongName, kVendor, 0x40000007, Bytes(1), false)),
            test::kEfiInvalidParameter);
  ASSERT_TRUE(dispatcher.last_error());
  EXPECT_EQ(dispatcher.last_error()->row, 1U);
  EXPECT_EQ(dispatcher.last_error()->reason, Reason::kUnknownAttributes);
  EXPECT_EQ(dispatcher.last_error()->vendor.bytes, kVendor);
  EXPECT_EQ(dispatcher.last_error()->name_bytes, 128U);
  EXPECT_TRUE(std::ranges::equal(dispatcher.last_error()->name, ByteSpan(kLongName).first(128)));

  EXPECT_EQ(Serve(Bytes(8)), test::kEfiUnsupported);
  EXPECT_EQ(dispatcher.last_error()->row, Counters::kOther);
  EXPECT_EQ(dispatcher.last_error()->name_bytes, 0U);
}

}  // namespace
}  // namespace varstored::guest
