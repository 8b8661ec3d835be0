#include "page_pictures.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string_view>
#include <utility>

#include "varstored/health/finding.h"
#include "varstored/health/text.h"

namespace varstored::pool {
namespace {

struct Bar {
  std::string label;  // anybody's
  std::size_t count = 0;
  /// Of page.css: "bad", "warn", "good", or "".
  std::string_view kind;
};

constexpr std::size_t kMostBars = 8;
// In units of the picture.
constexpr std::size_t kWidth = 380;
constexpr std::size_t kBarBegin = 200;
constexpr std::size_t kMostBarWidth = 130;
constexpr std::size_t kStep = 24;
constexpr std::size_t kBarHeight = 14;

std::string Number(std::size_t number) { return std::to_string(number); }

/// Behind another attribute, whose end it is.
std::string Attribute(std::string_view name, std::size_t number) {
  return "\" " + std::string(name) + "=\"" + Number(number);
}

/// `escaped` beside the bar whose place begins at `top`.
std::string Text(std::size_t left, std::size_t top, std::string_view escaped) {
  return R"(<text x=")" + Number(left) + Attribute("y", top + kStep - 8) + "\">" +
         std::string(escaped) + "</text>";
}

/// Bars of which the longest takes all the room. Those beyond kMostBars are one.
std::string Figure(std::string_view title, std::vector<Bar> bars) {
  std::erase_if(bars, [](const Bar& bar) { return bar.count == 0; });
  if (bars.empty()) {
    return {};
  }
  if (bars.size() > kMostBars) {
    Bar others{Number(bars.size() - kMostBars + 1) + " others", 0, ""};
    for (std::size_t i = kMostBars - 1; i < bars.size(); ++i) {
      others.count += bars[i].count;
    }
    bars.resize(kMostBars - 1);
    bars.push_back(std::move(others));
  }
  const std::size_t most =
      std::max_element(bars.begin(), bars.end(), [](const Bar& a, const Bar& b) {
        return a.count < b.count;
      })->count;
  std::string words;
  std::string drawn;
  std::size_t top = 0;
  for (const Bar& bar : bars) {
    const std::string label = health::ForXml(bar.label);
    const std::size_t width = bar.count * kMostBarWidth / most;
    words += words.empty() ? "" : ", ";
    words += label;
    words += ": " + Number(bar.count);
    drawn += Text(0, top, label);
    drawn += R"(<rect class=")" + std::string(bar.kind);
    drawn += Attribute("x", kBarBegin) + Attribute("y", top + (kStep - kBarHeight) / 2);
    drawn += Attribute("width", std::max<std::size_t>(width, 1)) + Attribute("height", kBarHeight);
    drawn += "\"/>" + Text(kBarBegin + width + 8, top, Number(bar.count));
    top += kStep;
  }
  std::string figure = "<figure><figcaption>" + std::string(title);
  figure += R"(</figcaption><svg role="img" viewBox="0 0 )" + Number(kWidth) + " " + Number(top);
  figure += "\"><title>";
  figure += words;
  figure += "</title>";
  figure += drawn;
  return figure + "</svg></figure>\n";
}

std::string_view CellOf(const Row& row, Column column) {
  return row.cells.at(static_cast<std::size_t>(column));
}

std::vector<Bar> States(const std::vector<Row>& rows, const Totals& totals) {
  std::vector<Bar> bars = {{"cannot be read", 0, "bad"},
                           {"errors", 0, "bad"},
                           {"warnings", 0, "warn"},
                           {"clean", 0, "good"}};
  for (const Row& row : rows) {
    ++bars[!row.error.empty() ? 0U : row.errors > 0 ? 1U : row.warnings > 0 ? 2U : 3U].count;
  }
  bars.push_back({"skipped", totals.skipped, ""});
  return bars;
}

std::vector<Bar> SecureBoots(const std::vector<Row>& rows) {
  std::vector<Bar> bars = {
      {"on", 0, "good"}, {"wanted, and not on", 0, "bad"}, {"off", 0, ""}, {"not known", 0, ""}};
  for (const Row& row : rows) {
    const std::string_view on = CellOf(row, Column::kInForce);
    const bool is_wanted = CellOf(row, Column::kWanted) == "yes";
    ++bars[on == "yes" ? 0U : on == "no" ? (is_wanted ? 1U : 2U) : 3U].count;
  }
  return bars;
}

std::vector<Bar> Certificates(const std::vector<Row>& rows) {
  std::vector<Bar> bars = {{"all of 2023", 0, "good"},
                           {"some of 2023", 0, "warn"},
                           {"of 2011 only", 0, "warn"},
                           {"none of either", 0, ""}};
  for (const Row& row : rows) {
    if (!row.error.empty()) {
      continue;
    }
    const std::string_view of_2023 = CellOf(row, Column::k2023);
    const std::string_view of_2011 = CellOf(row, Column::k2011);
    ++bars[of_2023 == "yes"                        ? 0U
           : of_2023 == "some"                     ? 1U
           : of_2011 == "yes" || of_2011 == "some" ? 2U
                                                   : 3U]
          .count;
  }
  return bars;
}

std::vector<Bar> FindingsOf(const std::vector<Row>& rows) {
  std::map<health::FindingKind, std::size_t> counts;
  for (const Row& row : rows) {
    for (const health::FindingKind kind : row.findings) {
      ++counts[kind];
    }
  }
  std::vector<Bar> bars;
  bars.reserve(counts.size());
  for (const auto& [kind, count] : counts) {
    bars.push_back({std::string(health::TypeOf(kind).name), count, ""});
  }
  std::stable_sort(bars.begin(), bars.end(),
                   [](const Bar& a, const Bar& b) { return a.count > b.count; });
  return bars;
}

/// The newest first.
std::vector<Bar> Dates(const std::vector<Row>& rows) {
  std::map<std::string, std::size_t, std::greater<>> counts;
  for (const Row& row : rows) {
    if (row.error.empty()) {
      ++counts[std::string(CellOf(row, Column::kDbx))];
    }
  }
  std::vector<Bar> bars;
  bars.reserve(counts.size());
  for (const auto& [date, count] : counts) {
    bars.push_back({date == "--" ? "none of Microsoft's" : date, count, ""});
  }
  return bars;
}

}  // namespace

std::string Pictures(const std::vector<Row>& rows, const Totals& totals) {
  return "<div class=\"pictures\">\n" + Figure("VMs", States(rows, totals)) +
         Figure("Secure Boot", SecureBoots(rows)) +
         Figure("Microsoft's certificates", Certificates(rows)) +
         Figure("Newest list in dbx", Dates(rows)) + Figure("Findings", FindingsOf(rows)) +
         "</div>\n";
}

}  // namespace varstored::pool
