#include "varstored/pool/sort.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

namespace varstored::pool {
namespace {

constexpr std::string_view kWorst = "worst";

/// The worst first.
auto KeyOf(const Row& row) {
  constexpr auto kMost = std::numeric_limits<std::uint32_t>::max();
  return std::tuple<bool, std::uint32_t, std::uint32_t, const std::string&, const std::string&>(
      row.error.empty(), kMost - row.errors, kMost - row.warnings, row.cells[0], row.uuid);
}

/// Of "20000", or of "9.0"; (-1, -1) of what is no number.
std::pair<std::int64_t, std::int64_t> NumberOf(std::string_view cell) {
  std::pair<std::int64_t, std::int64_t> number(-1, -1);
  const auto first = std::from_chars(cell.data(), cell.data() + cell.size(), number.first);
  if (first.ptr != cell.data() + cell.size() && *first.ptr == '.') {
    std::from_chars(first.ptr + 1, cell.data() + cell.size(), number.second);
  }
  return number;
}

bool IsBefore(const Row& left, const Row& right, std::size_t column, bool has_numbers) {
  if (left.error.empty() != right.error.empty()) {
    return right.error.empty();
  }
  const std::string& one = left.cells.at(column);
  const std::string& other = right.cells.at(column);
  if (has_numbers && NumberOf(one) != NumberOf(other)) {
    return NumberOf(one) < NumberOf(other);
  }
  return has_numbers || one == other ? KeyOf(left) < KeyOf(right) : one < other;
}

}  // namespace

base::Result<SortKey> ParseSortKey(std::string_view word) {
  if (word.empty() || word == kWorst) {
    return SortKey();
  }
  const auto* const found = std::find(kColumnNames.begin(), kColumnNames.end(), word);
  if (found != kColumnNames.end()) {
    return SortKey(static_cast<Column>(found - kColumnNames.begin()));
  }
  std::string words(kWorst);
  for (const std::string_view name : kColumnNames) {
    words += (name == kColumnNames.back() ? " or " : ", ") + std::string(name);
  }
  return base::Fail("--sort takes " + words);
}

base::Result<void> Gathered::Add(Row row) {
  if (rows_.size() >= most_) {
    return base::Fail("there are more than " + std::to_string(most_) +
                      " VMs, and no more are kept to be sorted: choose with --filter, or take "
                      "--jsonl, which keeps none");
  }
  for (std::string* text : {&row.cells.front(), &row.error}) {
    if (text->size() > kMostTextBytes) {
      text->resize(kMostTextBytes);
      text->shrink_to_fit();
    }
  }
  row.number = rows_.size();
  rows_.push_back(std::move(row));
  return {};
}

void Gathered::Sort(SortKey key) {
  const bool has_numbers = key == Column::kSvn || key == Column::kRoom;
  std::sort(rows_.begin(), rows_.end(), [&](const Row& left, const Row& right) {
    return key ? IsBefore(left, right, static_cast<std::size_t>(*key), has_numbers)
               : KeyOf(left) < KeyOf(right);
  });
}

}  // namespace varstored::pool
