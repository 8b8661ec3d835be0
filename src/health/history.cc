#include "varstored/health/history.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "dates.h"
#include "varstored/base/ascii.h"
#include "varstored/base/hex.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/variable_name.h"
#include "varstored/health/json.h"
#include "varstored/health/text.h"

namespace varstored::health {
namespace {

constexpr std::size_t kColumns = 8;
using Row = std::array<std::string, kColumns>;

constexpr std::size_t kNameColumns = 24;
constexpr std::size_t kDigestDigits = 12;

std::string TimeText(std::int64_t seconds) {
  constexpr std::int64_t kDay = 24 * 60 * 60;
  const std::int64_t second = seconds % kDay;
  return DateText(seconds) + " " + base::Padded(second / 3600, 2) + ":" +
         base::Padded(second / 60 % 60, 2) + ":" + base::Padded(second % 60, 2);
}

std::string SizesText(const store::HistoryEntry& entry) {
  return entry.name.empty()
             ? "-"
             : std::to_string(entry.before.bytes) + " > " + std::to_string(entry.after.bytes);
}

Row RowOf(const store::HistoryEntry& entry) {
  return {std::to_string(entry.number),
          TimeText(entry.time),
          std::string(store::ActorText(entry.actor)),
          entry.name.empty() ? "-" : Cut(efi::EscapeName(entry.name), kNameColumns),
          std::string(store::DeedText(entry.deed)),
          SizesText(entry),
          entry.after.bytes == 0 ? "-" : base::ToHex(entry.after.sha256).substr(0, kDigestDigits),
          entry.reason.empty() ? "-" : entry.reason};
}

/// Nothing where there is no data.
Json MarkJson(const store::DataMark& mark) {
  Json json = Json::Object();
  json.Add("bytes", mark.bytes);
  json.AddText("sha256", mark.bytes == 0 ? "" : base::ToHex(mark.sha256));
  return json;
}

Json EntryJson(const store::HistoryEntry& entry) {
  const bool has_name = !entry.name.empty();
  Json json = Json::Object();
  json.Add("number", entry.number)
      .Add("time", entry.time)
      .Add("date", TimeText(entry.time))
      .Add("who", store::ActorText(entry.actor))
      .Add("what", store::DeedText(entry.deed))
      .AddText("vendor", has_name ? efi::ToText(entry.vendor) : "")
      .AddText("name", efi::EscapeName(entry.name))
      .Add("before", MarkJson(entry.before))
      .Add("after", MarkJson(entry.after))
      .AddText("reason", entry.reason);
  return json;
}

}  // namespace

std::string RenderHistory(const std::vector<store::HistoryEntry>& entries) {
  if (entries.empty()) {
    return "no change of keys has been kept yet\n";
  }
  std::vector<Row> rows = {
      {"NUMBER", "TIME (UTC)", "WHO", "VARIABLE", "WHAT", "BYTES", "SHA-256", "REASON"}};
  for (const store::HistoryEntry& entry : entries) {
    rows.push_back(RowOf(entry));
  }
  std::array<std::size_t, kColumns> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < kColumns; ++i) {
      widths.at(i) = std::max(widths.at(i), row.at(i).size());
    }
  }
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < kColumns; ++i) {
      text += row.at(i) + std::string(widths.at(i) - row.at(i).size() + 2, ' ');
    }
    text += row.back() + "\n";
  }
  return text;
}

std::string RenderHistoryJson(std::string_view target,
                              const std::vector<store::HistoryEntry>& entries) {
  Json list = Json::Array();
  for (const store::HistoryEntry& entry : entries) {
    list.Append(EntryJson(entry));
  }
  Json json = Json::Object();
  json.Add("format", 1).Add("target", target).Add("history", list);
  return json.Text() + "\n";
}

}  // namespace varstored::health
