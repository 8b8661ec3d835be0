#include "varstored/tool/conversion.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "convert/flash_builder.h"
#include "support/loopback_client.h"
#include "support/process.h"
#include "support/temporary_folder.h"
#include "varstored/base/file.h"
#include "varstored/base/unique_fd.h"
#include "varstored/convert/content.h"
#include "varstored/convert/flash_image.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"
#include "varstored/store/vars_blob.h"

namespace varstored::tool {
namespace {

using convert::Describe;
using convert::kMaxFlashBytes;

using test::Utf16;

const efi::Guid kVendor = *efi::ParseGuid("01234567-89ab-cdef-0123-456789abcdef");
const efi::Time kTime = {2024, 5, 6, 7, 8, 9};

/// The lines that are written.
class Lines final : public base::Log {
 public:
  void Put(base::LogLevel level, std::string_view /*name*/, std::string_view line) override {
    if (level <= base::LogLevel::kWarning) {
      lines_.emplace_back(line);
    }
  }
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
  [[nodiscard]] std::size_t CountOf(const std::string& text) const {
    return static_cast<std::size_t>(std::count_if(
        lines_.begin(), lines_.end(),
        [&text](const std::string& line) { return line.find(text) != std::string::npos; }));
  }

 private:
  std::vector<std::string> lines_;
};

store::Entry EntryOf(const std::string& name, std::uint32_t attributes, base::Bytes data,
                     const efi::Time& time = {}, std::uint8_t signer = 0,
                     const efi::Guid& vendor = kVendor) {
  store::LegacyRecord record{name, vendor, attributes, std::move(data), time};
  record.signer.fill(signer);
  return store::MakeEntry(std::move(record));
}

store::Entry EntryOf(const efi::WellKnownVariable& known, std::uint32_t attributes,
                     base::Bytes data, const efi::Time& time = {}) {
  return EntryOf(std::string(known.name), attributes, std::move(data), time, 0, known.vendor);
}

/// Every kind of variable that a store can hold.
std::vector<store::Entry> EveryKind() {
  return {
      EntryOf(Utf16("BootOrder"), 7, {0, 0}),
      EntryOf(Utf16("BootOnly"), 3, {1}),
      EntryOf(Utf16("Largest"), 7, base::Bytes(store::kMaxDataBytes, 0x5A)),
      EntryOf(efi::kPk, 0x27, {1, 1}, kTime),
      EntryOf(efi::kKek, 0x27, {2, 2}, kTime),
      EntryOf(efi::kDb, 0x27, {3, 3}, kTime),
      EntryOf(efi::kDbx, 0x27, {4, 4}, kTime),
      EntryOf(Utf16("Private"), 0x27, {5}, kTime, 0xAB),
      EntryOf(Utf16("Signerless"), 0x27, {6}, kTime),
      EntryOf(Utf16("Volatile"), 6, {7}),
      EntryOf(Utf16("VolatileBootOnly"), 2, {8}),
      EntryOf(Utf16("VolatilePrivate"), 0x26, {9}, kTime, 0xCD),
      EntryOf(efi::kSetupMode, 6, {0}),
      EntryOf(efi::kSecureBoot, 6, {1}),
      EntryOf(efi::kMorControl, 7, {1}),
      EntryOf(efi::kMorLock, 7, {0}),
      EntryOf(efi::kPpiFlagsLock, 7, {1}),
      EntryOf(efi::kPpiFlags, 7, {1, 2, 3, 4}),
      EntryOf(efi::kPpiBuffer, 7, base::Bytes(48, 3)),
      EntryOf(std::string("\xE9\0\x3D\xD8\x00\xDE", 6), 7, {10}),
      EntryOf(Utf16("with/slash"), 7, {11}),
      EntryOf(Utf16(".."), 7, {12}),
      EntryOf(Utf16("\x01\x7F\"\\"), 7, {13}),
      EntryOf(Utf16("long" + std::string(300, 'g')), 7, {14}),
      EntryOf(Utf16("longest" + std::string(2041, 'g')), 7, {15}),
      EntryOf(std::string("\x00\xD8", 2), 7, {16}),  // half of a surrogate pair
      EntryOf("legacy-odd!", 7, {17}),
      EntryOf("legacy", 7, {18}, kTime, 0xEE),
      EntryOf(std::string("n\0\0\0", 4), 7, {19}),
      EntryOf(std::string("a\0\0\0b\0", 6), 7, {20}),
      EntryOf(Utf16("UnknownBit"), 0x40000007, {21}),
      EntryOf(Utf16("Deprecated"), 0x17, {22}),
      EntryOf(Utf16("RuntimeOnly"), 5, {23}),
      EntryOf(Utf16("TooLarge"), 7, base::Bytes(store::kMaxDataBytes + 1, 0x5A)),
  };
}

const store::Ancillary kAncillary = {{1, 2, 3, 4, 5, 6, 7, 8}, 9, {10}};

bool IsAscii(const store::Entry& entry) {
  const std::string_view name = entry.name();
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (i % 2 == 1 ? name[i] != 0 : static_cast<unsigned char>(name[i]) >= 0x80) {
      return false;
    }
  }
  return true;
}

bool IsOneOf(const store::Entry& entry, const std::vector<efi::WellKnownVariable>& known) {
  return std::any_of(known.begin(), known.end(),
                     [&entry](const auto& each) { return each.Is(entry.name(), entry.vendor()); });
}

/// What a format makes of an entry, by the words of docs/tools/varstore-convert.md.
std::optional<store::Entry> After(Format format, const store::Entry& entry) {
  if (format == Format::kVars) {
    return entry;
  }
  const std::string name(entry.name());
  const bool is_name = efi::VariableName::FromBytes(base::ToBytes(name)).has_value();
  const bool is_lone_surrogate = name == std::string_view("\x00\xD8", 2);
  bool there = entry.Has(efi::kNonVolatile);
  store::LegacyRecord record{name,         entry.vendor(),    entry.raw_attributes(),
                             entry.data(), entry.timestamp(), entry.signer()};
  switch (format) {
    case Format::kSqlite:
      there = there && !IsOneOf(entry, {efi::kMorControl, efi::kMorLock, efi::kPpiFlagsLock});
      break;
    case Format::kJson:
      there = there && is_name && IsAscii(entry);
      if (!entry.Has(efi::kTimeBasedAuthenticatedWriteAccess)) {
        record.timestamp = {};
        record.signer = {};
      }
      break;
    case Format::kFlash:
    case Format::kQcow2:
      there = there && is_name;
      break;
    case Format::kAws:
      there = there && is_name && !is_lone_surrogate;
      if (!entry.Has(efi::kTimeBasedAuthenticatedWriteAccess)) {
        record.timestamp = {};
        record.signer = {};
      }
      break;
    case Format::kEfivarfs:
      there = there && is_name && !is_lone_surrogate &&
              efi::NameToUtf8(name).find('/') == std::string::npos && name.size() / 2 <= 218;
      record.timestamp = {};
      record.signer = {};
      break;
    case Format::kVars:
    case Format::kVarsBase64:
    case Format::kXe:
    case Format::kHyperV:
      break;
  }
  return there ? std::optional(store::MakeEntry(std::move(record))) : std::nullopt;
}

/// In an order that is the same for all formats.
std::vector<store::Entry> Sorted(std::vector<store::Entry> entries) {
  std::sort(entries.begin(), entries.end(), [](const auto& left, const auto& right) {
    return std::tuple(left.name(), left.vendor()) < std::tuple(right.name(), right.vendor());
  });
  return entries;
}

std::vector<store::Entry> After(Format format, const std::vector<store::Entry>& entries) {
  std::vector<store::Entry> after;
  for (const store::Entry& entry : entries) {
    if (auto there = After(format, entry)) {
      after.push_back(*std::move(there));
    }
  }
  return Sorted(std::move(after));
}

class ConversionTest : public ::testing::Test {
 protected:
  ConversionTest() {
    EXPECT_TRUE(base::WriteFileInPlace(Path("template.fd"),
                                       test::FlashBuilder(true, std::size_t{256} * 1024).Image())
                    .ok());
  }

  [[nodiscard]] std::string Path(const std::string& name) const { return folder_.File(name); }

  /// A file with all that a suspended VM can have.
  std::string MakeSource() {
    const auto entries = EveryKind();
    std::vector<const store::Entry*> pointers;
    for (const auto& entry : entries) {
      pointers.push_back(&entry);
    }
    const std::string path = Path("source.vars");
    EXPECT_TRUE(base::WriteFileInPlace(path, store::EncodeVarsBlob(kAncillary, pointers)).ok());
    return path;
  }

  [[nodiscard]] Conversion To(const std::string& in, const std::string& out, Format to) const {
    return {.in = in, .out = out, .to = to, .flash_template = Path("template.fd")};
  }

  /// Converts, with the losses into `log`.
  static void ConvertWell(const Conversion& conversion, Lines& log) {
    const auto done = Convert(conversion, log);
    ASSERT_TRUE(done.ok()) << done.error().message;
  }

  /// The variables of a file of any format, through the converter itself.
  store::VarsBlob Read(const std::string& path) {
    Lines log;
    const std::string blob = Path("read-back.vars");
    std::filesystem::remove(blob);
    ConvertWell(To(path, blob, Format::kVars), log);
    const auto decoded = store::DecodeVarsBlob(*base::ReadFile(blob, store::kMaxBlobBytes));
    EXPECT_TRUE(decoded.ok());
    return *decoded;
  }

  [[nodiscard]] std::vector<std::string> FilesInFolder() const {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(folder_.path())) {
      names.push_back(file.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  test::TemporaryFolder folder_{test::FastParent()};
};

bool HasQemuImg() { return std::system("command -v qemu-img >/dev/null") == 0; }

class PairTest : public ConversionTest,
                 public ::testing::WithParamInterface<std::tuple<Format, Format>> {
 protected:
  void SetUp() override {
    const auto [from, to] = GetParam();
    if ((from == Format::kQcow2 || to == Format::kQcow2) && !HasQemuImg()) {
      GTEST_SKIP() << "no qemu-img (package qemu-utils)";
    }
  }
};

TEST_P(PairTest, CarriesWhatBothFormatsHoldAndNamesTheRest) {
  const auto [from, to] = GetParam();
  Lines ignored;
  Lines log;
  ConvertWell(To(MakeSource(), Path("first"), from), ignored);
  const std::vector<store::Entry> before = Read(Path("first")).entries;
  ASSERT_EQ(Sorted(before), After(from, EveryKind()));

  ConvertWell(To(Path("first"), Path("second"), to), log);
  const auto result = Read(Path("second"));
  EXPECT_EQ(Sorted(result.entries), After(to, before));
  EXPECT_EQ(result.ancillary,
            from == Format::kVars && to == Format::kVars ? kAncillary : store::Ancillary{});

  EXPECT_EQ(log.CountOf("lost: the key of the MOR lock"),
            from == Format::kVars && to != Format::kVars ? 1U : 0U);

  // Each thing that is not there any more has a line, and nothing else has one.
  for (const store::Entry& entry : before) {
    const bool is_same = After(to, entry) == entry;
    const bool is_nobodys = IsOneOf(entry, {efi::kSetupMode, efi::kSecureBoot, efi::kMorLock});
    if (!entry.Has(efi::kNonVolatile)) {
      EXPECT_EQ(log.CountOf(Describe(entry)), is_same || is_nobodys ? 0U : 1U) << Describe(entry);
    } else if (entry.signer() == store::SignerDigest{}) {
      EXPECT_EQ(log.CountOf("lost: " + Describe(entry) + ":"), is_same || is_nobodys ? 0U : 1U)
          << Describe(entry);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Formats, PairTest,
    ::testing::Combine(::testing::Values(Format::kVars, Format::kVarsBase64, Format::kSqlite,
                                         Format::kJson, Format::kFlash, Format::kQcow2,
                                         Format::kEfivarfs, Format::kAws),
                       ::testing::Values(Format::kVars, Format::kVarsBase64, Format::kSqlite,
                                         Format::kJson, Format::kFlash, Format::kQcow2,
                                         Format::kEfivarfs, Format::kAws)),
    [](const auto& tested) {
      std::string name = std::string(NameOf(std::get<0>(tested.param))) + "_to_" +
                         std::string(NameOf(std::get<1>(tested.param)));
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST_F(ConversionTest, SignersAreNamedWhereTheyMeanSomethingElse) {
  const std::vector<std::pair<Format, std::string>> cases = {
      {Format::kJson, "QEMU computes it in another way"},
      {Format::kFlash, "no certificate of an issuer"},
      {Format::kEfivarfs, "not in this format"}};
  for (const auto& [format, words] : cases) {
    Lines log;
    const std::string out = Path("out-" + std::string(NameOf(format)));
    ConvertWell(To(MakeSource(), out, format), log);
    EXPECT_EQ(log.CountOf("lost: " + Describe(EveryKind()[7]) + ": who may sign"), 1U);
    EXPECT_EQ(log.CountOf(words), 2U) << NameOf(format);
    EXPECT_EQ(log.CountOf("VolatilePrivate (01234567-89ab-cdef-0123-456789abcdef): who may"), 0U);
  }
  for (const Format format : {Format::kVars, Format::kVarsBase64, Format::kSqlite}) {
    Lines log;
    ConvertWell(To(Path("source.vars"), Path("out"), format), log);
    EXPECT_EQ(log.CountOf("who may sign"), 0U);
    std::filesystem::remove(Path("out"));
  }
}

TEST_F(ConversionTest, WhatEveryStartResetsIsNamedUnlessItIsWhatAStartMakes) {
  Lines log;
  ConvertWell(To(MakeSource(), Path("out"), Format::kSqlite), log);
  EXPECT_EQ(log.CountOf("MemoryOverwriteRequestControl ("), 1U);
  EXPECT_EQ(log.CountOf("MemoryOverwriteRequestControlLock ("), 0U);
  EXPECT_EQ(log.CountOf("Tcg2PhysicalPresenceFlagsLock ("), 1U);
}

TEST_F(ConversionTest, StrictWritesNothingWhenSomethingWouldBeLost) {
  Lines log;
  Conversion strict = To(MakeSource(), Path("out.json"), Format::kJson);
  strict.strict = true;
  const auto files = FilesInFolder();
  const auto done = Convert(strict, log);
  ASSERT_FALSE(done.ok());
  EXPECT_NE(done.error().message.find("would be lost"), std::string::npos);
  EXPECT_GT(log.CountOf("lost: "), 5U);
  EXPECT_EQ(FilesInFolder(), files);

  Lines quiet;
  strict = To(Path("source.vars"), Path("copy.vars"), Format::kVars);
  strict.strict = true;
  ConvertWell(strict, quiet);
  EXPECT_EQ(quiet.CountOf("lost: "), 0U);
  EXPECT_EQ(*base::ReadFile(Path("copy.vars"), store::kMaxBlobBytes),
            *base::ReadFile(Path("source.vars"), store::kMaxBlobBytes));
}

TEST_F(ConversionTest, WhatIsThereIsNeverOverwritten) {
  const std::string source = MakeSource();
  const auto before = *base::ReadFile(source, store::kMaxBlobBytes);
  for (const Format format :
       {Format::kVars, Format::kSqlite, Format::kJson, Format::kFlash, Format::kEfivarfs}) {
    Lines log;
    const auto done = Convert(To(source, source, format), log);
    ASSERT_FALSE(done.ok());
    EXPECT_NE(done.error().message.find("nothing is ever overwritten"), std::string::npos);
  }
  std::filesystem::create_symlink(Path("elsewhere"), Path("link.vars"));
  Lines log;
  EXPECT_FALSE(Convert(To(source, Path("link.vars"), Format::kVars), log).ok());
  EXPECT_EQ(*base::ReadFile(source, store::kMaxBlobBytes), before);
  EXPECT_FALSE(std::filesystem::exists(Path("elsewhere")));
}

TEST_F(ConversionTest, AFailureLeavesNothingBehind) {
  const std::string source = MakeSource();
  Lines log;
  ConvertWell(To(source, Path("full.json"), Format::kJson), log);
  ASSERT_TRUE(base::WriteFileInPlace(Path("small.fd"), test::FlashBuilder().Image()).ok());
  const auto files = FilesInFolder();
  Conversion too_small = To(source, Path("out.fd"), Format::kFlash);
  too_small.flash_template = Path("small.fd");
  EXPECT_FALSE(Convert(too_small, log).ok());
  too_small.flash_template.reset();
  EXPECT_FALSE(Convert(too_small, log).ok());
  EXPECT_FALSE(Convert(To(source, Path("none/out.sqlite"), Format::kSqlite), log).ok());
  EXPECT_FALSE(Convert(To(source, Path("none/out.json"), Format::kJson), log).ok());
  EXPECT_FALSE(Convert(To(source, Path("none/out"), Format::kEfivarfs), log).ok());
  EXPECT_EQ(FilesInFolder(), files);
}

TEST_F(ConversionTest, MoreThanVarstoredLoadsIsNoBlobAndNoDatabase) {
  test::FlashBuilder image(true, std::size_t{256} * 1024);
  for (std::size_t i = 0; i <= store::kMaxVariables; ++i) {
    image.Add({.name = Utf16("V" + std::to_string(i)), .vendor = kVendor});
  }
  ASSERT_TRUE(base::WriteFileInPlace(Path("many.fd"), image.Image()).ok());
  for (const Format format : {Format::kVars, Format::kVarsBase64, Format::kSqlite}) {
    Lines log;
    const auto done = Convert(To(Path("many.fd"), Path("out"), format), log);
    ASSERT_FALSE(done.ok());
    EXPECT_NE(done.error().message.find("more than 1024 variables"), std::string::npos);
  }
}

TEST_F(ConversionTest, AStoreOverTheLimitIsNamed) {
  Lines log;
  ConvertWell(To(MakeSource(), Path("out.b64"), Format::kVarsBase64), log);
  EXPECT_EQ(log.CountOf("the limit is 131072"), 0U);
  test::FlashBuilder image(true, std::size_t{256} * 1024);
  for (const char* name : {"A", "B", "C"}) {
    image.Add({.name = Utf16(name), .vendor = kVendor, .data = base::Bytes(50000, 1)});
  }
  ASSERT_TRUE(base::WriteFileInPlace(Path("large.fd"), image.Image()).ok());
  ConvertWell(To(Path("large.fd"), Path("large.b64"), Format::kVarsBase64), log);
  EXPECT_EQ(log.CountOf("the limit is 131072"), 1U);
}

TEST_F(ConversionTest, ARecordThatALaterOneReplacesIsNamed) {
  const std::vector<store::Entry> records = {EntryOf(Utf16("Twice"), 7, {1}),
                                             EntryOf(Utf16("Once"), 7, {2}),
                                             EntryOf(Utf16("Twice"), 7, {3})};
  const base::Bytes blob = store::EncodeVarsBlob({}, {&records[0], &records[1], &records[2]});
  ASSERT_TRUE(base::WriteFileInPlace(Path("twice.vars"), blob).ok());
  Lines log;
  ConvertWell(To(Path("twice.vars"), Path("out.json"), Format::kJson), log);
  EXPECT_EQ(log.CountOf("lost: "), 1U);
  EXPECT_EQ(log.CountOf("lost: Twice ("), 1U);
  EXPECT_EQ(Read(Path("out.json")).entries, (std::vector{records[2], records[1]}));
}

/// From here on the call gives this error.
bool Refuse(std::uint32_t call, std::uint32_t error) {
  std::array<sock_filter, 4> program = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter = {program.size(), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// The file system has no RENAME_NOREPLACE, as NFS has not.
bool ForgetRenameWithoutReplacing() { return Refuse(SYS_renameat2, EINVAL); }

TEST_F(ConversionTest, WhereNothingCanBeRenamedWithoutReplacingItIsPutInPlaceOtherwise) {
  const std::string source = MakeSource();
  const auto convert = [&] {
    Lines log;
    return ForgetRenameWithoutReplacing() &&
           Convert(To(source, Path("out.json"), Format::kJson), log).ok() &&
           Convert(To(source, Path("out.sqlite"), Format::kSqlite), log).ok() &&
           Convert(To(source, Path("out.efivars"), Format::kEfivarfs), log).ok();
  };
  EXPECT_EXIT(::_exit(convert() ? 0 : 1), ::testing::ExitedWithCode(0), "");
  EXPECT_EQ(FilesInFolder(), (std::vector<std::string>{"out.efivars", "out.json", "out.sqlite",
                                                       "source.vars", "template.fd"}));
  EXPECT_FALSE(Read(Path("out.json")).entries.empty());
  EXPECT_FALSE(Read(Path("out.efivars")).entries.empty());
}

TEST_F(ConversionTest, WhereAFileCanHaveNoSecondNameEitherItIsNotPutInPlace) {
  const std::string source = MakeSource();
  const auto convert = [&]() -> int {
    Lines log;
    // A folder takes the place of an empty one there, and the files in it have no second name.
    if (!ForgetRenameWithoutReplacing() || !Refuse(SYS_linkat, EPERM) ||
        !Convert(To(source, Path("out.efivars"), Format::kEfivarfs), log).ok()) {
      return 1;
    }
    const auto done = Convert(To(source, Path("out.json"), Format::kJson), log);
    return !done && done.error().message.find("Operation not permitted") != std::string::npos ? 0
                                                                                              : 2;
  };
  EXPECT_EXIT(::_exit(convert()), ::testing::ExitedWithCode(0), "");
  EXPECT_EQ(FilesInFolder(),
            (std::vector<std::string>{"out.efivars", "source.vars", "template.fd"}));
  EXPECT_FALSE(Read(Path("out.efivars")).entries.empty());
}

TEST_F(ConversionTest, APipeIsRefusedAndNotWaitedFor) {
  ASSERT_EQ(::mkfifo(Path("in.fd").c_str(), 0600), 0);
  Lines log;
  // An alarm ends a test that waits.
  ::alarm(30);
  const auto done = Convert(To(Path("in.fd"), Path("out.json"), Format::kJson), log);
  ::alarm(0);
  ASSERT_FALSE(done.ok());
  EXPECT_NE(done.error().message.find("not a regular file"), std::string::npos)
      << done.error().message;
  EXPECT_FALSE(std::filesystem::exists(Path("out.json")));
}

TEST_F(ConversionTest, FormatsAreGuessed) {
  Lines log;
  ConvertWell(To(MakeSource(), Path("first.sqlite"), Format::kSqlite), log);
  std::string in = Path("first.sqlite");
  for (const char* name : {"a.vars", "b.b64", "c.json", "d.fd", "e.efivars", "f/", "g.db"}) {
    const std::string out = Path(name);
    Conversion guessed{.in = in, .out = out, .flash_template = Path("template.fd")};
    ConvertWell(guessed, log);
    in = out;
  }
  EXPECT_FALSE(Read(Path("g.db")).entries.empty());
  Conversion unknown{.in = in, .out = Path("out.bin")};
  ASSERT_FALSE(Convert(unknown, log).ok());
  ASSERT_TRUE(base::WriteFileInPlace(Path("noise"), base::Bytes(100, 0x55)).ok());
  unknown = {.in = Path("noise"), .out = Path("out.json")};
  const auto noise = Convert(unknown, log);
  ASSERT_FALSE(noise.ok());
  EXPECT_NE(noise.error().message.find("none of the formats"), std::string::npos);
}

TEST_F(ConversionTest, AForcedFormatIsTheOnlyOneThatIsTried) {
  const std::string source = MakeSource();
  for (const Format format :
       {Format::kSqlite, Format::kJson, Format::kFlash, Format::kQcow2, Format::kEfivarfs}) {
    Lines log;
    Conversion forced = To(source, Path("out"), Format::kVars);
    forced.from = format;
    EXPECT_FALSE(Convert(forced, log).ok()) << NameOf(format);
  }
  Lines log;
  Conversion forced = To(folder_.path(), Path("out"), Format::kVars);
  forced.from = Format::kJson;
  EXPECT_FALSE(Convert(forced, log).ok()) << "a folder";
}

TEST_F(ConversionTest, AMissingInputIsAnError) {
  Lines log;
  const auto done = Convert(To(Path("none"), Path("out"), Format::kVars), log);
  ASSERT_FALSE(done.ok());
  EXPECT_NE(done.error().message.find(Path("none")), std::string::npos);
  Conversion database = To(Path("none.sqlite"), Path("out"), Format::kVars);
  database.from = Format::kSqlite;
  EXPECT_FALSE(Convert(database, log).ok());
  EXPECT_FALSE(std::filesystem::exists(Path("none.sqlite")));
}

TEST_F(ConversionTest, ADatabaseThatADaemonHasOpenIsRefused) {
  const std::string database = Path("vm.sqlite");
  auto daemon =
      test::StartLoopback(Path("socket"), {"--backend", "sqlite", "--arg", "path:" + database});
  Lines log;
  const auto done = Convert(To(database, Path("out.json"), Format::kJson), log);
  ASSERT_FALSE(done.ok());
  EXPECT_NE(done.error().message.find(database), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(Path("out.json")));
  EXPECT_EQ(daemon.Stop().exit_code, 0);
}

TEST_F(ConversionTest, AnImageThatAQemuHasOpenIsRefused) {
  Lines log;
  ConvertWell(To(MakeSource(), Path("vm.fd"), Format::kFlash), log);
  const base::UniqueFd qemu(::open(Path("vm.fd").c_str(), O_RDWR | O_CLOEXEC));
  struct flock lock = {};
  lock.l_type = F_RDLCK;
  lock.l_start = 101;
  lock.l_len = 1;
  ASSERT_EQ(::fcntl(qemu.get(), F_OFD_SETLK, &lock), 0);
  const auto done = Convert(To(Path("vm.fd"), Path("out.json"), Format::kJson), log);
  ASSERT_FALSE(done.ok());
  EXPECT_NE(done.error().message.find("a QEMU has it open"), std::string::npos);
}

TEST_F(ConversionTest, ADatabaseIsServedByTheDaemon) {
  Lines log;
  const std::string database = Path("vm.sqlite");
  ConvertWell(To(MakeSource(), database, Format::kSqlite), log);
  EXPECT_EQ(FilesInFolder(), (std::vector<std::string>{"source.vars", "template.fd", "vm.sqlite"}));
  auto daemon =
      test::StartLoopback(Path("socket"), {"--backend", "sqlite", "--arg", "path:" + database});
  test::LoopbackClient guest(Path("socket"));
  const auto order = guest.GetVariable(u"BootOrder", kVendor.bytes);
  EXPECT_EQ(order.status, test::kEfiSuccess);
  EXPECT_EQ(order.data, (base::Bytes{0, 0}));
  const auto mode = guest.GetVariable(u"SetupMode", test::kGlobalGuid);
  EXPECT_EQ(mode.data, base::Bytes{0}) << "the platform key counts";
  EXPECT_EQ(daemon.Stop().exit_code, 0);
}

TEST_F(ConversionTest, Qcow2ThatTakesInOtherFilesIsRefused) {
  if (!HasQemuImg()) {
    GTEST_SKIP() << "no qemu-img (package qemu-utils)";
  }
  Lines log;
  ConvertWell(To(MakeSource(), Path("base.fd"), Format::kFlash), log);
  const auto make = [this](const std::string& arguments) {
    return std::system(
        ("cd " + folder_.path() + " && qemu-img create -q -f qcow2 " + arguments + " >/dev/null")
            .c_str());
  };
  ASSERT_EQ(make("-b base.fd -F raw backed.qcow2"), 0);
  ASSERT_EQ(make("-o data_file=other.raw,data_file_raw=on external.qcow2 1M"), 0);
  ASSERT_EQ(make("large.qcow2 1G"), 0);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"backed.qcow2", "from another file"},
      {"external.qcow2", "from another file"},
      {"large.qcow2", "the limit is"}};
  for (const auto& [name, reason] : cases) {
    const auto done = Convert(To(Path(name), Path("out.json"), Format::kJson), log);
    ASSERT_FALSE(done.ok()) << name;
    EXPECT_NE(done.error().message.find(reason), std::string::npos) << done.error().message;
  }
}

TEST_F(ConversionTest, AnUnchangedQcow2TemplateIsTheResult) {
  if (!HasQemuImg()) {
    GTEST_SKIP() << "no qemu-img (package qemu-utils)";
  }
  Lines log;
  ConvertWell(To(MakeSource(), Path("vm.qcow2"), Format::kQcow2), log);
  ConvertWell(To(Path("vm.qcow2"), Path("vm.json"), Format::kJson), log);
  Conversion back = To(Path("vm.qcow2"), Path("again.qcow2"), Format::kQcow2);
  back.flash_template = Path("vm.qcow2");
  ConvertWell(back, log);
  EXPECT_EQ(*base::ReadFile(Path("again.qcow2"), kMaxFlashBytes),
            *base::ReadFile(Path("vm.qcow2"), kMaxFlashBytes));
  back.out = Path("raw.fd");
  back.to = Format::kFlash;
  ConvertWell(back, log);
  EXPECT_EQ(Read(Path("raw.fd")).entries, Read(Path("vm.qcow2")).entries);
}

TEST_F(ConversionTest, UefitoolReadsWhatIsWritten) {
  if (!std::filesystem::exists("/usr/bin/UEFIExtract")) {
    GTEST_SKIP() << "no UEFIExtract (package uefitool-cli)";
  }
  Lines log;
  ConvertWell(To(MakeSource(), Path("vm.fd"), Format::kFlash), log);
  // Its exit code says whether the image has code too, which this one has not.
  static_cast<void>(test::RunProgram({"/usr/bin/UEFIExtract", Path("vm.fd"), "report"}));
  const std::string report =
      base::ToString(*base::ReadFile(Path("vm.fd.report.txt"), std::size_t{1024} * 1024));
  std::size_t records = 0;
  for (std::size_t at = report.find("| Auth "); at != std::string::npos;
       at = report.find("| Auth ", at + 1)) {
    ++records;
  }
  EXPECT_EQ(records, After(Format::kFlash, EveryKind()).size() + 1) << "and certdb\n" << report;
  for (const char* name : {"| PK", "| KEK", "| db", "| dbx", "| BootOrder", "| Private"}) {
    EXPECT_NE(report.find(name), std::string::npos) << name;
  }
  EXPECT_EQ(report.find("Invalid"), std::string::npos);
}

TEST(Formats, AreKnownByName) {
  for (const char* name : {"vars", "vars-base64", "sqlite", "json", "flash", "qcow2", "efivarfs",
                           "xe", "hyperv", "aws"}) {
    const auto format = ParseFormat(name);
    ASSERT_TRUE(format.ok());
    EXPECT_EQ(NameOf(*format), name);
  }
  const auto unknown = ParseFormat("xml");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().message,
            "there is no format 'xml'; there are: vars, vars-base64, sqlite, json, flash, qcow2, "
            "efivarfs, xe, hyperv, aws");
}

}  // namespace
}  // namespace varstored::tool
