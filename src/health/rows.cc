#include "rows.h"

#include <algorithm>

#include "varstored/health/key_content.h"
#include "varstored/store/variable.h"

namespace varstored::health {

std::vector<UsageRow> RowsOf(const Usage& usage) {
  std::vector<UsageRow> rows;
  for (const VariableUse& variable : usage.variables) {
    if (!variable.family) {
      rows.push_back({.name = NameOf(variable.id),
                      .data_bytes = variable.data_bytes,
                      .used_bytes = variable.used_bytes,
                      .limit_bytes = store::kMaxDataBytes});
    }
  }
  for (const VariableFamily& family : usage.families) {
    rows.push_back({.name = std::to_string(family.count) + " " + family.title,
                    .count = family.count,
                    .data_bytes = family.data_bytes,
                    .used_bytes = family.used_bytes,
                    .limit_bytes = usage.limit_bytes});
  }
  std::stable_sort(rows.begin(), rows.end(), [](const UsageRow& a, const UsageRow& b) {
    return a.used_bytes > b.used_bytes;
  });
  return rows;
}

std::string_view RevokedByText(RevokedBy by) {
  switch (by) {
    case RevokedBy::kCertificate:
      return "certificate";
    case RevokedBy::kTbsHash:
      return "to-be-signed hash";
    case RevokedBy::kHash:
      return "hash";
    case RevokedBy::kNothing:
      break;
  }
  return "";
}

}  // namespace varstored::health
