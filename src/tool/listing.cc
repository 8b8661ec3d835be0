#include "varstored/tool/listing.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "varstored/efi/variable_name.h"
#include "varstored/efi/words.h"
#include "varstored/health/json.h"
#include "varstored/tool/session.h"

namespace varstored::tool {
namespace {

/// What --long says of a variable; the name comes last, so that its length moves nothing.
constexpr std::size_t kColumns = 5;
using Row = std::array<std::string, kColumns>;

std::optional<std::string> TimeOf(const store::Entry& entry) {
  return entry.Has(efi::kTimeBasedAuthenticatedWriteAccess)
             ? std::optional(efi::TimeText(entry.timestamp()))
             : std::nullopt;
}

Row RowOf(const store::Entry& entry) {
  const std::string_view owner = efi::NameOfGuid(entry.vendor());
  return {std::to_string(entry.data().size()), efi::AttributesText(entry.raw_attributes()),
          TimeOf(entry).value_or("-"),
          owner.empty() ? efi::ToText(entry.vendor()) : std::string(owner),
          efi::EscapeName(entry.name())};
}

}  // namespace

std::string ListShort(const Entries& entries) {
  std::string lines;
  for (const store::Entry* entry : entries) {
    lines += Describe(store::KeyOf(*entry)) + "\n";
  }
  return lines;
}

std::string ListLong(const Entries& entries) {
  std::vector<Row> rows = {{"BYTES", "ATTRIBUTES", "TIME", "GUID", "NAME"}};
  for (const store::Entry* entry : entries) {
    rows.push_back(RowOf(*entry));
  }
  std::array<std::size_t, kColumns> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < kColumns; ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string lines;
  for (const Row& row : rows) {
    lines += std::string(widths[0] - row[0].size(), ' ') + row[0];
    for (std::size_t i = 1; i < kColumns; ++i) {
      lines += "  " + row[i];
      if (i + 1 < kColumns) {
        lines += std::string(widths[i] - row[i].size(), ' ');
      }
    }
    lines += '\n';
  }
  return lines;
}

std::string ListJson(const Entries& entries) {
  health::Json variables = health::Json::Array();
  for (const store::Entry* entry : entries) {
    variables.Append(health::Json::Object()
                         .Add("name", efi::EscapeName(entry->name()))
                         .Add("guid", efi::ToText(entry->vendor()))
                         .AddText("guid_name", efi::NameOfGuid(entry->vendor()))
                         .Add("bytes", entry->data().size())
                         .Add("attributes", entry->raw_attributes())
                         .Add("attributes_text", efi::AttributesText(entry->raw_attributes()))
                         .Add("time", TimeOf(*entry)));
  }
  return health::Json::Object().Add("format", 1).Add("variables", variables).Text() + "\n";
}

}  // namespace varstored::tool
