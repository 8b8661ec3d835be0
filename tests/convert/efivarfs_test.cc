#include "varstored/convert/efivarfs.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "convert/flash_builder.h"
#include "support/temporary_folder.h"
#include "varstored/base/file.h"

namespace varstored::convert {
namespace {

using test::Utf16;

const std::string kGuidText = "01234567-89ab-cdef-0123-456789abcdef";
const efi::Guid kVendor = *efi::ParseGuid(kGuidText);

store::Entry EntryOf(const std::string& name_bytes, base::Bytes data = {1}) {
  return store::MakeEntry({name_bytes, kVendor, 7, std::move(data)});
}

TEST(VariableFiles, HoldAttributesAndData) {
  Losses lost;
  const auto files = ToVariableFiles({{EntryOf(Utf16("Boot0000"), {8, 9})}}, lost);
  ASSERT_EQ(files.size(), 1U);
  EXPECT_EQ(files[0].name, "Boot0000-" + kGuidText);
  EXPECT_EQ(files[0].bytes, (base::Bytes{7, 0, 0, 0, 8, 9}));
  EXPECT_TRUE(lost.empty());
}

TEST(VariableFiles, AreReadBackAsTheSame) {
  Losses lost;
  const Content content{{EntryOf(Utf16("A-B")), EntryOf(std::string("\xE9\0\x3D\xD8\x00\xDE", 6)),
                         EntryOf(Utf16(".")), EntryOf(Utf16("..")), EntryOf(Utf16("-")),
                         EntryOf(Utf16(std::string(218, 'x')))}};
  const Content back = *FromVariableFiles(ToVariableFiles(content, lost));
  EXPECT_EQ(back.entries, content.entries);
  EXPECT_TRUE(lost.empty());
}

TEST(VariableFiles, ANameThatLeadsElsewhereIsALoss) {
  const std::vector<std::string> names = {
      Utf16("/"),
      Utf16("/etc/passwd"),
      Utf16("../../x"),
      Utf16("a/../../x"),
      std::string("a\0\0\0b\0", 6),  // NUL
      std::string("\0\0", 2),
      std::string("\x00\xD8", 2),          // half of a surrogate pair
      std::string("\x00\xDC\x00\xD8", 4),  // the halves the wrong way round
      std::string("odd"),
      Utf16(std::string(219, 'x')),
  };
  for (const std::string& name : names) {
    Losses lost;
    EXPECT_TRUE(ToVariableFiles({{EntryOf(name)}}, lost).empty());
    EXPECT_EQ(lost.size(), 1U);
  }
}

TEST(VariableFiles, OnlyNameAndGuidIsAVariable) {
  const std::vector<std::string> names = {"",
                                          "x",
                                          kGuidText,
                                          "-" + kGuidText,
                                          "A" + kGuidText,
                                          "A_" + kGuidText,
                                          "A-" + kGuidText + "x",
                                          "A-" + kGuidText.substr(1),
                                          "A-01234567-89ab-cdef-0123-456789abcdeg",
                                          "\xFF-" + kGuidText};
  for (const std::string& name : names) {
    const Content content = *FromVariableFiles({{name, {7, 0, 0, 0, 1}}});
    EXPECT_TRUE(content.entries.empty()) << name;
    EXPECT_EQ(content.lost.size(), 1U) << name;
  }
}

TEST(VariableFiles, CutAtEveryByteAFileIsNamedUntilItHasDataAndTheOthersAreRead) {
  const base::Bytes whole = {7, 0, 0, 0, 1, 2};
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    const Content content = *FromVariableFiles(
        {{"A-" + kGuidText, base::Bytes(whole.begin(), whole.begin() + static_cast<int>(length))},
         {"B-" + kGuidText, whole}});
    EXPECT_EQ(content.entries.size(), length > 4 ? 2U : 1U) << length;
    EXPECT_EQ(content.lost.size(), length > 4 ? 0U : 1U) << length;
  }
}

TEST(VariableFiles, ATimeIsALoss) {
  store::LegacyRecord record{Utf16("PK"), kVendor, 0x27, {1}};
  record.timestamp.year = 2024;
  Losses lost;
  const auto files = ToVariableFiles({{store::MakeEntry(record)}}, lost);
  EXPECT_EQ(files.size(), 1U);
  ASSERT_EQ(lost.size(), 1U);
  EXPECT_NE(lost[0].find("its time"), std::string::npos);
}

class VariableFolderTest : public ::testing::Test {
 protected:
  [[nodiscard]] base::Result<void> Write(const std::string& name,
                                         const std::vector<VariableFile>& files) const {
    const auto folder = base::HeldFolder::Open(folder_.path());
    return folder ? WriteVariableFolder(*folder, name, files) : folder.failure();
  }

  test::TemporaryFolder folder_;
};

TEST_F(VariableFolderTest, IsReadBackInTheOrderOfNames) {
  const std::string path = folder_.File("vars");
  ASSERT_TRUE(
      Write("vars", {{"B-" + kGuidText, {7, 0, 0, 0, 1}}, {"A-" + kGuidText, {7, 0, 0, 0, 2}}})
          .ok());
  const auto folder = ReadVariableFolder(path);
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  EXPECT_TRUE(folder->lost.empty());
  EXPECT_EQ(FromVariableFiles(folder->files)->entries,
            (std::vector{EntryOf(Utf16("A"), {2}), EntryOf(Utf16("B"), {1})}));
}

TEST_F(VariableFolderTest, IsNotMadeWhereSomethingIs) {
  ASSERT_TRUE(std::filesystem::create_directory(folder_.File("vars")));
  EXPECT_FALSE(Write("vars", {{"A-" + kGuidText, {7, 0, 0, 0, 2}}}).ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder_.File("vars")));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);
}

TEST_F(VariableFolderTest, LinksAndFoldersAreNotFollowed) {
  const std::string secret = folder_.File("secret");
  std::ofstream(secret) << "secret";
  const std::string path = folder_.File("vars");
  ASSERT_TRUE(Write("vars", {}).ok());
  std::filesystem::create_symlink(secret, path + "/A-" + kGuidText);
  std::filesystem::create_directory(path + "/B-" + kGuidText);
  const auto content = ReadVariableFolder(path);
  ASSERT_TRUE(content.ok()) << content.error().message;
  EXPECT_TRUE(content->files.empty());
  EXPECT_EQ(content->lost.size(), 2U);
}

TEST_F(VariableFolderTest, MoreBytesThanAnyStoreHasAreAnError) {
  const std::string path = folder_.File("vars");
  std::vector<VariableFile> files;
  for (const char* name : {"A-", "B-", "C-", "D-"}) {
    files.push_back({name + kGuidText, base::Bytes(std::size_t{1024} * 1024, 7)});
  }
  ASSERT_TRUE(Write("vars", files).ok());
  EXPECT_TRUE(ReadVariableFolder(path).ok());
  ASSERT_TRUE(base::WriteFileInPlace(path + "/E-" + kGuidText, base::Bytes(5, 7)).ok());
  const auto content = ReadVariableFolder(path);
  ASSERT_FALSE(content.ok());
  EXPECT_NE(content.error().message.find("more than 4194304 bytes in the files of the folder"),
            std::string::npos)
      << content.error().message;
}

TEST_F(VariableFolderTest, AFileThatIsNoVariableIsReadAndThenNamed) {
  const std::string path = folder_.File("vars");
  ASSERT_TRUE(Write("vars", {{"A-" + kGuidText, {7, 0}}}).ok());
  const auto folder = ReadVariableFolder(path);
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  const Content content = *FromVariableFiles(folder->files);
  ASSERT_EQ(content.lost.size(), 1U);
  EXPECT_NE(content.lost[0].find("A-" + kGuidText + ": it has 2 bytes"), std::string::npos);
}

TEST_F(VariableFolderTest, AFolderThatIsNotThereIsAnError) {
  EXPECT_FALSE(ReadVariableFolder(folder_.File("none")).ok());
}

}  // namespace
}  // namespace varstored::convert
