#include "default_keys.h"

#include <array>
#include <cstdint>
#include <optional>

#include "built_in.h"
#include "signature_database.h"
#include "special_variables.h"
#include "varstored/base/bytes.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/well_known.h"

namespace varstored::engine {
namespace {

// As the specification has them: volatile, and seen at runtime too.
constexpr efi::Attributes kServedAttributes = efi::kAttributes<0x06>;

struct Row {
  efi::WellKnownVariable served = {};
  efi::WellKnownVariable key = {};
  std::optional<base::Bytes> FirstBootKeys::*file = nullptr;
  /// Entries beside the host's are none of somebody else's.
  bool may_grow = false;
};

constexpr std::array<Row, 4> kRows = {{
    {efi::kPkDefault, efi::kPk, &FirstBootKeys::pk, false},
    {efi::kKekDefault, efi::kKek, &FirstBootKeys::kek, false},
    {efi::kDbDefault, efi::kDb, &FirstBootKeys::db, true},
    {efi::kDbxDefault, efi::kDbx, &FirstBootKeys::dbx, true},
}};

/// Whether every entry of `part` is in `whole`.
bool Holds(base::ByteSpan whole, base::ByteSpan part) {
  const auto both = AppendNewEntries(whole, part, SameEntry::kOwnerAndData);
  return both && both->size() == whole.size();
}

bool IsTheHosts(const Row& row, const store::StagedStore& served,
                const store::StagedStore& variables) {
  const base::ByteSpan vms = store::ContentOf(variables, row.key);
  const base::ByteSpan hosts = store::ContentOf(served, row.served);
  return Holds(vms, hosts) && (row.may_grow || Holds(hosts, vms));
}

}  // namespace

void StageDefaultKeys(store::StagedStore& served, const FirstBootKeys& keys) {
  for (const Row& row : kRows) {
    const std::optional<base::Bytes>& file = keys.*row.file;
    const auto update = file ? efi::ParseAuthenticationDescriptor(*file) : std::nullopt;
    if (update && !CheckSignatureDatabase(SpecialOf(store::KeyOf(row.key)), update->payload)) {
      StageBuiltIn(served, row.served, kServedAttributes, base::ToBytes(update->payload));
    }
  }
}

void StageVendorKeys(store::StagedStore& served, const store::StagedStore& variables) {
  if (served.Find(store::KeyOf(efi::kPkDefault)) == nullptr) {
    return;
  }
  bool are_the_hosts = true;
  for (const Row& row : kRows) {
    are_the_hosts = are_the_hosts && IsTheHosts(row, served, variables);
  }
  StageBuiltIn(served, efi::kVendorKeys, kServedAttributes,
               {static_cast<std::uint8_t>(are_the_hosts ? 1 : 0)});
}

}  // namespace varstored::engine
