#include "varstored/convert/flash_image.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "convert/flash_builder.h"
#include "varstored/base/file.h"
#include "varstored/base/writer.h"
#include "varstored/efi/well_known.h"

namespace varstored::convert {
namespace {

using test::FlashBuilder;
using test::FlashRecord;
using test::Utf16;

const efi::Guid kVendor = *efi::ParseGuid("01234567-89ab-cdef-0123-456789abcdef");
const efi::Guid kCertDbVendor = *efi::ParseGuid("d9bee56e-75dc-49d9-b4d7-b534210f637a");

Content ReadGood(const base::Bytes& image) {
  auto content = ReadFlashImage(image);
  if (!content) {
    ADD_FAILURE() << content.error().message;
    return {};
  }
  return *std::move(content);
}

std::string ErrorOf(const base::Bytes& image) {
  const auto content = ReadFlashImage(image);
  return content ? "" : content.error().message;
}

std::vector<std::string> NamesIn(const Content& content) {
  std::vector<std::string> names;
  for (const auto& entry : content.entries) {
    names.emplace_back(entry.name());
  }
  return names;
}

/// certdb with one digest of 32 bytes for each name.
FlashRecord CertDb(const std::vector<std::string>& names, std::uint8_t first_byte) {
  base::Writer nodes;
  for (const std::string& name : names) {
    nodes.WriteBytes(kVendor.bytes);
    nodes.WriteU32(static_cast<std::uint32_t>(28 + name.size() + 32));
    nodes.WriteU32(static_cast<std::uint32_t>(name.size() / 2));
    nodes.WriteU32(32);
    nodes.WriteBytes(base::ToBytes(name));
    nodes.WriteBytes(base::Bytes(32, first_byte));
  }
  base::Writer whole;
  whole.WriteU32(static_cast<std::uint32_t>(nodes.size() + 4));
  whole.WriteBytes(nodes.Take());
  return {
      .name = Utf16("certdb"), .vendor = kCertDbVendor, .attributes = 0x27, .data = whole.Take()};
}

TEST(FlashImage, GivesEachFieldOfARecord) {
  const efi::Time time = {2024, 5, 6, 7, 8, 9};
  const auto content = ReadGood(FlashBuilder()
                                    .Add({.name = Utf16("Boot0000"),
                                          .vendor = kVendor,
                                          .attributes = 0x27,
                                          .data = {1, 2, 3},
                                          .timestamp = time})
                                    .Image());
  ASSERT_EQ(content.entries.size(), 1U);
  const auto& entry = content.entries[0];
  EXPECT_EQ(entry.name(), Utf16("Boot0000"));
  EXPECT_EQ(entry.vendor(), kVendor);
  EXPECT_EQ(entry.raw_attributes(), 0x27U);
  EXPECT_EQ(entry.data(), (base::Bytes{1, 2, 3}));
  EXPECT_EQ(entry.timestamp(), time);
  EXPECT_TRUE(content.lost.empty());
}

TEST(FlashImage, AStoreWithoutAuthenticationHasShorterRecords) {
  const auto content =
      ReadGood(FlashBuilder(false).Add({.name = Utf16("A")}).Add({.name = Utf16("B")}).Image());
  EXPECT_EQ(NamesIn(content), (std::vector{Utf16("A"), Utf16("B")}));
}

TEST(FlashImage, DeletedAndUnfinishedRecordsAreNotThere) {
  FlashBuilder builder;
  for (const std::uint8_t state : std::array<std::uint8_t, 5>{0x3D, 0x3C, 0x7F, 0x7D, 0x3F}) {
    builder.Add({.name = Utf16("Of" + std::to_string(state)), .state = state});
  }
  EXPECT_EQ(NamesIn(ReadGood(builder.Image())), std::vector{Utf16("Of63")});
}

TEST(FlashImage, AHeaderThatWasNeverFinishedHasNoSizes) {
  // Its sizes would lead past the next record.
  const auto image = FlashBuilder()
                         .Add({.name = "", .data = {}, .state = 0xFF, .terminated = false})
                         .Add({.name = Utf16("Next")})
                         .Image();
  auto wrong = image;
  std::fill_n(wrong.begin() + FlashBuilder::kFirstRecord + 36, 8, 0xFF);
  EXPECT_EQ(NamesIn(ReadGood(wrong)), std::vector{Utf16("Next")});
}

TEST(FlashImage, OfAVariableThatIsReplacedTheNewOneCounts) {
  const auto both = ReadGood(FlashBuilder()
                                 .Add({.name = Utf16("A"), .data = {1}, .state = 0x3E})
                                 .Add({.name = Utf16("A"), .data = {2}})
                                 .Image());
  ASSERT_EQ(both.entries.size(), 1U);
  EXPECT_EQ(both.entries[0].data(), base::Bytes{2});
  EXPECT_TRUE(both.lost.empty());

  const auto old =
      ReadGood(FlashBuilder().Add({.name = Utf16("A"), .data = {1}, .state = 0x3E}).Image());
  ASSERT_EQ(old.entries.size(), 1U);
  EXPECT_EQ(old.entries[0].data(), base::Bytes{1});
}

TEST(FlashImage, WhatNoStoreTakesIsALoss) {
  const auto content = ReadGood(FlashBuilder()
                                    .Add({.name = Utf16("Empty"), .data = {}})
                                    .Add({.name = ""})
                                    .Add({.name = std::string(5000, 'x')})
                                    .Add({.name = Utf16("Twice"), .data = {1}})
                                    .Add({.name = Utf16("Twice"), .data = {2}})
                                    .Add({.name = Utf16("Counted"), .monotonic_count = 5})
                                    .Image());
  EXPECT_EQ(NamesIn(content), (std::vector{Utf16("Twice"), Utf16("Counted")}));
  EXPECT_EQ(content.entries[0].data(), base::Bytes{1});
  EXPECT_EQ(content.lost.size(), 5U);
}

TEST(FlashImage, ANameIsTakenToItsTerminatorOrItsEnd) {
  const auto content = ReadGood(FlashBuilder()
                                    .Add({.name = Utf16("Open"), .terminated = false})
                                    .Add({.name = "odd", .terminated = false})
                                    .Image());
  EXPECT_EQ(NamesIn(content), (std::vector{Utf16("Open"), std::string("odd")}));
  EXPECT_TRUE(content.entries[1].is_legacy());
}

TEST(FlashImage, SignersComeFromCertdb) {
  const auto content =
      ReadGood(FlashBuilder()
                   .Add(CertDb({Utf16("Mine")}, 0xAB))
                   .Add({.name = Utf16("Mine"), .vendor = kVendor, .attributes = 0x27})
                   .Add({.name = Utf16("Other"), .vendor = kVendor})
                   .Image());
  ASSERT_EQ(NamesIn(content), (std::vector{Utf16("Mine"), Utf16("Other")}));
  EXPECT_EQ(content.entries[0].signer()[31], 0xAB);
  EXPECT_EQ(content.entries[1].signer(), store::SignerDigest{});
  EXPECT_TRUE(content.lost.empty());
}

TEST(FlashImage, AMalformedCertdbIsNamed) {
  auto certdb = CertDb({Utf16("Mine")}, 1);
  const FlashRecord mine = {.name = Utf16("Mine"), .vendor = kVendor, .attributes = 0x27};
  for (std::size_t length = 1; length < certdb.data.size(); ++length) {
    auto cut = certdb;
    cut.data.resize(length);
    EXPECT_EQ(ReadGood(FlashBuilder().Add(cut).Add(mine).Image()).lost.size(), 1U) << length;
  }
  for (std::size_t field = 20; field < 32; ++field) {  // sizes of the node, the name, the digest
    auto wrong = certdb;
    wrong.data[field] ^= 0x80U;
    EXPECT_FALSE(ReadGood(FlashBuilder().Add(wrong).Add(mine).Image()).lost.empty()) << field;
  }
  const auto unknown = ReadGood(FlashBuilder().Add(certdb).Image());
  ASSERT_EQ(unknown.lost.size(), 1U);
  EXPECT_NE(unknown.lost[0].find("no such variable"), std::string::npos);
}

// 64 MiB have room for a million, which took a tool two seconds and 90 MB of lines.
TEST(FlashImage, MoreVariablesThanAnyVmHasAreRefused) {
  constexpr std::size_t kRoom = std::size_t{2} * 1024 * 1024;
  const auto image_of = [](std::size_t count, const auto& name_of) {
    FlashBuilder builder(true, kRoom);
    for (std::size_t i = 0; i < count; ++i) {
      builder.Add({.name = Utf16(name_of(i)), .vendor = kVendor});
    }
    return builder.Image();
  };
  const auto numbered = [](std::size_t i) { return std::to_string(i); };
  const auto same = [](std::size_t /*i*/) { return "x"; };
  EXPECT_EQ(ReadGood(image_of(kMaxRecords, numbered)).entries.size(), kMaxRecords);
  EXPECT_EQ(ReadGood(image_of(kMaxRecords, same)).lost.size(), kMaxRecords - 1);
  for (const auto& image : {image_of(kMaxRecords + 1, numbered), image_of(kMaxRecords + 1, same)}) {
    EXPECT_NE(ErrorOf(image).find("no VM has so many"), std::string::npos) << ErrorOf(image);
  }
}

TEST(FlashImage, MoreSignersThanAnyVmHasAreNotRead) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kMaxRecords + 10; ++i) {
    names.push_back(Utf16(std::to_string(i)));
  }
  const std::string error =
      ErrorOf(FlashBuilder(true, std::size_t{2} * 1024 * 1024).Add(CertDb(names, 1)).Image());
  EXPECT_NE(error.find("no VM has so many"), std::string::npos) << error;
}

TEST(FlashImage, AWriteThatTheFirmwareHasToFinishIsAnError) {
  // Flags of the header: allocated 1, writes allocated 2, complete 4. Of the record: spare complete
  // 2, destination complete 4. A flag is set when its bit is 0.
  EXPECT_EQ(ErrorOf(FlashBuilder().AddWrite(0xFF, 0xFF).Image()), "");
  EXPECT_EQ(ErrorOf(FlashBuilder().AddWrite(0xF8, 0xF9).Image()), "");
  EXPECT_EQ(ErrorOf(FlashBuilder().AddWrite(0xFC, 0xFF).Image()), "") << "spare not complete";
  EXPECT_NE(ErrorOf(FlashBuilder().AddWrite(0xFC, 0xFD).Image()).find("interrupted"),
            std::string::npos);
  EXPECT_NE(
      ErrorOf(FlashBuilder().AddWrite(0xF8, 0xF9).AddWrite(0xFC, 0xFD).Image()).find("interrupted"),
      std::string::npos);
  const Content nothing;
  EXPECT_FALSE(WriteFlashImage(nothing, FlashBuilder().AddWrite(0xFC, 0xFD).Image()).ok());
}

TEST(FlashImage, EachFieldOfTheHeadersIsChecked) {
  const base::Bytes good = FlashBuilder().Image();
  ASSERT_EQ(ErrorOf(good), "");
  const std::vector<std::pair<std::size_t, std::string>> fields = {
      {16, "no firmware volume"}, {34, "the volume has"}, {40, "no firmware volume"},
      {45, "erased bytes"},       {48, "cannot have"},    {50, "checksum"},
      {72, "no variable store"},  {91, "variable store"}, {92, "not formatted"},
      {93, "not healthy"}};
  for (const auto& [offset, reason] : fields) {
    base::Bytes wrong = good;
    wrong[offset] ^= 0x0FU;
    EXPECT_NE(ErrorOf(wrong).find(reason), std::string::npos) << offset << ": " << ErrorOf(wrong);
  }
}

TEST(FlashImage, CutAtEveryByteItIsRefused) {
  const base::Bytes image = FlashBuilder(true, 4096).Add({.name = Utf16("A")}).Image();
  for (std::size_t length = 0; length < image.size(); ++length) {
    ASSERT_FALSE(ReadFlashImage(base::ByteSpan(image).first(length)).ok()) << length;
  }
}

TEST(FlashImage, EveryLengthAtItsEdgesStaysInBounds) {
  const base::Bytes image = FlashBuilder(true, 4096)
                                .Add(CertDb({Utf16("Mine")}, 1))
                                .Add({.name = Utf16("Mine"), .vendor = kVendor})
                                .AddWrite(0xFC, 0xFF)
                                .Image();
  constexpr std::array<std::uint64_t, 14> kEdges = {
      0,           1,
      2,           27,
      28,          0x7F,
      0x80,        0xFFFF,
      0x10000,     0x7FFFFFFF,
      0x80000000,  0xFFFFFFFF,
      0x100000000, std::numeric_limits<std::uint64_t>::max()};
  // Wherever a length may be: the headers, the records, the log of writes.
  std::size_t readable = 0;
  for (const auto& [begin, end] :
       std::vector<std::pair<std::size_t, std::size_t>>{{0, 0x180}, {0x2020, 0x2080}}) {
    for (std::size_t offset = begin; offset < end; offset += 2) {
      for (const std::uint64_t edge : kEdges) {
        for (const std::size_t width : {2U, 4U, 8U}) {
          base::Bytes wrong = image;
          for (std::size_t i = 0; i < width; ++i) {
            wrong[offset + i] = static_cast<std::uint8_t>(edge >> (8 * i));
          }
          const auto content = ReadFlashImage(wrong);
          if (!content) {
            continue;
          }
          ++readable;
          std::size_t bytes = 0;
          for (const auto& entry : content->entries) {
            bytes += entry.name().size() + entry.data().size();
          }
          EXPECT_LT(bytes, std::size_t{4096}) << offset;
          EXPECT_TRUE(WriteFlashImage(*content, wrong).ok()) << offset;
        }
      }
    }
  }
  EXPECT_GT(readable, 1000U);
}

// ---- writing ----

Content ContentOf(std::vector<store::Entry> entries) { return {std::move(entries)}; }

store::Entry EntryOf(const std::string& name, base::Bytes data, std::uint32_t attributes = 7,
                     std::uint8_t signer = 0) {
  store::LegacyRecord record{Utf16(name), kVendor, attributes, std::move(data)};
  record.signer.fill(signer);
  return store::MakeEntry(std::move(record));
}

base::Bytes WriteGood(const Content& content, const base::Bytes& flash_template) {
  auto written = WriteFlashImage(content, flash_template);
  if (!written) {
    ADD_FAILURE() << written.error().message;
    return {};
  }
  return std::move(written->bytes);
}

TEST(WriteFlashImage, WithTheTemplatesOwnVariablesItIsTheTemplate) {
  // Nothing of this would be there after the space is reclaimed.
  const base::Bytes image = FlashBuilder()
                                .Add({.name = Utf16("Gone"), .state = 0x3C})
                                .Add(CertDb({Utf16("Mine")}, 1))
                                .Add({.name = Utf16("Empty"), .data = {}})
                                .Add({.name = Utf16("Mine"), .vendor = kVendor, .attributes = 0x27})
                                .Add({.name = Utf16("Old"), .state = 0x3E})
                                .AddWrite(0xF8, 0xF9)
                                .Image();
  Content content = ReadGood(image);
  EXPECT_EQ(WriteGood(content, image), image);
  std::reverse(content.entries.begin(), content.entries.end());
  EXPECT_EQ(WriteGood(content, image), image) << "their order says nothing";
}

TEST(WriteFlashImage, ByteForByteAsEdk2ReclaimsSpace) {
  const base::Bytes old = FlashBuilder()
                              .Add(CertDb({}, 0))
                              .Add({.name = Utf16("Gone"), .vendor = kVendor, .state = 0x3C})
                              .Add({.name = Utf16("Kept"),
                                    .vendor = kVendor,
                                    .data = {1, 2, 3},
                                    .state = 0x3E,
                                    .monotonic_count = 9})
                              .Add({.name = Utf16("Changed"), .vendor = kVendor, .data = {1}})
                              .Add({.name = Utf16("Dropped"), .vendor = kVendor})
                              .AddWrite(0xF8, 0xF9)
                              .Image();
  const base::Bytes expected =
      FlashBuilder()
          .Add(CertDb({}, 0))
          .Add({.name = Utf16("Kept"), .vendor = kVendor, .data = {1, 2, 3}, .monotonic_count = 9})
          .Add({.name = Utf16("New"), .vendor = kVendor, .data = {8}})
          .Add({.name = Utf16("Changed"), .vendor = kVendor, .data = {2}})
          .AddWrite(0xF8, 0xF9)
          .Image();
  EXPECT_EQ(WriteGood(ContentOf({EntryOf("New", {8}), EntryOf("Changed", {2}),
                                 EntryOf("Kept", {1, 2, 3})}),
                      old),
            expected);
}

TEST(WriteFlashImage, SignersGoIntoCertdb) {
  const Content content = ContentOf({EntryOf("Plain", {1}), EntryOf("Mine", {1}, 0x27, 0xAB)});
  const base::Bytes expected =
      FlashBuilder()
          .Add(CertDb({Utf16("Mine")}, 0xAB))
          .Add({.name = Utf16("Plain"), .vendor = kVendor})
          .Add({.name = Utf16("Mine"), .vendor = kVendor, .attributes = 0x27})
          .Image();
  EXPECT_EQ(WriteGood(content, FlashBuilder().Image()), expected);
  EXPECT_EQ(ReadGood(expected).entries, content.entries);
}

TEST(WriteFlashImage, ARecordWithASignerIsKeptToo) {
  const FlashRecord mine = {.name = Utf16("Mine"),
                            .vendor = kVendor,
                            .attributes = 0x27,
                            .timestamp = {2024, 5, 6},
                            .monotonic_count = 9};
  const base::Bytes old =
      FlashBuilder().Add({.name = Utf16("Dropped")}).Add(CertDb({mine.name}, 1)).Add(mine).Image();
  Content content = ReadGood(old);
  content.entries.erase(content.entries.begin());
  EXPECT_EQ(WriteGood(content, old), FlashBuilder().Add(CertDb({mine.name}, 1)).Add(mine).Image());
}

TEST(WriteFlashImage, AnotherSignerIsAChange) {
  const base::Bytes old = FlashBuilder()
                              .Add(CertDb({Utf16("Mine")}, 1))
                              .Add({.name = Utf16("Mine"), .vendor = kVendor, .attributes = 0x27})
                              .Image();
  const Content content = ContentOf({EntryOf("Mine", {1}, 0x27, 2)});
  EXPECT_EQ(ReadGood(WriteGood(content, old)).entries, content.entries);
}

TEST(WriteFlashImage, TheFirmwaresListOfSignersIsNotTakenFromElsewhere) {
  store::LegacyRecord certdb{Utf16("certdb"), kCertDbVendor, 0x27, {4, 0, 0, 0}};
  const Content content = ContentOf({store::MakeEntry(certdb), EntryOf("Mine", {1}, 0x27, 2)});
  const auto written = WriteFlashImage(content, FlashBuilder().Image());
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(written->lost.size(), 1U);
  EXPECT_EQ(ReadGood(written->bytes).entries, std::vector{content.entries[1]});
}

TEST(WriteFlashImage, TheStoreTakesExactlyWhatFits) {
  const base::Bytes empty = FlashBuilder(true, 4096).Image();
  // Behind certdb (78 bytes and 2 to align) a header of 60, "A" with its NUL of 4.
  constexpr std::size_t kRoom = 4096 - FlashBuilder::kFirstRecord - 80 - 60 - 4;
  EXPECT_TRUE(WriteFlashImage(ContentOf({EntryOf("A", base::Bytes(kRoom, 1))}), empty).ok());
  const auto full = WriteFlashImage(ContentOf({EntryOf("A", base::Bytes(kRoom + 1, 1))}), empty);
  ASSERT_FALSE(full.ok());
  EXPECT_NE(full.error().message.find("variable store has 3996"), std::string::npos)
      << full.error().message;
}

TEST(WriteFlashImage, AStoreWithoutAuthenticationLosesTimeAndSigner) {
  const Content content = ContentOf({EntryOf("Plain", {1}), EntryOf("Mine", {1}, 0x27, 2)});
  const auto written = WriteFlashImage(content, FlashBuilder(false).Image());
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(written->lost.size(), 1U);
  EXPECT_EQ(ReadGood(written->bytes).entries,
            (std::vector{EntryOf("Plain", {1}), EntryOf("Mine", {1}, 0x27)}));
  EXPECT_EQ(WriteGood(content, written->bytes), written->bytes);
}

// ---- Debian's ovmf ----

class OvmfTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    path_ = "/usr/share/OVMF/" + GetParam();
    if (!std::filesystem::exists(path_)) {
      GTEST_SKIP() << "no " << path_ << " (package ovmf)";
    }
  }

  [[nodiscard]] base::Bytes Image() const { return *base::ReadFile(path_, kMaxFlashBytes); }

 private:
  std::string path_;
};

TEST_P(OvmfTest, IsWrittenBackByteForByte) {
  const base::Bytes image = Image();
  const Content content = ReadGood(image);
  EXPECT_TRUE(content.lost.empty());
  EXPECT_EQ(WriteGood(content, image), image);
}

TEST_P(OvmfTest, ItsVariablesFitInTheEmptyImageOfTheSameLayout) {
  const Content content = ReadGood(Image());
  const std::string path =
      std::string("/usr/share/OVMF/") +
      (GetParam().find("4M") != std::string::npos ? "OVMF_VARS_4M.fd" : "OVMF_VARS.fd");
  EXPECT_EQ(ReadGood(WriteGood(content, *base::ReadFile(path, kMaxFlashBytes))).entries,
            content.entries);
}

INSTANTIATE_TEST_SUITE_P(Debian, OvmfTest,
                         ::testing::Values("OVMF_VARS.fd", "OVMF_VARS.ms.fd", "OVMF_VARS_4M.fd",
                                           "OVMF_VARS_4M.ms.fd", "OVMF_VARS_4M.snakeoil.fd"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(Ovmf, OfDebianWithMicrosoftsKeysHasThem) {
  const std::string path = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd";
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "no " << path << " (package ovmf)";
  }
  const Content content = ReadGood(*base::ReadFile(path, kMaxFlashBytes));
  for (const auto& known : {efi::kPk, efi::kKek, efi::kDb, efi::kDbx}) {
    EXPECT_TRUE(std::any_of(content.entries.begin(), content.entries.end(),
                            [&known](const auto& entry) {
                              return known.Is(entry.name(), entry.vendor()) &&
                                     entry.raw_attributes() == 0x27 &&
                                     entry.timestamp() != efi::Time{};
                            }))
        << known.name;
  }
}

}  // namespace
}  // namespace varstored::convert
