#include "varstored/health/edit.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "health/states.h"
#include "support/real_data.h"
#include "varstored/crypto/digest.h"
#include "varstored/health/device_path.h"

namespace varstored::health {
namespace {

using base::Bytes;
using Texts = std::vector<std::string>;

/// SHA-256 in hexadecimal digits, with a colon behind each byte but the last if `colons`.
std::string Fingerprint(const Bytes& bytes, bool colons = false) {
  std::string text;
  const auto digest = crypto::Sha256({bytes});
  for (const std::uint8_t byte : *digest) {
    text += (colons && !text.empty() ? ":" : "") + std::string(1, "0123456789ABCDEF"[byte / 16]) +
            "0123456789ABCDEF"[byte % 16];
  }
  return text;
}

std::string Repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

Bytes Certificate(const std::string& name) {
  return test::Identity::Make({.subject = test::CommonName(name)}).certificate();
}

/// db with three certificates in two lists of their own and a third, and another variable on each
/// side of it.
class EditKeyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store::LegacyRecord record = {.name = std::string(efi::kDb.name),
                                  .vendor = efi::kDb.vendor,
                                  .attributes = 0x27,
                                  .data = CertificateList(kSomebody, shim_) +
                                          CertificateList(kMicrosoft, windows_) +
                                          CertificateList(kSomebody, windows_old_)};
    record.timestamp.year = 2024;
    state_.entries = {Make("Before", {1}), store::MakeEntry(std::move(record)), Make("After", {2})};
  }

  [[nodiscard]] base::Result<State> Remove(const std::string& wanted) const {
    return EditKey(state_, {efi::kDb, {wanted}, {}});
  }
  [[nodiscard]] static Bytes DbOf(const State& state) { return state.entries.at(1).data(); }

  const Bytes shim_ = Certificate("Shim CA");
  const Bytes windows_ = Certificate("Windows CA 2023");
  const Bytes windows_old_ = Certificate("Windows CA");
  const Bytes without_windows_ =
      CertificateList(kSomebody, shim_) + CertificateList(kSomebody, windows_old_);
  State state_;
};

TEST_F(EditKeyTest, RemovesTheOneThatIsNamed) {
  for (const std::string& wanted : {std::string("Windows CA 2023"), std::string("windows ca 20"),
                                    Fingerprint(windows_), Fingerprint(windows_, true)}) {
    const auto edited = Remove(wanted);
    ASSERT_TRUE(edited) << edited.error().message;
    EXPECT_EQ(DbOf(*edited), without_windows_) << wanted;
  }
}

TEST_F(EditKeyTest, NothingElseChanges) {
  const auto edited = Remove("Windows CA 2023");
  ASSERT_TRUE(edited);
  ASSERT_EQ(edited->entries.size(), 3U);
  EXPECT_EQ(edited->entries[0], state_.entries[0]);
  EXPECT_EQ(edited->entries[2], state_.entries[2]);
  EXPECT_EQ(edited->entries[1].timestamp().year, 2024) << "signed updates are compared with it";
  EXPECT_EQ(edited->entries[1].raw_attributes(), 0x27U);
}

TEST_F(EditKeyTest, AWholeNameIsNotAPartOfAnother) {
  const auto edited = Remove("Windows CA");
  ASSERT_TRUE(edited);
  EXPECT_EQ(DbOf(*edited),
            CertificateList(kSomebody, shim_) + CertificateList(kMicrosoft, windows_));
}

TEST_F(EditKeyTest, ANameOfSeveralIsRefusedWithThem) {
  const auto edited = Remove("CA");
  ASSERT_FALSE(edited);
  for (const char* part :
       {"3 entries", "Shim CA, SHA-256 ", "Windows CA, SHA-256 ", "Windows CA 2023, SHA-256 "}) {
    EXPECT_NE(edited.error().message.find(part), std::string::npos) << edited.error().message;
  }
}

TEST_F(EditKeyTest, ANameOfNoneIsRefused) {
  for (const char* wanted : {"Linux", "00", ""}) {
    EXPECT_FALSE(Remove(wanted)) << wanted;
  }
  EXPECT_FALSE(EditKey(state_, {efi::kDbx, {"Shim CA"}, {}})) << "it is in another variable";
}

TEST_F(EditKeyTest, EveryCopyGoes) {
  state_.entries[1] =
      Make(efi::kDb, CertificateList(kSomebody, windows_) + CertificateList(kSomebody, shim_) +
                         CertificateList(kMicrosoft, windows_));
  const auto edited = Remove(Fingerprint(windows_));
  ASSERT_TRUE(edited);
  EXPECT_EQ(DbOf(*edited), CertificateList(kSomebody, shim_));
}

TEST_F(EditKeyTest, WithTheLastEntryTheVariableGoes) {
  const auto edited = EditKey(state_, {efi::kDb, {"Shim CA", "Windows CA 2023", "Windows CA"}, {}});
  ASSERT_TRUE(edited);
  EXPECT_EQ(edited->entries, (std::vector<store::Entry>{state_.entries[0], state_.entries[2]}));
}

TEST_F(EditKeyTest, AddsBehindTheOthersWhatIsNotThereYet) {
  const Bytes mine = Certificate("Mine");
  const Bytes added = CertificateList(kMicrosoft, shim_) + CertificateList(kSomebody, mine) +
                      CertificateList(kMicrosoft, mine);
  const auto edited = EditKey(state_, {efi::kDb, {}, added});
  ASSERT_TRUE(edited);
  EXPECT_EQ(DbOf(*edited), DbOf(state_) + CertificateList(kSomebody, mine));
}

TEST_F(EditKeyTest, RemovesBeforeItAdds) {
  const auto edited =
      EditKey(state_, {efi::kDb, {"Windows CA 2023"}, CertificateList(kSomebody, windows_)});
  ASSERT_TRUE(edited);
  EXPECT_EQ(DbOf(*edited), without_windows_ + CertificateList(kSomebody, windows_));
}

TEST_F(EditKeyTest, MakesAVariableThatWasNotThere) {
  const Bytes hashes = HashList(kSomebody, 1, 2);
  const auto edited = EditKey(state_, {efi::kDbx, {}, hashes});
  ASSERT_TRUE(edited);
  ASSERT_EQ(edited->entries.size(), 4U);
  EXPECT_EQ(edited->entries[3], Make(efi::kDbx, hashes));
}

TEST_F(EditKeyTest, AHashIsKnownByItself) {
  state_.entries[1] = Make(efi::kDbx, HashList(kSomebody, 1, 3));
  const auto edited = EditKey(state_, {efi::kDbx, {"02000000" + Repeated("ab", 28)}, {}});
  ASSERT_TRUE(edited);
  EXPECT_EQ(DbOf(*edited),
            Lists(efi::SignatureKind::kSha256, kSomebody, {Hashes(1, 1)[0], Hashes(3, 1)[0]}));
}

TEST_F(EditKeyTest, WhatIsMalformedIsLeft) {
  const Bytes good = CertificateList(kSomebody, shim_);
  EXPECT_FALSE(EditKey(state_, {efi::kDb, {}, Bytes(good.begin(), good.end() - 1)}));
  EXPECT_FALSE(EditKey(state_, {efi::kDb, {}, CertificateList(kSomebody, {1, 2, 3})}));
  EXPECT_FALSE(EditKey(state_, {efi::kKek, {}, HashList(kSomebody, 1, 1)}));
  state_.entries[1] = Make(efi::kDb, Bytes(good.begin(), good.end() - 1));
  EXPECT_FALSE(EditKey(state_, {efi::kDb, {}, CertificateList(kSomebody, windows_)}));
  EXPECT_FALSE(EntryLines(state_, efi::kDb));
}

TEST_F(EditKeyTest, EachEntryIsALine) {
  state_.entries[1] =
      Make(efi::kDb,
           CertificateList(kSomebody, Certificate("Two\nlines\x1b[31m")) +
               Lists(efi::SignatureKind::kSha1, kSomebody, {Bytes(20, 7)}) +
               Lists(efi::SignatureKind::kX509Sha256, kSomebody, {Bytes(32, 0xAB) + Bytes(16, 0)}));
  const auto lines = EntryLines(state_, efi::kDb);
  ASSERT_TRUE(lines);
  ASSERT_EQ(lines->size(), 3U);
  EXPECT_TRUE((*lines)[0].starts_with("Two\\u{000A}lines\\u{001B}[31m, SHA-256 ")) << (*lines)[0];
  EXPECT_EQ((*lines)[1], "SHA-1 0707070707070707070707070707070707070707");
  const std::string digits = Repeated("ab", 32);
  EXPECT_EQ((*lines)[2], "X.509 by SHA-256 " + digits);
  const auto edited = EditKey(state_, {efi::kDb, {digits}, {}});
  ASSERT_TRUE(edited) << edited.error().message;
  EXPECT_EQ(EntryLines(*edited, efi::kDb)->size(), 2U) << "it is known without its time";
}

TEST(EditableKey, IsEachButPk) {
  for (const char* name : {"KEK", "db", "dbx", "dbt", "dbr"}) {
    EXPECT_TRUE(EditableKey(name)) << name;
  }
  ASSERT_FALSE(EditableKey("PK"));
  EXPECT_NE(EditableKey("PK").error().message.find("varstore-set"), std::string::npos);
  for (const char* name : {"DB", "", "BootOrder"}) {
    EXPECT_FALSE(EditableKey(name)) << name;
  }
}

class EditKeyOfMicrosoftTest : public test::RealDataTest {};

TEST_F(EditKeyOfMicrosoftTest, MicrosoftOwnsItsCertificates) {
  const Bytes real = Read("secureboot_objects/certificates/windows_uefi_ca_2023.der");
  const auto edited = EditKey({}, {efi::kDb, {}, CertificateList(kSomebody, real)});
  ASSERT_TRUE(edited);
  EXPECT_EQ(edited->entries.at(0).data(), CertificateList(kMicrosoft, real));
}

/// Boot0000 and Boot0002, in this order, and Boot0001 that cannot be read.
State BootState() {
  State state;
  state.entries = {Make("BootOrder", {2, 0, 0, 0}),
                   Make("Boot0000", BootOptionData(u"zero", u"\\0")),
                   Make("Boot0002", BootOptionData(u"two", u"\\2")), Make("Boot0001", {1, 2, 3}),
                   Make("BootNext", {0, 0})};
  return state;
}

TEST(BootLines, AreThoseOfEfibootmgr) {
  State state = BootState();
  state.entries.push_back(Make("Timeout", {5, 0}));
  state.entries.push_back(Make("Boot00AF", BootOptionData(u"odd\x1b\n", u"\\a\tb")));
  EXPECT_EQ(BootLines(state),
            (Texts{"BootNext: 0000", "Timeout: 5 seconds", "BootOrder: 0002,0000",
                   "Boot0000* zero\t\\0", "Boot0001  cannot be read", "Boot0002* two\t\\2",
                   "Boot00AF* odd\\u{001B}\\u{000A}\t\\a\\u{0009}b"}));
  EXPECT_EQ(BootLines({}), Texts());
}

TEST(AddBootOption, TakesTheLowestFreeNumber) {
  const auto added = AddBootOption(BootState(), {.label = "new", .file = "/EFI/x.efi"});
  ASSERT_TRUE(added);
  ASSERT_EQ(added->entries.size(), 6U);
  EXPECT_EQ(added->entries[5], Make("Boot0003", BootOptionData(u"new", u"\\EFI\\x.efi")));
  EXPECT_EQ(added->entries[0], Make("BootOrder", {2, 0, 0, 0, 3, 0}));
  const auto first = AddBootOption({}, {.label = "new", .file = "EFI\\x.efi", .is_first = true});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->entries,
            (std::vector<store::Entry>{Make("Boot0000", BootOptionData(u"new", u"\\EFI\\x.efi")),
                                       Make("BootOrder", {0, 0})}));
}

TEST(AddBootOption, StandsInFrontWhenItIsToBeFirst) {
  const auto added = AddBootOption(BootState(), {.label = "new", .file = "\\x", .is_first = true});
  ASSERT_TRUE(added);
  EXPECT_EQ(added->entries[0], Make("BootOrder", {3, 0, 2, 0, 0, 0}));
}

TEST(AddBootOption, NamesThePartition) {
  for (const char* text : {"HD(3,GPT,77fa9abd-0359-4d32-bd60-28f4e78f784b,0x800,0x32000)",
                           "HD(3,GPT,77fa9abd-0359-4d32-bd60-28f4e78f784b,2048,204800)"}) {
    const auto partition = ParsePartition(text);
    ASSERT_TRUE(partition) << text;
    const auto added = AddBootOption({}, {.label = "new", .file = "\\x", .partition = *partition});
    ASSERT_TRUE(added);
    const auto option = ParseLoadOption(added->entries[0].data());
    ASSERT_TRUE(option);
    EXPECT_EQ(option->path, "HD(3,GPT,77fa9abd-0359-4d32-bd60-28f4e78f784b,0x800,0x32000)/\\x");
  }
  const auto partition = ParsePartition("HD(1,GPT,77fa9abd-0359-4d32-bd60-28f4e78f784b)");
  ASSERT_TRUE(partition);
  EXPECT_EQ(partition->number, 1U);
  EXPECT_EQ(partition->size, 0U);
}

TEST(AddBootOption, RefusesWhatIsNoFileOrNoLabel) {
  for (const char* file : {"", "/", "\\", "\xFF"}) {
    EXPECT_FALSE(AddBootOption({}, {.label = "new", .file = file})) << file;
  }
  EXPECT_FALSE(AddBootOption({}, {.label = "new", .file = std::string(3000, 'x')}));
  for (const std::string& label : {std::string(), std::string("\xFF"), std::string(3000, 'x')}) {
    EXPECT_FALSE(AddBootOption({}, {.label = label, .file = "\\x"})) << label;
  }
}

TEST(ParsePartition, TakesNothingElse) {
  for (const char* text :
       {"", "HD()", "HD(1)", "HD(1,GPT)", "HD(0,GPT,77fa9abd-0359-4d32-bd60-28f4e78f784b)",
        "HD(1,MBR,77fa9abd-0359-4d32-bd60-28f4e78f784b)", "HD(1,GPT,77fa9abd)",
        "HD(1,GPT,77fa9abd-0359-4d32-bd60-28f4e78f784b,0x800)",
        "HD(1,GPT,77fa9abd-0359-4d32-bd60-28f4e78f784b,0x,1)",
        "HD(1,GPT,77fa9abd-0359-4d32-bd60-28f4e78f784b,-1,1)",
        "HD(1,GPT,77fa9abd-0359-4d32-bd60-28f4e78f784b,1,1,1)",
        "HD(1,GPT,77fa9abd-0359-4d32-bd60-28f4e78f784b"}) {
    EXPECT_FALSE(ParsePartition(text)) << text;
  }
}

TEST(RemoveBootOption, TakesItOutOfTheListsToo) {
  auto removed = RemoveBootOption(BootState(), 0);
  ASSERT_TRUE(removed);
  EXPECT_EQ(BootLines(*removed),
            (Texts{"BootOrder: 0002", "Boot0001  cannot be read", "Boot0002* two\t\\2"}));
  removed = RemoveBootOption(*removed, 1);
  ASSERT_TRUE(removed) << "what cannot be read can be removed";
  removed = RemoveBootOption(*removed, 2);
  ASSERT_TRUE(removed);
  EXPECT_TRUE(removed->entries.empty());
  EXPECT_FALSE(RemoveBootOption(BootState(), 3));
}

TEST(ActivateBootOption, ChangesOneBit) {
  const auto off = ActivateBootOption(BootState(), 2, false);
  ASSERT_TRUE(off);
  EXPECT_EQ(BootLines(*off)[4], "Boot0002  two\t\\2");
  const auto on = ActivateBootOption(*off, 2, true);
  ASSERT_TRUE(on);
  EXPECT_EQ(on->entries, BootState().entries);
  EXPECT_FALSE(ActivateBootOption(BootState(), 1, true)) << "it cannot be read";
  EXPECT_FALSE(ActivateBootOption(BootState(), 3, true));
}

TEST(OrderBootOptions, TakesThoseThatAreThere) {
  const auto ordered = OrderBootOptions(BootState(), {0});
  ASSERT_TRUE(ordered);
  EXPECT_EQ(ordered->entries[0], Make("BootOrder", {0, 0}));
  EXPECT_FALSE(OrderBootOptions(BootState(), {0, 3}));
}

TEST(ChooseNextBoot, IsOneOrNone) {
  const auto two = ChooseNextBoot(BootState(), 2);
  ASSERT_TRUE(two);
  EXPECT_EQ(two->entries[4], Make("BootNext", {2, 0}));
  const auto none = ChooseNextBoot(BootState(), std::nullopt);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->entries.size(), 4U);
  EXPECT_FALSE(ChooseNextBoot(BootState(), 3));
}

TEST(ParseBootNumbers, AreHexadecimalAndOnce) {
  EXPECT_EQ(*ParseBootNumbers("0001,Boot00af,F"), (std::vector<std::uint16_t>{1, 0xAF, 0xF}));
  for (const char* text : {"", ",", "1,", "00001", "0x1", "g", "-1", "1,2,01", "Boot", " 1"}) {
    EXPECT_FALSE(ParseBootNumbers(text)) << text;
  }
}

}  // namespace
}  // namespace varstored::health
