#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "varstored/store/history.h"

namespace varstored::health {

/// The changes for people, a line each below a heading. The names are a guest's: they are as
/// efi::EscapeName has them, and a long one is cut.
[[nodiscard]] std::string RenderHistory(const std::vector<store::HistoryEntry>& entries);

/// The changes for machines: one object of JSON, in ASCII, of the form that
/// docs/tools/varstore-inspect-history.schema.json says, and a line end. `target` is the VM or the
/// file.
[[nodiscard]] std::string RenderHistoryJson(std::string_view target,
                                            const std::vector<store::HistoryEntry>& entries);

}  // namespace varstored::health
