#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/variable_name.h"
#include "varstored/store/store.h"
#include "varstored/store/variable.h"

namespace varstored::store {

inline constexpr efi::Guid kVendor = *efi::ParseGuid("1f5b4a70-0a5d-4f0e-9d55-3c1f0d9a7a11");
inline constexpr efi::Guid kOtherVendor = *efi::ParseGuid("9be025e2-415b-435d-ad61-6b3e094fc28d");

/// A variable of this name with attributes 7.
inline Entry MakeVariable(std::string_view name, base::Bytes data,
                          const efi::Guid& vendor = kVendor) {
  return Variable{.name = efi::NameFromAscii(name),
                  .vendor = vendor,
                  .attributes = efi::kAttributes<0x07>,
                  .data = std::move(data)};
}

/// A record under a name of any bytes with an unknown attribute.
inline Entry MakeLegacy(std::string name_bytes, base::Bytes data,
                        const efi::Guid& vendor = kVendor) {
  return LegacyRecord{.name = std::move(name_bytes),
                      .vendor = vendor,
                      .attributes = 0x107,
                      .data = std::move(data)};
}

/// All entries in the order of a walk.
inline std::vector<Entry> Walk(const Store& store) {
  std::vector<Entry> entries;
  for (const Entry* entry = store.First(); entry != nullptr; entry = store.After(*entry)) {
    entries.push_back(*entry);
  }
  return entries;
}

/// All entries as they will be, in the order of a walk.
inline std::vector<Entry> Walk(const StagedStore& staged) {
  std::vector<Entry> entries;
  staged.ForEach([&entries](const Entry& entry) { entries.push_back(entry); });
  return entries;
}

/// So that a failing test names an entry.
inline void PrintTo(const Entry& entry, std::ostream* out) {
  *out << efi::NameToUtf8(entry.name()) << " " << efi::ToText(entry.vendor()) << " "
       << entry.data().size() << " bytes" << (entry.is_legacy() ? ", legacy" : "");
}

}  // namespace varstored::store
