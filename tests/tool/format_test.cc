#include "varstored/tool/format.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "convert/flash_builder.h"
#include "support/temporary_folder.h"
#include "varstored/base/base64.h"
#include "varstored/base/file.h"
#include "varstored/convert/aws_uefi_data.h"
#include "varstored/convert/flash_image.h"
#include "varstored/store/vars_blob.h"

namespace varstored::tool {
namespace {

using test::Utf16;

const efi::Guid kVendor = *efi::ParseGuid("01234567-89ab-cdef-0123-456789abcdef");
constexpr std::string_view kMark = "\xEF\xBB\xBF";

class Lines final : public base::Log {
 public:
  void Put(base::LogLevel /*level*/, std::string_view /*name*/, std::string_view line) override {
    text += line;
  }
  std::string text;
};

std::string BlobText() {
  const auto entry = store::MakeEntry({Utf16("A"), kVendor, 7, {1}});
  return base::EncodeBase64(store::EncodeVarsBlob({}, {&entry}));
}

std::string QemuText() {
  return R"({"version": 2, "variables": [{"guid": "01234567-89ab-cdef-0123-456789abcdef", )"
         R"("name": "A", "attr": 7, "data": "01"}]})";
}

Input InputOf(std::string_view bytes) {
  Input input;
  input.path = "vm";
  input.bytes = base::ToBytes(bytes);
  return input;
}

/// The error, or the format and how many variables there are.
std::string Told(const Input& input) {
  const auto source = LookInto(input);
  return !source ? source.error().message
                 : std::string(NameOf(source->format)) + " " +
                       std::to_string(source->content.entries.size());
}

std::string Told(std::string_view bytes) { return Told(InputOf(bytes)); }

/// ASCII as UTF-16, with the high byte first or last.
std::string AsUtf16(std::string_view text, bool is_big_endian) {
  std::string wide;
  for (const char c : text) {
    wide += is_big_endian ? std::string{'\0', c} : std::string{c, '\0'};
  }
  return wide;
}

TEST(Formats, EachIsToldByItsContent) {
  const base::Bytes flash = test::FlashBuilder().Add({Utf16("A"), kVendor}).Image();
  const base::Bytes blob = *base::DecodeBase64(BlobText());
  EXPECT_EQ(Told(base::ToString(flash)), "flash 1");
  EXPECT_EQ(Told(base::ToString(blob)), "vars 1");
  EXPECT_EQ(Told(BlobText()), "vars-base64 1");
  EXPECT_EQ(Told("\n " + BlobText() + "\n"), "vars-base64 1");
  EXPECT_EQ(Told(QemuText()), "json 1");
  EXPECT_EQ(Told("EFI-variables: " + BlobText()), "xe 1");
  convert::Content content;
  content.entries.push_back(store::MakeEntry({Utf16("A"), kVendor, 7, {1}}));
  const std::string aws = base::ToString(convert::WriteAwsUefiData(content)->bytes);
  EXPECT_EQ(Told(aws), "aws 1");
  EXPECT_EQ(Told(std::string(kMark) + "\n" + aws), "aws 1");
  EXPECT_EQ(Told(R"({ "UefiData": ")" + aws.substr(0, aws.size() - 1) + R"("})"), "aws 1");
  EXPECT_EQ(Told("noise"), "vm: in none of the formats that are known");
  EXPECT_EQ(Told(""), "vm: in none of the formats that are known");
}

TEST(Formats, AByteOrderMarkInFrontOfATextIsNoPartOfIt) {
  EXPECT_EQ(Told(std::string(kMark) + QemuText()), "json 1");
  EXPECT_EQ(Told(std::string(kMark) + BlobText()), "vars-base64 1");
  EXPECT_EQ(Told(std::string(kMark) + "EFI-variables: " + BlobText()), "xe 1");
  Input forced = InputOf(std::string(kMark) + QemuText());
  forced.format = Format::kJson;
  EXPECT_EQ(Told(forced), "json 1");
}

TEST(Formats, Utf16IsNamedAsThatWithAMarkOrWithout) {
  constexpr std::string_view kMarks[] = {"\xFF\xFE", "\xFE\xFF"};
  for (const std::string& text : {QemuText(), BlobText()}) {
    for (const bool is_big_endian : {false, true}) {
      const std::string wide = AsUtf16(text, is_big_endian);
      EXPECT_NE(Told(wide).find("text in UTF-16"), std::string::npos) << Told(wide);
      const std::string marked = std::string(kMarks[is_big_endian ? 1 : 0]) + wide;
      EXPECT_NE(Told(marked).find("text in UTF-16"), std::string::npos) << Told(marked);
      Input forced = InputOf(marked);
      forced.format = Format::kJson;
      EXPECT_NE(Told(forced).find("text in UTF-16"), std::string::npos) << Told(forced);
    }
  }
}

TEST(Formats, AnImageThatNoFirmwareHasWrittenToIsCalledBlank) {
  for (const char byte : {'\0', '\xFF'}) {
    const std::string blank(131072, byte);
    EXPECT_NE(Told(blank).find("vm: a blank flash image"), std::string::npos) << Told(blank);
    Input forced = InputOf(blank);
    forced.format = Format::kFlash;
    EXPECT_NE(Told(forced).find("vm: a blank flash image"), std::string::npos) << Told(forced);
    std::string noise = blank;
    noise.back() = 'x';
    EXPECT_EQ(Told(noise), "vm: in none of the formats that are known");
  }
  EXPECT_EQ(Told(std::string(131072, '\x55')), "vm: in none of the formats that are known");
  EXPECT_EQ(Told(std::string(100, '\0')), "vm: in none of the formats that are known");
}

TEST(Formats, UefiDataThatIsNotWholeIsCalledThat) {
  const std::string text = base::EncodeBase64(base::ToBytes("AMZNUEFI\x01\x02\x03\x04 more"));
  EXPECT_NE(Told(text).find("vm: UefiData: its sum is wrong"), std::string::npos) << Told(text);
}

TEST(XeText, TheValueOfEfiVariablesIsTakenFromTheMap) {
  const std::string value = BlobText();
  for (const std::string& text :
       {"EFI-variables: " + value, "EFI-variables:" + value + "\n",
        "other: x; EFI-variables: " + value + "; more: VkFSUw==",
        "uuid ( RO) : 2\n    NVRAM (MRW): EFI-variables: " + value + "\n\n\n"}) {
    EXPECT_EQ(Told(text), "xe 1") << text;
  }
}

TEST(XeText, WhatIsWrongIsNamed) {
  EXPECT_NE(Told("EFI-variables: " + BlobText() + "\nEFI-variables: " + BlobText())
                .find("EFI-variables is there more than once"),
            std::string::npos);
  EXPECT_NE(Told("EFI-variables: ").find("it is empty"), std::string::npos);
  EXPECT_NE(Told("EFI-variables: VkFS?").find("not base64"), std::string::npos);
  EXPECT_EQ(Told("\x01 EFI-variables: " + BlobText()), "vm: in none of the formats that are known");
}

TEST(XeText, CutAnywhereItIsRefused) {
  const std::string text = "EFI-variables: " + BlobText();
  for (std::size_t size = 0; size < text.size(); ++size) {
    const std::string told = Told(text.substr(0, size));
    EXPECT_EQ(told.substr(0, 4), "vm: ") << size << ": " << told;
  }
}

class InputTest : public ::testing::Test {
 protected:
  std::string MakeFile(const std::string& name, const base::Bytes& bytes) {
    const std::string path = folder_.File(name);
    EXPECT_TRUE(base::WriteFileInPlace(path, bytes).ok());
    return path;
  }
  std::string Read(const std::string& path) {
    const auto input = ReadInput(path, std::nullopt, log_);
    return input ? Told(*input) : input.error().message;
  }

  test::TemporaryFolder folder_{test::FastParent()};
  Lines log_;
};

TEST_F(InputTest, OfAFlashImageBehindWhichADiskGoesOnTheFrontIsEnough) {
  base::Bytes image = test::FlashBuilder().Add({Utf16("A"), kVendor}).Image();
  image.resize(convert::kMaxFlashBytes, 0xFF);
  EXPECT_EQ(Read(MakeFile("largest.fd", image)), "flash 1");
  image.resize(convert::kMaxFlashBytes + 4096, 0);
  EXPECT_EQ(Read(MakeFile("disk", image)), "flash 1");
}

TEST_F(InputTest, AnythingElseOfThatSizeIsTooLarge) {
  base::Bytes noise(convert::kMaxFlashBytes + 1, 'x');
  EXPECT_EQ(Read(MakeFile("noise", noise)), folder_.File("noise") + ": larger than 67108864 bytes");
  noise.pop_back();
  EXPECT_EQ(Read(MakeFile("less", noise)),
            folder_.File("less") + ": in none of the formats that are known");
}

TEST_F(InputTest, ABlankDiskIsCalledThat) {
  const std::string path =
      MakeFile("blank", base::Bytes(convert::kMaxFlashBytes + std::size_t{4096}, 0));
  EXPECT_NE(Read(path).find("a blank flash image"), std::string::npos);
}

TEST_F(InputTest, AFolderWithoutAVariableIsNoFolderOfVariables) {
  EXPECT_NE(Read(folder_.path()).find(": a folder without a variable"), std::string::npos);
  MakeFile("A", {7, 0, 0, 0, 1});
  EXPECT_NE(Read(folder_.path()).find(": a folder without a variable"), std::string::npos);
  MakeFile("A-01234567-89ab-cdef-0123-456789abcdef", {7, 0, 0, 0, 1});
  EXPECT_EQ(Read(folder_.path()), "efivarfs 1");
}

TEST(Formats, TheLastOneIsTheLast) {
  EXPECT_EQ(NameOf(kLastFormat), "aws");
  EXPECT_FALSE(ParseFormat("").ok());
}

}  // namespace
}  // namespace varstored::tool
