#pragma once

#include <string>
#include <vector>

#include "varstored/store/store.h"

/// What varstore-ls prints. Each gives one line a variable or one object, in the order of
/// `entries`, and nothing in it is a guest's that a terminal would obey (efi::EscapeName).
namespace varstored::tool {

using Entries = std::vector<const store::Entry*>;

/// Describe of each.
[[nodiscard]] std::string ListShort(const Entries& entries);

/// A table with a line of titles: the bytes of data, attributes (efi::AttributesText), the time of
/// a time-based variable or "-", GUID or its name (efi::NameOfGuid), and name.
[[nodiscard]] std::string ListLong(const Entries& entries);

/// The form of docs/tools/varstore-ls.schema.json, with a newline.
[[nodiscard]] std::string ListJson(const Entries& entries);

}  // namespace varstored::tool
