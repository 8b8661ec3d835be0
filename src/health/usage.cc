#include "usage.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "key_content.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"
#include "varstored/engine/variable_services.h"

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
                                 .is_volatile = !entry.Has(efi::kNonVolatile)});
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
