#include "boot.h"

#include <string>
#include <string_view>

#include "varstored/base/reader.h"
#include "varstored/efi/variable_name.h"

namespace varstored::health {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEF";
constexpr std::string_view kPrefix = "Boot";

std::optional<std::uint16_t> NumberOf(std::string_view name) {
  if (name.size() != kPrefix.size() + 4 || name.substr(0, kPrefix.size()) != kPrefix) {
    return std::nullopt;
  }
  std::uint32_t number = 0;
  for (const char c : name.substr(kPrefix.size())) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    number = number * 16 + static_cast<std::uint32_t>(digit);
  }
  return static_cast<std::uint16_t>(number);
}

}  // namespace

std::vector<std::uint16_t> NumbersIn(base::ByteSpan data) {
  std::vector<std::uint16_t> numbers;
  base::Reader reader(data);
  std::uint16_t number = 0;
  while (reader.ReadU16(number)) {
    numbers.push_back(number);
  }
  return numbers;
}

std::map<std::uint16_t, std::optional<LoadOption>> BootOptionsOf(const State& state) {
  std::map<std::uint16_t, std::optional<LoadOption>> options;
  for (const store::Entry& entry : state.entries) {
    if (entry.vendor() == efi::kGlobalVariableGuid) {
      if (const auto number = NumberOf(efi::NameToUtf8(entry.name()))) {
        // Of several records of this name the last one counts.
        options[*number] = ParseLoadOption(entry.data());
      }
    }
  }
  return options;
}

std::set<std::uint16_t> UsableBootOptions(const State& state) {
  std::set<std::uint16_t> numbers;
  for (const auto& [number, option] : BootOptionsOf(state)) {
    if (option) {
      numbers.insert(number);
    }
  }
  return numbers;
}

std::string BootOptionName(std::uint16_t number) {
  std::string name(kPrefix);
  for (unsigned int shift = 16; shift > 0; shift -= 4) {
    name.push_back(kDigits[number >> (shift - 4) & 0xFU]);
  }
  return name;
}

}  // namespace varstored::health
