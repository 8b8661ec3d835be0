#include "varstored/store/vars_blob.h"

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "store/entries.h"
#include "support/recordings.h"
#include "varstored/base/base64.h"
#include "varstored/base/bytes.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/well_known.h"

namespace varstored::store {
namespace {

using base::Bytes;
using base::ByteSpan;

constexpr std::size_t kHeaderBytes = 24;
constexpr std::size_t kAncillaryBytes = 268;
constexpr std::size_t kRecordsAt = kHeaderBytes + kAncillaryBytes;

std::vector<const Entry*> PointersTo(const std::vector<Entry>& entries) {
  std::vector<const Entry*> pointers;
  pointers.reserve(entries.size());
  for (const Entry& entry : entries) {
    pointers.push_back(&entry);
  }
  return pointers;
}

Bytes Encode(const std::vector<Entry>& entries, const Ancillary& ancillary = {}) {
  return EncodeVarsBlob(ancillary, PointersTo(entries));
}

/// One of those that the daemon makes itself, as long as no daemon makes it.
Entry OwnVariable(std::size_t bytes) {
  return MakeEntry({.name = std::string(efi::kPpiBuffer.name),
                    .vendor = efi::kPpiBuffer.vendor,
                    .attributes = 0x07,
                    .data = Bytes(bytes, 0x5A),
                    .timestamp = {},
                    .signer = {}});
}

/// The same blob as a host wrote it before version 2.
Bytes ToVersion1(Bytes blob) {
  blob[4] = 1;
  blob.erase(blob.begin() + kHeaderBytes, blob.begin() + kHeaderBytes + kAncillaryBytes);
  return blob;
}

std::uint64_t U64At(const Bytes& blob, std::size_t offset) {
  base::Reader reader(ByteSpan(blob).subspan(offset));
  std::uint64_t value = 0;
  EXPECT_TRUE(reader.ReadU64(value));
  return value;
}

Bytes WithU64(Bytes blob, std::size_t offset, std::uint64_t value) {
  for (std::size_t i = 0; i < 8; ++i) {
    blob[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
  return blob;
}

/// Where the lengths of names and data stand, found without the decoder.
std::vector<std::size_t> OffsetsOfLengths(const Bytes& blob) {
  std::vector<std::size_t> offsets;
  std::size_t at = kHeaderBytes + (blob[4] == 2 ? kAncillaryBytes : 0);
  while (at < blob.size()) {
    offsets.push_back(at);
    at += 8 + U64At(blob, at);
    offsets.push_back(at);
    at += 8 + U64At(blob, at) + 68;
  }
  EXPECT_EQ(at, blob.size());
  return offsets;
}

/// The blob is refused, and the message names an offset that is not behind the end.
void ExpectRefused(const Bytes& blob, const std::string& what) {
  const auto decoded = DecodeVarsBlob(blob);
  ASSERT_FALSE(decoded) << what;
  constexpr std::string_view kBegin = "VARS blob, offset ";
  const std::string& message = decoded.error().message;
  ASSERT_TRUE(message.starts_with(kBegin)) << message;
  const std::size_t end = message.find(": ");
  ASSERT_NE(end, std::string::npos) << message;
  const std::string digits = message.substr(kBegin.size(), end - kBegin.size());
  EXPECT_EQ(digits.find_first_not_of("0123456789"), std::string::npos) << message;
  EXPECT_LE(std::stoull(digits), blob.size()) << message;
  EXPECT_GT(message.size(), end + 2) << message;
}

/// Small enough to cut at every byte, with a record of each kind.
std::vector<Entry> SomeEntries() {
  return {
      MakeVariable("SecureBoot", {1}),
      MakeVariable("BootOrder", {0, 0, 1, 0, 255, 255}, kOtherVendor),
      MakeLegacy("odd", {1, 2, 3}),
      MakeVariable("db", Bytes(200, 0xA5)),
  };
}

std::vector<std::pair<std::string, Bytes>> ValidBlobs() {
  const Bytes some = Encode(SomeEntries(), {.mor_key = {1, 2, 3}, .ppi_index = 9});
  const Bytes none = Encode({});
  return {{"some", some},
          {"some, version 1", ToVersion1(some)},
          {"none", none},
          {"none, version 1", ToVersion1(none)}};
}

/// L-07: every cut of the blob is refused, whether the header tells the truth about it or not.
void ExpectEveryCutIsRefused(const std::string& what, const Bytes& blob) {
  const std::size_t records = kHeaderBytes + (blob[4] == 2 ? kAncillaryBytes : 0);
  for (std::size_t size = 0; size < blob.size(); ++size) {
    const std::string where = what + ", cut at " + std::to_string(size);
    // A copy that ends there, so that a sanitizer sees one byte too many.
    const Bytes cut(blob.begin(), blob.begin() + static_cast<std::ptrdiff_t>(size));
    ASSERT_NO_FATAL_FAILURE(ExpectRefused(cut, where));
    if (size >= records) {
      ASSERT_NO_FATAL_FAILURE(
          ExpectRefused(WithU64(cut, 16, size - records), where + " with its own sum"));
    }
  }
}

/// L-03, L-07: every length, and the count and the sum, at its edges.
void ExpectEveryLengthIsChecked(const std::string& what, const Bytes& blob) {
  std::vector<std::size_t> offsets = OffsetsOfLengths(blob);
  offsets.push_back(8);
  offsets.push_back(16);
  for (const std::size_t offset : offsets) {
    const std::uint64_t right = U64At(blob, offset);
    const std::uint64_t one = 1;
    for (const std::uint64_t value : {std::uint64_t{0},
                                      std::uint64_t{1},
                                      right - 1,
                                      right + 1,
                                      right + 2,
                                      right + 84,
                                      right + (one << 8U),
                                      right + (one << 16U),
                                      right + (one << 31U),
                                      right + (one << 32U),
                                      right + (one << 63U),
                                      (one << 16U) - 1,
                                      one << 16U,
                                      (one << 20U) + 1,
                                      (one << 31U) - 1,
                                      one << 31U,
                                      (one << 32U) - 1,
                                      one << 32U,
                                      (one << 63U) - 1,
                                      one << 63U,
                                      std::numeric_limits<std::uint64_t>::max() - 1,
                                      std::numeric_limits<std::uint64_t>::max()}) {
      if (value != right) {
        ASSERT_NO_FATAL_FAILURE(ExpectRefused(WithU64(blob, offset, value),
                                              what + ", offset " + std::to_string(offset) + " is " +
                                                  std::to_string(value) + " instead of " +
                                                  std::to_string(right)));
      }
    }
  }
}

TEST(VarsBlob, L07_CutAtEveryByteItIsRefused) {
  for (const auto& [what, blob] : ValidBlobs()) {
    ASSERT_TRUE(DecodeVarsBlob(blob)) << what;
    ASSERT_NO_FATAL_FAILURE(ExpectEveryCutIsRefused(what, blob));
  }
}

TEST(VarsBlob, L07_EveryLengthAtItsEdgesIsRefused) {
  for (const auto& [what, blob] : ValidBlobs()) {
    ASSERT_NO_FATAL_FAILURE(ExpectEveryLengthIsChecked(what, blob));
  }
}

TEST(VarsBlob, AByteBehindTheEndIsRefused) {
  for (const auto& [what, blob] : ValidBlobs()) {
    Bytes longer = blob;
    longer.push_back(0);
    ExpectRefused(longer, what);
    ExpectRefused(WithU64(longer, 16, U64At(blob, 16) + 1), what + " with its own sum");
  }
}

TEST(VarsBlob, L05_NamesOf1To4096BytesComeBack) {
  for (const std::size_t size : {1U, 2U, 3U, 4U, 5U, 4094U, 4095U, 4096U}) {
    const Entry entry = MakeEntry({.name = std::string(size, 'n'),
                                   .vendor = kVendor,
                                   .attributes = 0x07,
                                   .data = {1},
                                   .timestamp = {},
                                   .signer = {}});
    EXPECT_EQ(entry.is_legacy(), size % 2 != 0);
    const auto decoded = DecodeVarsBlob(Encode({entry}));
    ASSERT_TRUE(decoded) << size;
    EXPECT_EQ(decoded->entries, std::vector<Entry>{entry}) << size;
  }
}

TEST(VarsBlob, HoldsUpTo1024VariablesAndTheDaemonsOwn) {
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < 1024; ++i) {
    entries.push_back(MakeVariable("V" + std::to_string(i), {static_cast<std::uint8_t>(i)}));
  }
  entries.push_back(OwnVariable(1));
  const auto decoded = DecodeVarsBlob(Encode(entries));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->entries, entries);

  entries.push_back(MakeVariable("OneTooMany", {1}));
  const std::size_t at = Encode(entries).size() - Encode({entries.back()}).size() + kRecordsAt;
  const auto refused = DecodeVarsBlob(Encode(entries));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "VARS blob, offset " + std::to_string(at) +
                                         ": more than 1024 variables besides the daemon's own");
}

TEST(VarsBlob, HoldsNoMoreThan1040VariablesInAll) {
  std::vector<Entry> entries(1040, OwnVariable(1));
  EXPECT_TRUE(DecodeVarsBlob(Encode(entries)));
  entries.push_back(OwnVariable(1));
  const auto refused = DecodeVarsBlob(Encode(entries));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "VARS blob, offset 8: 1041 variables, the limit is 1040");
}

TEST(VarsBlob, OfManyWithOneNameTheLastCounts) {
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < 1024; ++i) {
    entries.push_back(MakeVariable("Same", Bytes(1 + i % 7, static_cast<std::uint8_t>(i))));
  }
  const auto decoded = DecodeVarsBlob(Encode(entries));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->entries, std::vector<Entry>{entries.back()});
}

TEST(VarsBlob, HasUpToOneMebibyteOfVariablesAndTheDaemonsOwn) {
  const std::size_t without_data = Encode({MakeVariable("A", {1})}).size() - kRecordsAt - 1;
  const auto of_size = [](std::size_t size) {
    return MakeEntry({.name = std::string("A\0", 2),
                      .vendor = kVendor,
                      .attributes = 0x07,
                      .data = Bytes(size, 0x5A),
                      .timestamp = {},
                      .signer = {}});
  };
  const std::vector<Entry> largest = {of_size(1048576 - without_data), OwnVariable(2000)};
  const auto decoded = DecodeVarsBlob(Encode(largest));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->entries, largest);

  const auto refused = DecodeVarsBlob(Encode({of_size(1048577 - without_data)}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "VARS blob, offset 292: more than 1048576 bytes of variables besides the daemon's own");
}

TEST(VarsBlob, HasNoMoreThanOneMebibyteAndFourKibibytesInAll) {
  const std::size_t without_data = Encode({OwnVariable(1)}).size() - 1;
  Bytes blob = Encode({OwnVariable(1052672 - without_data)});
  ASSERT_EQ(blob.size(), 1052672U);
  EXPECT_TRUE(DecodeVarsBlob(blob));
  blob.push_back(0);
  const auto refused = DecodeVarsBlob(blob);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "VARS blob, offset 0: 1052673 bytes, the limit is 1052672");
}

TEST(VarsBlob, OfVersion1HasNoMoreThanFitsIntoOneOfVersion2) {
  const std::size_t without_data = Encode({OwnVariable(1)}).size() - 1;
  EXPECT_TRUE(DecodeVarsBlob(ToVersion1(Encode({OwnVariable(1052672 - without_data)}))));
  EXPECT_FALSE(DecodeVarsBlob(ToVersion1(Encode({OwnVariable(1052673 - without_data)}))));
}

TEST(VarsBlob, IsWrittenFieldByFieldAsVersion2) {
  Ancillary ancillary = {.mor_key = {1, 2, 3, 4, 5, 6, 7, 8}, .ppi_index = 0x0A0B0C0D};
  ancillary.ppi_volatile.front() = 0xF1;
  ancillary.ppi_volatile.back() = 0xF2;
  LegacyRecord record = {.name = "abc",
                         .vendor = kVendor,
                         .attributes = 0x80000107,
                         .data = {0xD1, 0xD2},
                         .timestamp = {.year = 0x0102, .month = 3, .pad2 = 4},
                         .signer = {}};
  record.signer.front() = 0xC1;
  record.signer.back() = 0xC2;

  base::Writer expected;
  expected.WriteBytes(Bytes{'V', 'A', 'R', 'S', 2, 0, 0, 0});
  expected.WriteBytes(Bytes{1, 0, 0, 0, 0, 0, 0, 0});
  expected.WriteBytes(Bytes{84 + 3 + 2, 0, 0, 0, 0, 0, 0, 0});
  expected.WriteBytes(Bytes{1, 2, 3, 4, 5, 6, 7, 8, 0x0D, 0x0C, 0x0B, 0x0A, 0xF1});
  expected.WriteBytes(Bytes(254, 0));
  expected.WriteBytes(Bytes{0xF2});
  expected.WriteBytes(Bytes{3, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c'});
  expected.WriteBytes(Bytes{2, 0, 0, 0, 0, 0, 0, 0, 0xD1, 0xD2});
  expected.WriteBytes(Bytes{0x70, 0x4A, 0x5B, 0x1F, 0x5D, 0x0A, 0x0E, 0x4F, 0x9D, 0x55, 0x3C, 0x1F,
                            0x0D, 0x9A, 0x7A, 0x11});
  expected.WriteBytes(Bytes{0x07, 0x01, 0x00, 0x80});
  expected.WriteBytes(Bytes{2, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4});
  expected.WriteBytes(Bytes{0xC1});
  expected.WriteBytes(Bytes(30, 0));
  expected.WriteBytes(Bytes{0xC2});
  EXPECT_EQ(Encode({record}, ancillary), expected.Take());
}

TEST(VarsBlob, AnyChangeOfOneByteIsRefusedOrKept) {
  // Nothing in a blob is ignored: what is read is written again.
  const Bytes blob = Encode(SomeEntries());
  std::size_t kept = 0;
  for (std::size_t offset = 0; offset < blob.size(); ++offset) {
    for (const unsigned change : {0x01U, 0x80U, 0xFFU}) {
      Bytes changed = blob;
      changed[offset] = static_cast<std::uint8_t>(changed[offset] ^ change);
      const auto decoded = DecodeVarsBlob(changed);
      if (decoded) {
        EXPECT_EQ(Encode(decoded->entries, decoded->ancillary), changed) << offset;
        ++kept;
      }
    }
  }
  // All but the fields that hold lengths and the header.
  EXPECT_EQ(kept, 3 * (blob.size() - kHeaderBytes - 8 * OffsetsOfLengths(blob).size()));
}

class RealBlobs : public ::testing::Test {
 protected:
  [[nodiscard]] static std::vector<std::pair<std::string, Bytes>> Blobs() {
    std::vector<std::pair<std::string, Bytes>> blobs;
    for (const std::string& name : test::RecordingsNamed(".b64")) {
      blobs.emplace_back(name,
                         base::DecodeBase64(base::ToString(test::ReadRecording(name))).value());
    }
    return blobs;
  }
};

TEST_F(RealBlobs, AreEncodedByteForByte) {
  for (const auto& [path, blob] : Blobs()) {
    for (const Bytes& version : {blob, ToVersion1(blob)}) {
      const auto decoded = DecodeVarsBlob(version);
      ASSERT_TRUE(decoded) << path << ": " << decoded.error().message;
      EXPECT_GT(decoded->entries.size(), 10U) << path;
      std::set<std::string> names;
      for (const Entry& entry : decoded->entries) {
        EXPECT_FALSE(entry.is_legacy()) << efi::NameToUtf8(entry.name());
        EXPECT_TRUE(entry.Has(efi::kNonVolatile)) << efi::NameToUtf8(entry.name());
        names.insert(efi::NameToUtf8(entry.name()));
      }
      EXPECT_TRUE(names.contains("BootOrder")) << path;
      EXPECT_EQ(Encode(decoded->entries, decoded->ancillary).size(), blob.size());
      EXPECT_EQ(ToVersion1(Encode(decoded->entries, decoded->ancillary)), ToVersion1(blob)) << path;
    }
    EXPECT_EQ(Encode(DecodeVarsBlob(blob)->entries, DecodeVarsBlob(blob)->ancillary), blob) << path;
  }
}

TEST_F(RealBlobs, L07_CutAndWithWrongLengthsTheyAreRefused) {
  for (const auto& [path, blob] : Blobs()) {
    ASSERT_NO_FATAL_FAILURE(ExpectEveryCutIsRefused(path, blob));
    ASSERT_NO_FATAL_FAILURE(ExpectEveryLengthIsChecked(path, blob));
    ASSERT_NO_FATAL_FAILURE(ExpectEveryLengthIsChecked(path + ", version 1", ToVersion1(blob)));
  }
}

}  // namespace
}  // namespace varstored::store
