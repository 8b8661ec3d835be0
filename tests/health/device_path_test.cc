#include "varstored/health/device_path.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "health/states.h"

namespace varstored::health {
namespace {

using base::Bytes;

const Bytes kEnd = {0x7F, 0xFF, 4, 0};

Bytes Node(std::uint8_t type, std::uint8_t subtype, const Bytes& body) {
  const std::size_t size = 4 + body.size();
  return Bytes{type, subtype, static_cast<std::uint8_t>(size),
               static_cast<std::uint8_t>(size >> 8)} +
         body;
}

Bytes Text16(const std::string& ascii) {
  Bytes bytes;
  for (const char c : ascii + std::string(1, '\0')) {
    bytes.push_back(static_cast<std::uint8_t>(c));
    bytes.push_back(0);
  }
  return bytes;
}

Bytes U32(std::uint32_t value) {
  base::Writer writer;
  writer.WriteU32(value);
  return writer.Take();
}

Bytes U64(std::uint64_t value) {
  base::Writer writer;
  writer.WriteU64(value);
  return writer.Take();
}

const Bytes kGuidBytes(kMicrosoft.bytes.begin(), kMicrosoft.bytes.end());

struct Vector {
  std::string text;
  Bytes node;
};

// UEFI 2.10, 10.6.1.6.
const std::vector<Vector> kVectors = {
    {"Pci(0x1F,0x2)", Node(1, 1, {2, 0x1F})},
    {"VenHw(77fa9abd-0359-4d32-bd60-28f4e78f784b)", Node(1, 4, kGuidBytes)},
    {"VenHw(77fa9abd-0359-4d32-bd60-28f4e78f784b,01FF)", Node(1, 4, kGuidBytes + Bytes{1, 0xFF})},
    {"Ctrl(0x3)", Node(1, 5, U32(3))},
    {"PciRoot(0x1)", Node(2, 1, U32(0x0A0341D0) + U32(1))},
    {"PcieRoot(0x0)", Node(2, 1, U32(0x0A0841D0) + U32(0))},
    {"Acpi(PNP0501,0x0)", Node(2, 1, U32(0x050141D0) + U32(0))},
    {"Acpi(0x12345678,0x2)", Node(2, 1, U32(0x12345678) + U32(2))},
    {"Ata(Secondary,Master,0x0)", Node(3, 1, {1, 0, 0, 0})},
    {"Scsi(0x2,0x1)", Node(3, 2, {2, 0, 1, 0})},
    {"USB(0x3,0x1)", Node(3, 5, {3, 1})},
    {"VenMsg(77fa9abd-0359-4d32-bd60-28f4e78f784b)", Node(3, 10, kGuidBytes)},
    {"MAC(02AB03040506,0x1)", Node(3, 11, Bytes{2, 0xAB, 3, 4, 5, 6} + Bytes(26, 0) + Bytes{1})},
    {"IPv4(10.0.0.1,TCP,DHCP,0.0.0.0)",
     Node(3, 12, Bytes{0, 0, 0, 0, 10, 0, 0, 1} + Bytes(4, 0) + Bytes{6, 0, 0})},
    {"IPv4(10.0.0.1,UDP,Static,10.0.0.2,10.0.0.254,255.0.0.0)",
     Node(3, 12,
          Bytes{10, 0, 0, 2, 10, 0, 0, 1} + Bytes(4, 0) +
              Bytes{17, 0, 1, 10, 0, 0, 254, 255, 0, 0, 0})},
    {"IPv6(FE80:0:0:0:0:0:0:1,TCP,Static,0:0:0:0:0:0:0:2,0x40,0:0:0:0:0:0:0:3)",
     Node(3, 13,
          Bytes(15, 0) + Bytes{2, 0xFE, 0x80} + Bytes(13, 0) + Bytes{1, 0, 0, 0, 0, 6, 0, 0, 0x40} +
              Bytes(15, 0) + Bytes{3})},
    {"Sata(0x1,0xFFFF,0x0)", Node(3, 18, {1, 0, 0xFF, 0xFF, 0, 0})},
    {"NVMe(0x1,08-07-06-05-04-03-02-01)", Node(3, 23, U32(1) + Bytes{1, 2, 3, 4, 5, 6, 7, 8})},
    {"Uri(http://boot)", Node(3, 24, base::ToBytes("http://boot"))},
    {"HD(1,GPT,77fa9abd-0359-4d32-bd60-28f4e78f784b,0x800,0x32000)",
     Node(4, 1, U32(1) + U64(0x800) + U64(0x32000) + kGuidBytes + Bytes{2, 2})},
    {"HD(2,MBR,0x12345678,0x3F,0x64)",
     Node(4, 1, U32(2) + U64(0x3F) + U64(0x64) + U32(0x12345678) + Bytes(12, 0) + Bytes{1, 1})},
    {"CDROM(0x1,0x0,0x10)", Node(4, 2, U32(1) + U64(0) + U64(16))},
    {"VenMedia(77fa9abd-0359-4d32-bd60-28f4e78f784b,00)", Node(4, 3, kGuidBytes + Bytes{0})},
    {"\\EFI\\BOOT\\BOOTX64.EFI", Node(4, 4, Text16("\\EFI\\BOOT\\BOOTX64.EFI"))},
    {"FvFile(77fa9abd-0359-4d32-bd60-28f4e78f784b)", Node(4, 6, kGuidBytes)},
    {"Fv(77fa9abd-0359-4d32-bd60-28f4e78f784b)", Node(4, 7, kGuidBytes)},
    {"BBS(0x80,Network)", Node(5, 1, Bytes{0x80, 0, 0, 0} + base::ToBytes("Network") + Bytes{0})},
    {"Path(3,99,DEADBEEF)", Node(3, 99, {0xDE, 0xAD, 0xBE, 0xEF})},
    {"Path(77,0)", Node(77, 0, {})},
};

TEST(DevicePathText, NamesEachKindOfNode) {
  for (const Vector& vector : kVectors) {
    EXPECT_EQ(DevicePathText(vector.node + kEnd), vector.text);
  }
}

TEST(DevicePathText, JoinsNodesAndInstances) {
  EXPECT_EQ(DevicePathText(kVectors[4].node + kVectors[0].node + Bytes{0x7F, 1, 4, 0} +
                           kVectors[2].node + kEnd),
            "PciRoot(0x1)/Pci(0x1F,0x2)," + kVectors[2].text);
  EXPECT_EQ(DevicePathText(kEnd), "");
}

TEST(DevicePathText, ShowsANodeOfAnotherSizeInHex) {
  for (const Vector& vector : kVectors) {
    if (vector.node.size() < 6 || vector.text.starts_with("Ven") || vector.text[0] == 'U' ||
        vector.text[0] == 'B' || vector.text[0] == 'I') {
      continue;  // their size is free, or they have two
    }
    for (const int change : {-1, 1}) {
      Bytes body(vector.node.begin() + 4, vector.node.end());
      body.resize(static_cast<std::size_t>(static_cast<std::ptrdiff_t>(body.size()) + change));
      const auto text = DevicePathText(Node(vector.node[0], vector.node[1], body) + kEnd);
      ASSERT_TRUE(text.has_value()) << vector.text;
      EXPECT_EQ(text->substr(0, 5), "Path(") << vector.text;
    }
  }
}

TEST(DevicePathText, HasToEnd) {
  Bytes path;
  for (const Vector& vector : kVectors) {
    path = path + vector.node;
  }
  path = path + kEnd;
  EXPECT_TRUE(DevicePathText(path).has_value());
  for (std::size_t size = 0; size < path.size(); ++size) {
    const Bytes cut(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(DevicePathText(cut).has_value()) << size;
  }
  for (std::uint8_t length = 0; length < 4; ++length) {
    EXPECT_FALSE(DevicePathText(Bytes{1, 1, length, 0} + kEnd).has_value());
  }
}

TEST(ParseLoadOption, ReadsItsParts) {
  const auto option = ParseLoadOption(BootOptionData(u"Linux", u"\\EFI\\debian\\shimx64.efi"));
  ASSERT_TRUE(option.has_value());
  EXPECT_EQ(option->attributes, 1U);
  EXPECT_EQ(option->description, "Linux");
  EXPECT_EQ(option->path, "\\EFI\\debian\\shimx64.efi");
  // Bytes behind it are the loader's own.
  EXPECT_TRUE(ParseLoadOption(BootOptionData(u"a", u"b") + Bytes{1, 2, 3}).has_value());
}

TEST(ParseLoadOption, RefusesWhateverIsCut) {
  const Bytes whole = BootOptionData(u"Linux", u"\\a");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(ParseLoadOption(cut).has_value()) << size;
  }
}

}  // namespace
}  // namespace varstored::health
