#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <system_error>
#include <utility>

#include "put_data.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/variable_name.h"
#include "varstored/health/boot.h"
#include "varstored/health/edit.h"
#include "varstored/health/key_content.h"
#include "varstored/health/text.h"

namespace varstored::health {
namespace {

// UEFI 2.10, 3.3.
constexpr efi::WellKnownVariable kTimeout = {efi::detail::NameOf<"Timeout">(),
                                             efi::kGlobalVariableGuid};
/// Of all variables here: non-volatile, both accesses (UEFI 2.10, 3.3).
constexpr std::uint32_t kBootAttributes = 0x07;
/// LOAD_OPTION_ACTIVE (UEFI 2.10, 3.1.3).
constexpr std::uint32_t kActive = 0x00000001;

/// How many characters "Boot" has, in front of a number.
constexpr std::string_view kPrefix = "Boot";

VariableId IdOfOption(std::uint16_t number) {
  return {efi::NameFromAscii(BootOptionName(number)).bytes(), efi::kGlobalVariableGuid};
}

std::string NumberText(std::uint16_t number) {
  return BootOptionName(number).substr(kPrefix.size());
}

std::string Joined(const std::vector<std::uint16_t>& numbers) {
  std::string text;
  for (const std::uint16_t number : numbers) {
    text += (text.empty() ? "" : ",") + NumberText(number);
  }
  return text;
}

void PutNumbers(State& state, const efi::WellKnownVariable& variable,
                const std::vector<std::uint16_t>& numbers) {
  base::Writer writer;
  for (const std::uint16_t number : numbers) {
    writer.WriteU16(number);
  }
  PutData(state, IdOf(variable), kBootAttributes, writer.Take());
}

/// The record of an option, or what is wrong.
base::Result<const store::Entry*> FindOption(const State& state, std::uint16_t number) {
  const VariableId id = IdOfOption(number);
  const store::Entry* entry = FindEntry(state, id.name, id.vendor);
  return entry == nullptr ? base::Result<const store::Entry*>(
                                base::Fail("there is no " + BootOptionName(number) + " in this VM"))
                          : entry;
}

/// UTF-16LE with a NUL behind it.
std::optional<base::Bytes> Text16(std::string_view utf8) {
  const auto name = efi::NameFromUtf8(utf8);
  if (!name) {
    return std::nullopt;
  }
  base::Bytes bytes = base::ToBytes(name->bytes());
  bytes.insert(bytes.end(), 2, 0);
  return bytes;
}

void WriteNode(base::Writer& writer, std::uint8_t type, std::uint8_t subtype, base::ByteSpan body) {
  constexpr std::size_t kHeaderBytes = 4;
  writer.WriteU8(type);
  writer.WriteU8(subtype);
  writer.WriteU16(static_cast<std::uint16_t>(kHeaderBytes + body.size()));
  writer.WriteBytes(body);
}

constexpr std::uint8_t kMediaType = 0x04;
constexpr std::uint8_t kHardDrive = 0x01;
constexpr std::uint8_t kFilePath = 0x04;
constexpr std::uint8_t kEndType = 0x7F;
constexpr std::uint8_t kEndEntire = 0xFF;

/// UEFI 2.10, 10.3.5.1.
base::Bytes HardDriveNode(const Partition& partition) {
  constexpr std::uint8_t kGpt = 2;  // MBRType, and SignatureType
  base::Writer writer;
  writer.WriteU32(partition.number);
  writer.WriteU64(partition.start);
  writer.WriteU64(partition.size);
  writer.WriteBytes(partition.guid.bytes);
  writer.WriteU8(kGpt);
  writer.WriteU8(kGpt);
  return writer.Take();
}

/// EFI_LOAD_OPTION (UEFI 2.10, 3.1.3), with a short-form device path (3.1.2): of the partition and
/// the file, or of the file alone.
base::Result<base::Bytes> EncodeOption(const NewBootOption& option) {
  std::string file = option.file;
  std::replace(file.begin(), file.end(), '/', '\\');
  if (file.empty() || file.front() != '\\') {
    file.insert(0, 1, '\\');
  }
  const auto file_text = Text16(file);
  if (!file_text || file.size() == 1) {
    return base::Fail("'" + ForTerminal(option.file) +
                      R"(' is no path of a file such as \EFI\debian\shimx64.efi)");
  }
  const auto label = Text16(option.label);
  if (!label) {
    return base::Fail("a boot option needs a label of at most 2048 characters in UTF-8");
  }
  base::Writer path;
  if (option.partition) {
    WriteNode(path, kMediaType, kHardDrive, HardDriveNode(*option.partition));
  }
  WriteNode(path, kMediaType, kFilePath, *file_text);
  WriteNode(path, kEndType, kEndEntire, {});
  base::Writer writer;
  writer.WriteU32(kActive);
  writer.WriteU16(static_cast<std::uint16_t>(path.size()));
  writer.WriteBytes(*label);
  writer.WriteBytes(path.Take());
  return writer.Take();
}

/// A number of a partition's text; all of `text` is one.
template <class T>
bool ReadNumber(std::string_view text, T& number) {
  constexpr std::string_view kHex = "0x";
  const int base = text.starts_with(kHex) ? 16 : 10;
  text.remove_prefix(base == 16 ? kHex.size() : 0);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

std::vector<std::string_view> Split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t comma = text.find(',');
    parts.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

std::vector<std::string> BootLines(const State& state) {
  std::vector<std::string> lines;
  const auto next = NumbersIn(DataOf(state, kBootNext));
  if (!next.empty()) {
    lines.push_back("BootNext: " + Joined(next));
  }
  const auto timeout = NumbersIn(DataOf(state, kTimeout));
  if (timeout.size() == 1) {
    lines.push_back("Timeout: " + std::to_string(timeout.front()) + " seconds");
  }
  const auto order = NumbersIn(DataOf(state, kBootOrder));
  if (!order.empty()) {
    lines.push_back("BootOrder: " + Joined(order));
  }
  for (const auto& [number, option] : BootOptionsOf(state)) {
    const std::string name = BootOptionName(number);
    lines.push_back(option ? name + ((option->attributes & kActive) != 0 ? "* " : "  ") +
                                 ForTerminal(option->description) + "\t" + ForTerminal(option->path)
                           : name + "  cannot be read");
  }
  return lines;
}

base::Result<std::uint16_t> ParseBootNumber(std::string_view text) {
  constexpr std::size_t kMostDigits = 4;
  std::string_view digits = text;
  if (digits.starts_with(kPrefix)) {
    digits.remove_prefix(kPrefix.size());
  }
  std::uint16_t number = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  if (digits.empty() || digits.size() > kMostDigits || error != std::errc() ||
      end != digits.data() + digits.size()) {
    return base::Fail("'" + ForTerminal(text) +
                      "' is no number of a boot option: up to four hexadecimal digits, as in 0001");
  }
  return number;
}

base::Result<std::vector<std::uint16_t>> ParseBootNumbers(std::string_view text) {
  std::vector<std::uint16_t> numbers;
  for (const std::string_view part : Split(text)) {
    const auto number = ParseBootNumber(part);
    if (!number) {
      return number.failure();
    }
    if (std::find(numbers.begin(), numbers.end(), *number) != numbers.end()) {
      return base::Fail(NumberText(*number) + " is there twice");
    }
    numbers.push_back(*number);
  }
  return numbers;
}

base::Result<Partition> ParsePartition(std::string_view text) {
  constexpr std::string_view kFront = "HD(";
  constexpr std::size_t kShort = 3;  // number, GPT, GUID
  constexpr std::size_t kLong = 5;   // and start, size
  const auto wrong = [text] {
    return base::Fail("'" + ForTerminal(text) +
                      "' is no partition such as HD(1,GPT,GUID) or HD(1,GPT,GUID,0x800,0x32000)");
  };
  if (!text.starts_with(kFront) || !text.ends_with(')')) {
    return wrong();
  }
  const auto parts = Split(text.substr(kFront.size(), text.size() - kFront.size() - 1));
  if ((parts.size() != kShort && parts.size() != kLong) || parts[1] != "GPT") {
    return wrong();
  }
  Partition partition;
  const auto guid = efi::ParseGuid(parts[2]);
  if (!ReadNumber(parts[0], partition.number) || partition.number == 0 || !guid ||
      (parts.size() == kLong &&
       (!ReadNumber(parts[3], partition.start) || !ReadNumber(parts[4], partition.size)))) {
    return wrong();
  }
  partition.guid = *guid;
  return partition;
}

base::Result<State> AddBootOption(State state, const NewBootOption& option) {
  auto data = EncodeOption(option);
  if (!data) {
    return data.failure();
  }
  const auto options = BootOptionsOf(state);
  std::uint16_t number = 0;
  // More than a store holds are not there.
  while (options.contains(number)) {
    ++number;
  }
  PutData(state, IdOfOption(number), kBootAttributes, *std::move(data));
  auto order = NumbersIn(DataOf(state, kBootOrder));
  std::erase(order, number);
  order.insert(option.is_first ? order.begin() : order.end(), number);
  PutNumbers(state, kBootOrder, order);
  return state;
}

base::Result<State> RemoveBootOption(State state, std::uint16_t number) {
  if (const auto found = FindOption(state, number); !found) {
    return found.failure();
  }
  PutData(state, IdOfOption(number), kBootAttributes, {});
  for (const efi::WellKnownVariable& list : {kBootOrder, kBootNext}) {
    auto numbers = NumbersIn(DataOf(state, list));
    if (std::erase(numbers, number) != 0) {
      PutNumbers(state, list, numbers);
    }
  }
  return state;
}

base::Result<State> ActivateBootOption(State state, std::uint16_t number, bool is_active) {
  const auto found = FindOption(state, number);
  if (!found) {
    return found.failure();
  }
  base::Reader reader((*found)->data());
  std::uint32_t attributes = 0;
  if (!ParseLoadOption((*found)->data()) || !reader.ReadU32(attributes)) {
    return base::Fail(BootOptionName(number) + " cannot be read: remove it, and add it again");
  }
  base::Writer writer;
  writer.WriteU32(is_active ? attributes | kActive : attributes & ~kActive);
  writer.WriteBytes(reader.ReadRest());
  PutData(state, IdOfOption(number), kBootAttributes, writer.Take());
  return state;
}

base::Result<State> OrderBootOptions(State state, const std::vector<std::uint16_t>& numbers) {
  for (const std::uint16_t number : numbers) {
    if (const auto found = FindOption(state, number); !found) {
      return found.failure();
    }
  }
  PutNumbers(state, kBootOrder, numbers);
  return state;
}

base::Result<State> ChooseNextBoot(State state, std::optional<std::uint16_t> number) {
  if (number) {
    if (const auto found = FindOption(state, *number); !found) {
      return found.failure();
    }
  }
  PutNumbers(state, kBootNext,
             number ? std::vector<std::uint16_t>{*number} : std::vector<std::uint16_t>());
  return state;
}

}  // namespace varstored::health
