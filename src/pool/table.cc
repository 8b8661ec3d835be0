#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "varstored/health/text.h"
#include "varstored/pool/entry.h"

namespace varstored::pool {
namespace {

/// Of the columns behind the name; one blank stands between two.
constexpr std::array<std::size_t, kColumns - 1> kWidths = {8, 6, 3, 4, 4, 10, 5, 7};
constexpr std::string_view kIndent = "  ";
/// An error may be long, and is not to be cut.
constexpr std::size_t kMaxWordsColumns = 1000;

std::string Padded(std::string_view untrusted, std::size_t columns) {
  std::string text = health::Cut(health::ForTerminal(untrusted), columns);
  text.append(columns - std::min(columns, health::ColumnsOf(text)), ' ');
  return text;
}

template <class Cells>
std::string Line(const Cells& cells, std::size_t name_columns) {
  std::string line = Padded(cells[0], name_columns);
  for (std::size_t i = 1; i < kColumns; ++i) {
    line += " " + Padded(cells.at(i), kWidths.at(i - 1));
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string Painted(const std::string& line, std::string_view colour, bool has_colours) {
  return (has_colours && !colour.empty() ? std::string(colour) + line + "\x1b[0m" : line) + "\n";
}

/// Comes below the line of a VM.
std::string WordsOn(const Row& row, std::size_t width) {
  if (!row.error.empty()) {
    return std::string(kIndent) + (row.uuid.empty() ? "" : health::ForTerminal(row.uuid) + ": ") +
           health::Cut(health::ForTerminal(row.error), kMaxWordsColumns) + "\n";
  }
  if (row.findings.empty()) {
    return {};
  }
  std::string text;
  std::string line = std::string(kIndent) + health::ForTerminal(row.uuid) + ":";
  for (const health::FindingKind kind : row.findings) {
    const std::string word =
        " " + std::string(health::TypeOf(kind).name) + (kind == row.findings.back() ? "" : ",");
    if (line.size() + word.size() > width) {
      text += line + "\n";
      line = kIndent;
    }
    line += word;
  }
  return text + line + "\n";
}

}  // namespace

std::string RenderTable(const std::vector<Row>& rows, const Totals& totals,
                        const health::ScreenOptions& options) {
  const std::size_t width = std::clamp<std::size_t>(options.width, 80, 120);
  std::size_t name_columns = width;
  for (const std::size_t columns : kWidths) {
    name_columns -= columns + 1;
  }
  std::string text =
      rows.empty() ? "" : Painted(Line(kColumnNames, name_columns), "\x1b[1m", options.has_colours);
  for (const Row& row : rows) {
    const std::string_view colour = !row.error.empty() || row.errors > 0 ? "\x1b[1;31m"
                                    : row.warnings > 0                   ? "\x1b[33m"
                                                                         : "";
    text +=
        Painted(Line(row.cells, name_columns), colour, options.has_colours) + WordsOn(row, width);
  }
  return text + (text.empty() ? "" : "\n") + std::to_string(totals.count) +
         " in all: " + std::to_string(totals.clean) + " clean, " + std::to_string(totals.found) +
         " with findings, " + std::to_string(totals.failed) + " failed, " +
         std::to_string(totals.skipped) + " skipped\n" +
         (totals.ended_early.empty() ? "" : totals.ended_early + "\n");
}

}  // namespace varstored::pool
