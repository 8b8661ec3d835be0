#include "varstored/health/usage.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"
#include "varstored/efi/well_known_names.h"
#include "varstored/engine/variable_services.h"
#include "varstored/health/key_content.h"

namespace varstored::health {
namespace {

struct BuiltIn {
  efi::WellKnownVariable variable;
  std::size_t data_bytes = 0;
};

// What the daemon makes at each start (docs/engine.md, "Modes", "MOR" and "PPI").
constexpr std::array<BuiltIn, 9> kBuiltIns = {{
    {efi::kSetupMode, 1},
    {efi::kAuditMode, 1},
    {efi::kDeployedMode, 1},
    {efi::kSecureBoot, 1},
    {efi::kSignatureSupport, efi::kSignatureKinds * sizeof(efi::Guid)},
    {efi::kMorControl, 1},
    {efi::kMorLock, 1},
    {efi::kPpiFlagsLock, 1},
    {efi::kPpiBuffer, 48},
}};

/// A family whose names are known.
struct KnownFamily {
  efi::Guid vendor;
  std::string_view prefix;
  std::string_view title;
};

constexpr std::array<KnownFamily, 2> kKnownFamilies = {{
    // Linux, drivers/firmware/efi/efi-pstore.c: dump-type0-1-1-1480000000-C.
    {efi::kLinuxCrashGuid, "dump-type", "crash records of Linux"},
    // UEFI 2.10, 8.2.4.2: HwErrRec0001.
    {efi::kHardwareErrorGuid, "HwErrRec", "hardware error records"},
}};

/// Fewer are no family.
constexpr std::size_t kMinFamily = 3;

bool IsHexDigit(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); }

/// What the names of a family have in common: with a pattern, and for people.
struct FamilyName {
  std::string pattern;
  std::string title;  // with a '*' in the place of each number
  /// The number, where there is one and it is decimal.
  std::string number = {};
};

/// Of an escaped name: what stands in place of each run of hexadecimal digits that has a decimal
/// one is open. Nothing when there is no such run.
std::optional<FamilyName> FamilyNameOf(std::string_view name) {
  constexpr std::size_t kEscapeBytes = 6;  // such as \u0020
  FamilyName family;
  std::size_t numbers = 0;
  while (!name.empty()) {
    std::size_t taken = 0;
    while (taken < name.size() && IsHexDigit(name[taken])) {
      ++taken;
    }
    const std::string_view run = name.substr(0, taken);
    if (run.find_first_of("0123456789") != std::string_view::npos) {
      ++numbers;
      family.number = run.find_first_not_of("0123456789") == std::string_view::npos ? run : "";
      family.pattern += "[0-9A-F]*";
      family.title += '*';
    } else {
      taken = name.front() == '\\' ? std::min(kEscapeBytes, name.size())
                                   : std::max<std::size_t>(taken, 1);
      for (const char c : name.substr(0, taken)) {
        // Characters that mean something in a pattern.
        family.pattern += std::string_view("*?[").find(c) == std::string_view::npos ? c : '?';
        family.title += c;
      }
    }
    name.remove_prefix(taken);
  }
  if (numbers != 1) {
    family.number.clear();
  }
  return numbers > 0 ? std::optional(std::move(family)) : std::nullopt;
}

/// From the first to the last number of a family, as in "Attempt 1..8".
struct NumberRange {
  bool is_known = true;
  std::string first;
  std::string last;

  void Add(const std::string& number) {
    const auto is_less = [](const std::string& a, const std::string& b) {
      return a.size() != b.size() ? a.size() < b.size() : a < b;
    };
    is_known = is_known && !number.empty();
    first = first.empty() || is_less(number, first) ? number : first;
    last = is_less(last, number) ? number : last;
  }
};

/// A title for people: blanks as they are, and from which number to which.
std::string TitleOf(std::string title, const NumberRange& numbers) {
  constexpr std::string_view kBlank = "\\u0020";
  for (std::size_t at = 0; (at = title.find(kBlank, at)) != std::string::npos;) {
    title.replace(at, kBlank.size(), " ");
  }
  if (const std::size_t star = title.find('*');
      numbers.is_known && star != std::string::npos && star == title.rfind('*')) {
    title.replace(star, 1, numbers.first + ".." + numbers.last);
  }
  return title;
}

std::optional<FamilyName> FamilyNameOf(const VariableId& id) {
  const std::string name = NameOf(id);
  for (const KnownFamily& row : kKnownFamilies) {
    if (id.vendor == row.vendor && name.starts_with(row.prefix)) {
      return FamilyName{std::string(row.prefix) + "*", std::string(row.title)};
    }
  }
  // The specification's own are told apart by their numbers.
  if (id.vendor == efi::kGlobalVariableGuid || id.vendor == efi::kImageSecurityDatabaseGuid) {
    return std::nullopt;
  }
  return FamilyNameOf(name);
}

void FindFamilies(Usage& usage) {
  std::map<std::pair<std::string, efi::Guid>, std::vector<std::size_t>> members;
  std::map<std::string, std::string> titles;
  std::map<std::pair<std::string, efi::Guid>, NumberRange> numbers;
  for (std::size_t i = 0; i < usage.variables.size(); ++i) {
    const VariableId& id = usage.variables[i].id;
    if (auto name = FamilyNameOf(id)) {
      members[{name->pattern, id.vendor}].push_back(i);
      numbers[{name->pattern, id.vendor}].Add(name->number);
      titles.try_emplace(name->pattern, std::move(name->title));
    }
  }
  std::vector<std::pair<VariableFamily, std::vector<std::size_t>>> families;
  for (const auto& [name, places] : members) {
    if (places.size() < kMinFamily) {
      continue;
    }
    VariableFamily family{.title = TitleOf(titles[name.first], numbers[name]),
                          .pattern = name.first,
                          .vendor = name.second,
                          .count = places.size(),
                          .data_bytes = 0,
                          .used_bytes = 0};
    for (const std::size_t place : places) {
      family.data_bytes += usage.variables[place].data_bytes;
      family.used_bytes += usage.variables[place].used_bytes;
    }
    families.emplace_back(std::move(family), places);
  }
  std::stable_sort(families.begin(), families.end(), [](const auto& a, const auto& b) {
    return a.first.used_bytes > b.first.used_bytes;
  });
  for (auto& [family, places] : families) {
    for (const std::size_t place : places) {
      usage.variables[place].family = usage.families.size();
    }
    usage.families.push_back(std::move(family));
  }
}

std::size_t Room(std::size_t limit, std::size_t used) { return used < limit ? limit - used : 0; }

}  // namespace

Usage UsageOf(const State& state) {
  Usage usage;
  usage.limit_bytes = engine::kStoreBytes;
  std::set<std::pair<std::string_view, efi::Guid>> seen;
  // Of several records under one name and GUID the last one counts.
  std::for_each(state.entries.rbegin(), state.entries.rend(), [&](const store::Entry& entry) {
    if (!IsServed(entry) && seen.emplace(entry.name(), entry.vendor()).second) {
      usage.variables.push_back({.id = IdOf(entry),
                                 .data_bytes = entry.data().size(),
                                 .used_bytes = entry.used_bytes(),
                                 .is_volatile = !entry.Has(efi::kNonVolatile),
                                 .family = std::nullopt});
      usage.used_bytes += entry.used_bytes();
    }
  });
  for (const BuiltIn& row : kBuiltIns) {
    if (!seen.contains({row.variable.name, row.variable.vendor})) {
      usage.used_bytes += row.variable.name.size() + row.data_bytes + store::kOverheadBytes;
    }
  }
  std::reverse(usage.variables.begin(), usage.variables.end());
  std::stable_sort(
      usage.variables.begin(), usage.variables.end(),
      [](const VariableUse& a, const VariableUse& b) { return a.used_bytes > b.used_bytes; });
  FindFamilies(usage);
  const store::Entry* dbx = FindEntry(state, efi::kDbx);
  const std::size_t dbx_bytes = dbx == nullptr ? 0 : dbx->data().size();
  usage.dbx_room_bytes = Room(store::kMaxDataBytes, dbx_bytes);
  usage.store_room_bytes = Room(engine::kRuntimeSecureBootBytes, usage.used_bytes);
  return usage;
}

bool IsUserMode(const State& state) { return FindEntry(state, efi::kPk) != nullptr; }

std::optional<bool> IsSecureBootOn(const State& state, const Context& context) {
  if (!IsUserMode(state)) {
    return false;
  }
  if (context.secure_boot) {
    return context.secure_boot;
  }
  const store::Entry* saved = FindEntry(state, efi::kSecureBoot);
  if (saved == nullptr || saved->data().size() != 1) {
    return std::nullopt;
  }
  return saved->data().front() == 1;
}

}  // namespace varstored::health
