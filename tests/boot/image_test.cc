// The bounds of the reader of programs and of disks; what they make of good ones is in
// bootcheck_test.py, which holds it against other programs, and firmware_agrees.py.

#include "varstored/boot/image.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "varstored/base/writer.h"
#include "varstored/boot/disk.h"
#include "varstored/boot/fat.h"
#include "varstored/boot/shim.h"
#include "varstored/crypto/digest.h"

namespace varstored::boot {
namespace {

constexpr std::size_t kPe = 0x40;
constexpr std::size_t kOptional = kPe + 24;
constexpr std::size_t kHeaders = 0x200;
constexpr std::size_t kSectionTable = kOptional + 112 + 16 * 8;

void Put32(base::Bytes& bytes, std::size_t offset, std::uint32_t number) {
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[offset + i] = static_cast<std::uint8_t>(number >> (8 * i));
  }
}

void Put16(base::Bytes& bytes, std::size_t offset, std::uint16_t number) {
  bytes[offset] = static_cast<std::uint8_t>(number);
  bytes[offset + 1] = static_cast<std::uint8_t>(number >> 8U);
}

/// PE32+ with one section .sbat of 0x200 bytes, and `table` as its certificate table.
base::Bytes Program(base::ByteSpan table = {}) {
  base::Bytes file(kHeaders + 0x200, 0);
  file[0] = 'M';
  file[1] = 'Z';
  Put32(file, 0x3C, kPe);
  Put32(file, kPe, 0x4550);
  Put16(file, kPe + 4, kMachineX64);
  Put16(file, kPe + 6, 1);
  Put16(file, kPe + 20, 112 + 16 * 8);
  Put16(file, kOptional, 0x20B);
  Put32(file, kOptional + 60, kHeaders);
  Put32(file, kOptional + 108, 16);
  const std::string name = ".sbat";
  std::copy(name.begin(), name.end(), file.begin() + kSectionTable);
  Put32(file, kSectionTable + 16, 0x200);
  Put32(file, kSectionTable + 20, kHeaders);
  const std::string sbat = "sbat,1,x\ngrub,3,y\nno number,a\n";
  std::copy(sbat.begin(), sbat.end(), file.begin() + kHeaders);
  if (!table.empty()) {
    Put32(file, kOptional + 112 + 4 * 8, static_cast<std::uint32_t>(file.size()));
    Put32(file, kOptional + 112 + 4 * 8 + 4, static_cast<std::uint32_t>(table.size()));
    file.insert(file.end(), table.begin(), table.end());
  }
  return file;
}

/// An entry of a certificate table, of PKCS#7.
base::Bytes Certificate(std::uint32_t said_bytes, std::size_t bytes) {
  base::Bytes entry(bytes, 0xAA);
  Put32(entry, 0, said_bytes);
  Put16(entry, 4, 0x200);
  Put16(entry, 6, 2);
  return entry;
}

TEST(Image, DigestLeavesOutChecksumCertificatesAndTheirEntry) {
  const base::Bytes file = Program();  // an image is views of it
  const auto plain = ParseImage(file);
  const base::Bytes table = Certificate(16, 16);
  base::Bytes changed = Program(table);
  Put32(changed, kOptional + 64, 0x12345678);
  const auto other = ParseImage(changed);
  ASSERT_TRUE(plain.ok());
  ASSERT_TRUE(other.ok());
  EXPECT_FALSE(plain->is_signed);
  EXPECT_TRUE(other->is_signed);
  EXPECT_EQ(*DigestOf(*plain, crypto::DigestKind::kSha256),
            *DigestOf(*other, crypto::DigestKind::kSha256));
  changed[kHeaders] ^= 1U;
  EXPECT_NE(*DigestOf(*plain, crypto::DigestKind::kSha256),
            *DigestOf(*ParseImage(changed), crypto::DigestKind::kSha256));
}

TEST(Image, AFileCutAtAnyByteIsReadWithinItsBounds) {
  const base::Bytes whole = Program(Certificate(24, 24));
  ASSERT_TRUE(ParseImage(whole).ok());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const base::Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(ParseImage(cut).ok()) << size;
  }
}

TEST(Image, CertificatesHaveToFillTheirTable) {
  const auto is_whole = [](const base::Bytes& table) {
    const auto image = ParseImage(Program(table));
    return image.ok() && image->is_table_whole;
  };
  EXPECT_TRUE(is_whole(Certificate(24, 24)));
  EXPECT_TRUE(is_whole(Certificate(20, 24)));   // filled up to eight bytes
  EXPECT_FALSE(is_whole(Certificate(16, 24)));  // the rest is no entry
  EXPECT_FALSE(is_whole(Certificate(25, 24)));  // longer than the table
  EXPECT_FALSE(is_whole(Certificate(8, 24)));   // of nothing
  EXPECT_FALSE(is_whole(Certificate(0, 24)));
}

TEST(Image, MoreThan16DirectoriesAreRefused) {
  base::Bytes file = Program();
  ASSERT_TRUE(ParseImage(file).ok());
  Put32(file, kOptional + 108, 17);
  EXPECT_FALSE(ParseImage(file).ok());
}

TEST(Image, SectionsThatOverlapAreRefused) {
  // Else a small file with 65535 sections of all of it costs hours.
  base::Bytes file = Program();
  Put16(file, kPe + 6, 2);
  std::copy_n(file.begin() + kSectionTable, 40, file.begin() + kSectionTable + 40);
  EXPECT_FALSE(ParseImage(file).ok());
}

TEST(Sbat, AGenerationBelowTheLevelIsTooOld) {
  const base::Bytes file = Program();
  const auto image = ParseImage(file);
  ASSERT_TRUE(image.ok());
  const auto level = [](const std::string& text) { return ParseSbat(base::ToBytes(text)); };
  EXPECT_TRUE(CompareSbat(*image, level("sbat,1,2025\ngrub,3\n")).too_old.empty());
  EXPECT_EQ(CompareSbat(*image, level("sbat,1,2025\ngrub,4\nother,9\n")).too_old,
            std::vector<std::string>{"grub 3, not 4"});
}

TEST(Sbat, WhatCannotBeReadIsSaid) {
  const auto parse = [](const std::string& text) { return ParseSbat(base::ToBytes(text)); };
  EXPECT_TRUE(parse("sbat,1,2025\r\n\ngrub,3\n").is_whole);
  EXPECT_FALSE(parse("sbat,1,2025\ngrub,4294967296\n").is_whole);
  EXPECT_EQ(parse("sbat,1,2025\ngrub,4294967295\n").rows.back().generation, 4294967295U);
  EXPECT_FALSE(parse("sbat,1,2025\ngrub\n").is_whole);
  std::string rows;
  for (int i = 0; i < 256; ++i) {
    rows += "a,1\n";
  }
  EXPECT_TRUE(parse(rows).is_whole);
  EXPECT_FALSE(parse(rows + "grub,9\n").is_whole);
  EXPECT_EQ(parse(rows + "grub,9\n").rows.size(), 256U);
}

/// A tree of resources in the section of Program(), whose address is 0x1000, with one of raw data.
base::Bytes WithResource(const std::string& name, std::uint32_t type = 10) {
  constexpr std::uint32_t kHigh = 0x80000000;
  base::Bytes file = Program();
  std::fill(file.begin() + kHeaders, file.end(), std::uint8_t{0});
  Put32(file, kSectionTable + 12, 0x1000);
  Put32(file, kOptional + 112 + 2 * 8, 0x1000);
  const std::size_t tree = kHeaders;
  Put16(file, tree + 14, 1);  // a number: the type
  Put32(file, tree + 16, type);
  Put32(file, tree + 20, kHigh | 24U);
  Put16(file, tree + 24 + 12, 1);  // a name
  Put32(file, tree + 24 + 16, kHigh | 0x80U);
  Put32(file, tree + 24 + 20, kHigh | 48U);
  Put16(file, tree + 48 + 14, 1);  // a language
  Put32(file, tree + 48 + 16, 1033);
  Put32(file, tree + 48 + 20, 72);
  Put32(file, tree + 72, 0x1000 + 0x180);
  Put32(file, tree + 76, 4);
  Put16(file, tree + 0x80, static_cast<std::uint16_t>(name.size()));
  for (std::size_t i = 0; i < name.size(); ++i) {
    Put16(file, tree + 0x82 + 2 * i, static_cast<std::uint8_t>(name[i]));
  }
  Put32(file, tree + 0x180, 0x00070001);
  return file;
}

TEST(Resource, IsFoundByTypeAndName) {
  const base::Bytes file = WithResource("NUMBER");
  const auto image = ParseImage(file);
  ASSERT_TRUE(image.ok());
  const auto found = FindResource(*image, "NUMBER");
  ASSERT_TRUE(found);
  EXPECT_EQ(base::ToBytes(*found), (base::Bytes{1, 0, 7, 0}));
  EXPECT_FALSE(FindResource(*image, "NUMBERS"));
  EXPECT_FALSE(FindResource(*image, "NUMBE"));
  const base::Bytes other = WithResource("NUMBER", 3);
  EXPECT_FALSE(FindResource(*ParseImage(other), "NUMBER"));
  const base::Bytes none = Program();
  EXPECT_FALSE(FindResource(*ParseImage(none), "NUMBER"));
}

TEST(Resource, OutsideOfItsSectionIsNone) {
  for (const auto& [place, number] :
       std::vector<std::pair<std::size_t, std::uint32_t>>{{72, 0x0FFF},           // its address
                                                          {72, 0x11FD},           // reaches too far
                                                          {72, 0xFFFFFFFF},       //
                                                          {76, 0xFFFFFFFF},       // its size
                                                          {20, 0x800001F8},       // a folder
                                                          {20, 0xFFFFFFFF},       //
                                                          {20, 24},               // no folder
                                                          {48 + 20, 0x80000048},  // no data
                                                          {24 + 16, 0x800001FF}}) {  // its name
    base::Bytes file = WithResource("NUMBER");
    Put32(file, kHeaders + place, number);
    EXPECT_FALSE(FindResource(*ParseImage(file), "NUMBER")) << place << " " << number;
  }
  base::Bytes file = WithResource("NUMBER");
  for (const std::uint32_t address : {0U, 0xFFFU, 0x1200U, 0xFFFFFFFFU}) {
    Put32(file, kOptional + 112 + 2 * 8, address);
    EXPECT_FALSE(FindResource(*ParseImage(file), "NUMBER")) << address;
  }
}

Disk InMemory(const base::Bytes& bytes) {
  return {bytes.size(), [&bytes](std::uint64_t offset, std::span<std::uint8_t> into) {
            if (offset > bytes.size() || into.size() > bytes.size() - offset) {
              return false;
            }
            std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), into.size(),
                        into.begin());
            return true;
          }};
}

/// FAT12 with one cluster of 512 bytes for each of the numbers in `chain`, and one file A of `size`
/// bytes that begins with cluster 2.
base::Bytes Fat12(std::uint32_t size, std::uint16_t next_of_2) {
  base::Bytes disk(512 * 16, 0);
  Put16(disk, 11, 512);
  disk[13] = 1;
  Put16(disk, 14, 1);
  disk[16] = 1;
  Put16(disk, 17, 16);
  Put16(disk, 19, 16);
  Put16(disk, 22, 1);
  Put16(disk, 512 + 3, next_of_2);
  const std::string name = "A          ";
  std::copy(name.begin(), name.end(), disk.begin() + 1024);
  Put16(disk, 1024 + 26, 2);
  Put32(disk, 1024 + 28, size);
  disk[1536] = 'x';
  return disk;
}

TEST(Fat, AChainThatEndsTooEarlyIsAnErrorAndOneThatComesBackEnds) {
  const base::Bytes good = Fat12(3, 0xFFF);
  const auto volume = FatVolume::Open(InMemory(good));
  ASSERT_TRUE(volume.ok());
  const auto file = volume->ReadFile("\\a", 100);
  ASSERT_TRUE(file.ok() && file->has_value());
  EXPECT_EQ(**file, (base::Bytes{'x', 0, 0}));
  EXPECT_FALSE(volume->ReadFile("a", 2).ok());
  EXPECT_FALSE(*volume->ReadFile("b", 100));
  const base::Bytes short_chain = Fat12(600, 0xFFF);
  EXPECT_FALSE(FatVolume::Open(InMemory(short_chain))->ReadFile("a", 1000).ok());
  const base::Bytes circle = Fat12(4000, 2);
  EXPECT_EQ((*FatVolume::Open(InMemory(circle))->ReadFile("a", 5000))->size(), 4000U);
}

}  // namespace
}  // namespace varstored::boot
