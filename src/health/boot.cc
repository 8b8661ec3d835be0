#include "varstored/health/boot.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "varstored/base/reader.h"
#include "varstored/efi/variable_name.h"
#include "varstored/health/key_content.h"

namespace varstored::health {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEF";
constexpr std::string_view kPrefix = "Boot";
/// More than BootOrder can hold.
constexpr std::size_t kNumbers = std::size_t{1} << 20;

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

std::vector<std::uint16_t> WithoutRepeats(base::ByteSpan data) {
  std::vector<std::uint16_t> numbers = NumbersIn(data);
  std::set<std::uint16_t> seen;
  std::erase_if(numbers, [&seen](std::uint16_t number) { return !seen.insert(number).second; });
  return numbers;
}

namespace {

/// The records of boot options; of two under one number that which counts.
std::map<std::uint16_t, const store::Entry*> EntriesOfOptions(const State& state) {
  std::map<std::uint16_t, const store::Entry*> entries;
  for (const store::Entry& entry : state.entries) {
    if (entry.vendor() == efi::kGlobalVariableGuid) {
      if (const auto number = NumberOf(efi::NameToUtf8(entry.name()))) {
        entries[*number] = &entry;
      }
    }
  }
  return entries;
}

/// Where BootOrder first names each option.
std::map<std::uint16_t, std::size_t> PlacesInOrder(const State& state) {
  std::map<std::uint16_t, std::size_t> places;
  if (const store::Entry* order = FindEntry(state, kBootOrder)) {
    const std::vector<std::uint16_t> numbers = NumbersIn(order->data());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      places.try_emplace(numbers[i], i);
    }
  }
  return places;
}

}  // namespace

std::vector<RepeatedOption> RepeatedOptions(const State& state) {
  auto entries = EntriesOfOptions(state);
  std::map<std::pair<std::string, std::string>, std::vector<std::uint16_t>> groups;
  for (const auto& [number, option] : BootOptionsOf(state)) {
    if (option) {
      groups[{option->description, option->path}].push_back(number);
    }
  }
  const auto places = PlacesInOrder(state);
  const auto place_of = [&places](std::uint16_t number) {
    const auto found = places.find(number);
    return found == places.end() ? places.size() + kNumbers + number : found->second;
  };
  std::map<std::uint16_t, RepeatedOption> repeated;
  for (const auto& [name, numbers] : groups) {
    if (numbers.size() < 2) {
      continue;
    }
    RepeatedOption option;
    option.number = *std::min_element(
        numbers.begin(), numbers.end(),
        [&](std::uint16_t a, std::uint16_t b) { return place_of(a) < place_of(b); });
    for (const std::uint16_t number : numbers) {
      if (number != option.number) {
        const bool is_copy = entries[number]->data() == entries[option.number]->data();
        (is_copy ? option.copies : option.look_alikes).push_back(number);
      }
    }
    repeated.emplace(numbers.front(), std::move(option));
  }
  std::vector<RepeatedOption> options;
  options.reserve(repeated.size());
  for (auto& [number, option] : repeated) {
    options.push_back(std::move(option));
  }
  return options;
}

std::string BootOptionName(std::uint16_t number) {
  std::string name(kPrefix);
  for (unsigned int shift = 16; shift > 0; shift -= 4) {
    name.push_back(kDigits[number >> (shift - 4) & 0xFU]);
  }
  return name;
}

}  // namespace varstored::health
