// The vectors of tests/vectors/wire, each against varstored-loopback in a process of its own, over
// the real wire format. See tests/vectors/README.md.

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/stanzas.h"
#include "wire/expressions.h"
#include "wire/key_ring.h"
#include "wire/story.h"

namespace varstored::test {
namespace {

[[noreturn]] void Fail(const Stanza& stanza, const std::string& what) {
  throw std::runtime_error(stanza.Where() + ": " + what);
}

/// The values of one row, by the column's name, and what the row is called.
struct Row {
  std::string name;
  std::map<std::string, std::string, std::less<>> values;
};
using Table = std::vector<std::shared_ptr<const Row>>;

/// A test: a stanza, and a row of each table that it is told with.
struct Vector {
  std::string name;
  std::shared_ptr<const Stanza> stanza;
  Table rows;
};

Table TableOf(const Stanza& stanza) {
  const std::vector<std::string> columns = SplitWords(stanza["columns"]);
  Table table;
  for (const std::string& text : stanza.All("row")) {
    const std::vector<std::string> values = SplitWords(text);
    if (values.size() != columns.size()) {
      Fail(stanza, "a row has as many values as there are columns: " + text);
    }
    Row row = {values.front(), {}};
    for (std::size_t i = 0; i < columns.size(); ++i) {
      row.values.emplace(columns[i], values[i]);
    }
    table.push_back(std::make_shared<const Row>(std::move(row)));
  }
  return table;
}

/// A test's name holds letters and digits.
std::string InName(const std::string& text) {
  std::string name;
  for (const char c : text) {
    name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return name;
}

/// One vector for each row of the table.
std::vector<Vector> Expand(const std::vector<Vector>& vectors, const Table& table) {
  std::vector<Vector> expanded;
  for (const Vector& vector : vectors) {
    for (const auto& row : table) {
      expanded.push_back(vector);
      expanded.back().name += "_" + InName(row->name);
      expanded.back().rows.push_back(row);
    }
  }
  return expanded;
}

std::vector<Vector> LoadVectors() {
  std::map<std::string, Table> tables;  // by the file's path and the table's name
  std::vector<Vector> all;
  std::set<std::string> names;
  for (Stanza& loaded : ReadStanzasOf(VARSTORED_TEST_VECTORS "/wire")) {
    const auto stanza = std::make_shared<const Stanza>(std::move(loaded));
    if (stanza->lines.front().key == "table") {
      tables[stanza->path + (*stanza)["table"]] = TableOf(*stanza);
      continue;
    }
    std::vector<Vector> vectors = {{(*stanza)["test"], stanza, {}}};
    for (const std::string& table : stanza->All("rows")) {
      const auto found = tables.find(stanza->path + table);
      if (found == tables.end()) {
        Fail(*stanza, "there is no table '" + table + "'");
      }
      vectors = Expand(vectors, found->second);
    }
    if (!stanza->All("row").empty()) {
      vectors = Expand(vectors, TableOf(*stanza));
    }
    for (Vector& vector : vectors) {
      if (!names.insert(vector.name).second) {
        Fail(*stanza, "there are two tests called " + vector.name);
      }
      all.push_back(std::move(vector));
    }
  }
  return all;
}

/// The value of the column in the one row that has it.
const std::string& ValueOf(const Vector& vector, std::string_view column) {
  for (const auto& row : vector.rows) {
    if (const auto found = row->values.find(column); found != row->values.end()) {
      return found->second;
    }
  }
  Fail(*vector.stanza, "no table has the column '" + std::string(column) + "'");
}

/// `text` with the rows' values in the places of $column and ${column}.
std::string Fill(const Vector& vector, std::string_view text) {
  std::string filled;
  for (;;) {
    const std::size_t dollar = text.find('$');
    filled += text.substr(0, dollar);
    if (dollar == std::string_view::npos) {
      return filled;
    }
    text.remove_prefix(dollar + 1);
    const bool has_braces = text.starts_with('{');
    text.remove_prefix(has_braces ? 1 : 0);
    std::size_t end = 0;
    while (end < text.size() && std::isalnum(static_cast<unsigned char>(text[end])) != 0) {
      ++end;
    }
    filled += ValueOf(vector, text.substr(0, end));
    text.remove_prefix(std::min(end + (has_braces ? 1 : 0), text.size()));
  }
}

/// The stanza as it is told: without the lines about tables, and with their values.
Stanza Filled(const Vector& vector) {
  Stanza stanza = {vector.stanza->path, {}};
  for (const Stanza::Line& line : vector.stanza->lines) {
    if (line.key != "rows" && line.key != "columns" && line.key != "row") {
      stanza.lines.push_back({line.key, Fill(vector, line.value), line.number});
    }
  }
  return stanza;
}

class VectorTest : public testing::Test {
 public:
  explicit VectorTest(Vector vector) : vector_(std::move(vector)) {}

  void TestBody() override {
    KeyRing keys(ReadStanzas(VARSTORED_TEST_VECTORS "/keys.txt"));
    Story(keys).Tell(Filled(vector_));
  }

 private:
  Vector vector_;
};

/// "ReadOnly" for ".../read_only.txt".
std::string SuiteName(const Stanza& stanza) {
  std::string name;
  bool starts_a_word = true;
  for (const char c : std::filesystem::path(stanza.path).stem().string()) {
    if (c != '_') {
      name += starts_a_word ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    }
    starts_a_word = c == '_';
  }
  return name;
}

bool RegisterVectors() {
  for (const Vector& vector : LoadVectors()) {
    const Stanza& stanza = *vector.stanza;
    testing::RegisterTest(SuiteName(stanza).c_str(), vector.name.c_str(), nullptr, nullptr,
                          stanza.path.c_str(), static_cast<int>(stanza.lines.front().number),
                          [vector]() -> testing::Test* { return new VectorTest(vector); });
  }
  return true;
}

[[maybe_unused]] const bool kAreRegistered = RegisterVectors();

}  // namespace
}  // namespace varstored::test
