#include "varstored/health/device_path.h"

#include <array>
#include <cstddef>
#include <utility>

#include "varstored/base/reader.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/variable_name.h"

namespace varstored::health {
namespace {

constexpr std::uint8_t kEndType = 0x7F;
constexpr std::uint8_t kEndEntire = 0xFF;
constexpr std::uint8_t kEndInstance = 0x01;

std::string Digits(std::uint64_t number) {
  std::string text;
  do {
    text.insert(text.begin(), "0123456789ABCDEF"[number % 16]);
    number /= 16;
  } while (number != 0);
  return text;
}

std::string Hex(std::uint64_t number) { return "0x" + Digits(number); }

std::string HexBytes(base::ByteSpan bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += Digits(byte / 16) + Digits(byte % 16);
  }
  return text;
}

std::string Call(const std::string& name, const std::string& arguments) {
  return name + "(" + arguments + ")";
}

/// UTF-16LE up to its NUL, which has to be there, as UTF-8; the cursor is behind the NUL.
std::optional<std::string> ReadText16(base::Reader& reader) {
  std::string characters;
  for (;;) {
    base::ByteSpan character;
    if (!reader.ReadBytes(2, character)) {
      return std::nullopt;
    }
    if (character[0] == 0 && character[1] == 0) {
      return efi::NameToUtf8(characters);
    }
    characters.append(character.begin(), character.end());
  }
}

/// The text of a node whose bytes behind its header are `reader`; nothing when its size is not that
/// of its kind. A node with bytes left over is not of its size either.
using TextOf = std::optional<std::string> (*)(base::Reader& reader);

std::optional<std::string> PciText(base::Reader& reader) {
  std::uint8_t function = 0;
  std::uint8_t device = 0;
  if (!reader.ReadU8(function) || !reader.ReadU8(device)) {
    return std::nullopt;
  }
  return Call("Pci", Hex(device) + "," + Hex(function));
}

std::optional<std::string> ControllerText(base::Reader& reader) {
  std::uint32_t number = 0;
  return reader.ReadU32(number) ? std::optional(Call("Ctrl", Hex(number))) : std::nullopt;
}

template <const char* kName>
std::optional<std::string> VendorText(base::Reader& reader) {
  efi::Guid guid;
  if (!reader.ReadArray(guid.bytes)) {
    return std::nullopt;
  }
  const base::ByteSpan data = reader.ReadRest();
  return Call(kName, efi::ToText(guid) + (data.empty() ? "" : "," + HexBytes(data)));
}

template <const char* kName>
std::optional<std::string> GuidText(base::Reader& reader) {
  efi::Guid guid;
  return reader.ReadArray(guid.bytes) ? std::optional(Call(kName, efi::ToText(guid)))
                                      : std::nullopt;
}

std::optional<std::string> AcpiText(base::Reader& reader) {
  std::uint32_t hid = 0;
  std::uint32_t uid = 0;
  if (!reader.ReadU32(hid) || !reader.ReadU32(uid)) {
    return std::nullopt;
  }
  // The compressed form of "PNP", and the number in the upper half (UEFI 2.10, 10.3.3).
  constexpr std::uint32_t kPnp = 0x41D0;
  constexpr std::uint32_t kPciRoot = 0x0A03;
  constexpr std::uint32_t kPcieRoot = 0x0A08;
  if ((hid & 0xFFFF) != kPnp) {
    return Call("Acpi", Hex(hid) + "," + Hex(uid));
  }
  const std::uint32_t number = hid >> 16;
  if (number == kPciRoot || number == kPcieRoot) {
    return Call(number == kPciRoot ? "PciRoot" : "PcieRoot", Hex(uid));
  }
  std::string digits = Digits(number);
  digits.insert(0, 4 - digits.size(), '0');
  return Call("Acpi", "PNP" + digits + "," + Hex(uid));
}

std::optional<std::string> AtapiText(base::Reader& reader) {
  std::uint8_t secondary = 0;
  std::uint8_t slave = 0;
  std::uint16_t lun = 0;
  if (!reader.ReadU8(secondary) || !reader.ReadU8(slave) || !reader.ReadU16(lun)) {
    return std::nullopt;
  }
  return Call("Ata", std::string(secondary == 0 ? "Primary" : "Secondary") + "," +
                         (slave == 0 ? "Master" : "Slave") + "," + Hex(lun));
}

std::optional<std::string> ScsiText(base::Reader& reader) {
  std::uint16_t target = 0;
  std::uint16_t lun = 0;
  if (!reader.ReadU16(target) || !reader.ReadU16(lun)) {
    return std::nullopt;
  }
  return Call("Scsi", Hex(target) + "," + Hex(lun));
}

std::optional<std::string> UsbText(base::Reader& reader) {
  std::uint8_t port = 0;
  std::uint8_t interface = 0;
  if (!reader.ReadU8(port) || !reader.ReadU8(interface)) {
    return std::nullopt;
  }
  return Call("USB", Hex(port) + "," + Hex(interface));
}

std::optional<std::string> MacText(base::Reader& reader) {
  base::ByteSpan address;
  std::uint8_t type = 0;
  if (!reader.ReadBytes(32, address) || !reader.ReadU8(type)) {
    return std::nullopt;
  }
  // Ethernet's have 6 bytes; the others use all of the field.
  constexpr std::uint8_t kEthernet = 1;
  return Call("MAC",
              HexBytes(address.first(type <= kEthernet ? 6 : address.size())) + "," + Hex(type));
}

std::string AddressText(base::ByteSpan address) {
  std::string text;
  for (const std::uint8_t byte : address) {
    text += (text.empty() ? "" : ".") + std::to_string(byte);
  }
  return text;
}

std::string ProtocolText(std::uint16_t protocol) {
  return protocol == 6 ? "TCP" : protocol == 17 ? "UDP" : Hex(protocol);
}

std::optional<std::string> Ipv4Text(base::Reader& reader) {
  base::ByteSpan local;
  base::ByteSpan remote;
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;
  std::uint16_t protocol = 0;
  std::uint8_t is_static = 0;
  if (!reader.ReadBytes(4, local) || !reader.ReadBytes(4, remote) || !reader.ReadU16(local_port) ||
      !reader.ReadU16(remote_port) || !reader.ReadU16(protocol) || !reader.ReadU8(is_static)) {
    return std::nullopt;
  }
  std::string text = AddressText(remote) + "," + ProtocolText(protocol) + "," +
                     (is_static == 0 ? "DHCP" : "Static") + "," + AddressText(local);
  // Older nodes end here; gateway and subnet mask came later.
  base::ByteSpan gateway;
  base::ByteSpan mask;
  if (reader.ReadBytes(4, gateway) && reader.ReadBytes(4, mask)) {
    text += "," + AddressText(gateway) + "," + AddressText(mask);
  }
  return Call("IPv4", text);
}

std::string Address6Text(base::ByteSpan address) {
  std::string text;
  for (std::size_t i = 0; i + 1 < address.size(); i += 2) {
    text += (i == 0 ? "" : ":") + Digits(address[i] * 256U + address[i + 1]);
  }
  return text;
}

std::optional<std::string> Ipv6Text(base::Reader& reader) {
  base::ByteSpan local;
  base::ByteSpan remote;
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;
  std::uint16_t protocol = 0;
  std::uint8_t origin = 0;
  if (!reader.ReadBytes(16, local) || !reader.ReadBytes(16, remote) ||
      !reader.ReadU16(local_port) || !reader.ReadU16(remote_port) || !reader.ReadU16(protocol) ||
      !reader.ReadU8(origin)) {
    return std::nullopt;
  }
  const std::string origin_text = origin == 0   ? "Static"
                                  : origin == 1 ? "StatelessAutoConfigure"
                                                : "StatefulAutoConfigure";
  std::string text = Address6Text(remote) + "," + ProtocolText(protocol) + "," + origin_text + "," +
                     Address6Text(local);
  std::uint8_t prefix = 0;
  base::ByteSpan gateway;
  if (reader.ReadU8(prefix) && reader.ReadBytes(16, gateway)) {
    text += "," + Hex(prefix) + "," + Address6Text(gateway);
  }
  return Call("IPv6", text);
}

std::optional<std::string> SataText(base::Reader& reader) {
  std::uint16_t port = 0;
  std::uint16_t multiplier = 0;
  std::uint16_t lun = 0;
  if (!reader.ReadU16(port) || !reader.ReadU16(multiplier) || !reader.ReadU16(lun)) {
    return std::nullopt;
  }
  return Call("Sata", Hex(port) + "," + Hex(multiplier) + "," + Hex(lun));
}

std::optional<std::string> NvmeText(base::Reader& reader) {
  std::uint32_t name_space = 0;
  base::ByteSpan eui;
  if (!reader.ReadU32(name_space) || !reader.ReadBytes(8, eui)) {
    return std::nullopt;
  }
  std::string digits;
  for (std::size_t i = eui.size(); i > 0; --i) {
    digits += (digits.empty() ? "" : "-") + HexBytes(eui.subspan(i - 1, 1));
  }
  return Call("NVMe", Hex(name_space) + "," + digits);
}

std::optional<std::string> UriText(base::Reader& reader) {
  return Call("Uri", base::ToString(reader.ReadRest()));
}

std::optional<std::string> HardDriveText(base::Reader& reader) {
  std::uint32_t number = 0;
  std::uint64_t start = 0;
  std::uint64_t size = 0;
  efi::Guid signature;
  std::uint8_t format = 0;
  std::uint8_t signature_type = 0;
  if (!reader.ReadU32(number) || !reader.ReadU64(start) || !reader.ReadU64(size) ||
      !reader.ReadArray(signature.bytes) || !reader.ReadU8(format) ||
      !reader.ReadU8(signature_type)) {
    return std::nullopt;
  }
  constexpr std::uint8_t kMbr = 1;
  constexpr std::uint8_t kGpt = 2;
  std::string disk;
  if (signature_type == kGpt) {
    disk = "GPT," + efi::ToText(signature);
  } else if (signature_type == kMbr) {
    base::Reader mbr(signature.bytes);
    std::uint32_t disk_signature = 0;
    // Its first 4 bytes; the others are 0.
    disk = mbr.ReadU32(disk_signature) ? "MBR," + Hex(disk_signature) : "";
  } else {
    disk = std::to_string(signature_type) + "," + HexBytes(signature.bytes);
  }
  return Call("HD", std::to_string(number) + "," + disk + "," + Hex(start) + "," + Hex(size));
}

std::optional<std::string> CdRomText(base::Reader& reader) {
  std::uint32_t entry = 0;
  std::uint64_t start = 0;
  std::uint64_t size = 0;
  if (!reader.ReadU32(entry) || !reader.ReadU64(start) || !reader.ReadU64(size)) {
    return std::nullopt;
  }
  return Call("CDROM", Hex(entry) + "," + Hex(start) + "," + Hex(size));
}

std::optional<std::string> FileText(base::Reader& reader) { return ReadText16(reader); }

std::optional<std::string> BbsText(base::Reader& reader) {
  std::uint16_t type = 0;
  std::uint16_t status = 0;
  if (!reader.ReadU16(type) || !reader.ReadU16(status)) {
    return std::nullopt;
  }
  std::string description = base::ToString(reader.ReadRest());
  description.resize(std::min(description.size(), description.find('\0')));
  return Call("BBS", Hex(type) + "," + description);
}

constexpr char kVenHw[] = "VenHw";
constexpr char kVenMsg[] = "VenMsg";
constexpr char kVenMedia[] = "VenMedia";
constexpr char kFvFile[] = "FvFile";
constexpr char kFv[] = "Fv";

struct NodeKind {
  std::uint8_t type;
  std::uint8_t subtype;
  TextOf text;
};

// UEFI 2.10, 10.3.2 to 10.3.6.
constexpr std::array<NodeKind, 21> kNodes = {{
    {0x01, 0x01, PciText},
    {0x01, 0x04, VendorText<kVenHw>},
    {0x01, 0x05, ControllerText},
    {0x02, 0x01, AcpiText},
    {0x03, 0x01, AtapiText},
    {0x03, 0x02, ScsiText},
    {0x03, 0x05, UsbText},
    {0x03, 0x0A, VendorText<kVenMsg>},
    {0x03, 0x0B, MacText},
    {0x03, 0x0C, Ipv4Text},
    {0x03, 0x0D, Ipv6Text},
    {0x03, 0x12, SataText},
    {0x03, 0x17, NvmeText},
    {0x03, 0x18, UriText},
    {0x04, 0x01, HardDriveText},
    {0x04, 0x02, CdRomText},
    {0x04, 0x03, VendorText<kVenMedia>},
    {0x04, 0x04, FileText},
    {0x04, 0x06, GuidText<kFvFile>},
    {0x04, 0x07, GuidText<kFv>},
    {0x05, 0x01, BbsText},
}};

std::string NodeText(std::uint8_t type, std::uint8_t subtype, base::ByteSpan body) {
  for (const NodeKind& row : kNodes) {
    if (row.type == type && row.subtype == subtype) {
      base::Reader reader(body);
      const auto text = row.text(reader);
      if (text && reader.empty()) {
        return *text;
      }
    }
  }
  return Call("Path", std::to_string(type) + "," + std::to_string(subtype) +
                          (body.empty() ? "" : "," + HexBytes(body)));
}

/// A node of a path: its type and sub-type, and what is behind its header.
struct Node {
  std::uint8_t type = 0;
  std::uint8_t subtype = 0;
  base::ByteSpan body;
};

std::optional<Node> ReadNode(base::Reader& reader) {
  Node node;
  std::uint16_t bytes = 0;
  constexpr std::uint16_t kHeaderBytes = 4;
  if (!reader.ReadU8(node.type) || !reader.ReadU8(node.subtype) || !reader.ReadU16(bytes) ||
      bytes < kHeaderBytes || !reader.ReadBytes(bytes - kHeaderBytes, node.body)) {
    return std::nullopt;
  }
  return node;
}

/// Fills in what the nodes of `path`, whose form is right, say of a file. Of a path of several
/// instances the first counts.
void ReadPlace(base::ByteSpan path, LoadOption& option) {
  constexpr std::uint8_t kMedia = 0x04;
  constexpr std::uint8_t kHardDrive = 0x01;
  constexpr std::uint8_t kFile = 0x04;
  constexpr std::uint8_t kGpt = 2;
  base::Reader reader(path);
  bool is_first = true;
  for (auto node = ReadNode(reader); node && node->type != kEndType; node = ReadNode(reader)) {
    base::Reader body(node->body);
    if (node->type == kMedia && node->subtype == kFile) {
      option.is_file_alone = option.is_file_alone || is_first;
      std::string name = ReadText16(body).value_or(std::string());
      // Two nodes have a separator between them, from one of the two or from neither.
      if (!option.file.empty() && !option.file.ends_with('\\') && !name.starts_with('\\')) {
        option.file += '\\';
      }
      option.file += name;
    } else {
      base::ByteSpan in_front;
      efi::Guid signature;
      std::uint8_t format = 0;
      std::uint8_t signature_type = 0;
      option.file.clear();
      option.has_partition = node->type == kMedia && node->subtype == kHardDrive;
      option.partition.reset();
      if (option.has_partition && body.ReadBytes(20, in_front) && body.ReadArray(signature.bytes) &&
          body.ReadU8(format) && body.ReadU8(signature_type) && signature_type == kGpt) {
        option.partition = signature;
      }
    }
    is_first = false;
  }
}

}  // namespace

std::optional<std::string> DevicePathText(base::ByteSpan path) {
  std::string text;
  base::Reader reader(path);
  bool is_first = true;
  for (;;) {
    const auto node = ReadNode(reader);
    if (!node) {
      return std::nullopt;
    }
    if (node->type == kEndType && node->subtype == kEndEntire) {
      return text;
    }
    if (node->type == kEndType && node->subtype == kEndInstance) {
      text += ",";
      is_first = true;
      continue;
    }
    text += (is_first ? "" : "/") + NodeText(node->type, node->subtype, node->body);
    is_first = false;
  }
}

std::optional<LoadOption> ParseLoadOption(base::ByteSpan bytes) {
  base::Reader reader(bytes);
  LoadOption option;
  std::uint16_t path_bytes = 0;
  if (!reader.ReadU32(option.attributes) || !reader.ReadU16(path_bytes)) {
    return std::nullopt;
  }
  auto description = ReadText16(reader);
  base::ByteSpan path;
  if (!description || !reader.ReadBytes(path_bytes, path)) {
    return std::nullopt;
  }
  auto text = DevicePathText(path);
  if (!text) {
    return std::nullopt;
  }
  option.description = *std::move(description);
  option.path = *std::move(text);
  ReadPlace(path, option);
  return option;
}

}  // namespace varstored::health
