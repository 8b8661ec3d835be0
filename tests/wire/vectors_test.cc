// The vectors of tests/vectors/wire, each against varstored-loopback in a process of its own, over
// the real wire format. See tests/vectors/README.md.

#include <cctype>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/stanzas.h"
#include "wire/expressions.h"
#include "wire/key_ring.h"
#include "wire/story.h"

namespace varstored::test {
namespace {

/// A stanza and the name of its test.
struct Vector {
  std::string name;
  Stanza stanza;
};

[[noreturn]] void Fail(const Stanza& stanza, const std::string& what) {
  throw std::runtime_error(stanza.Where() + ": " + what);
}

/// The values of one row, by the column's name, and what the row is called.
struct Row {
  std::string name;
  std::map<std::string, std::string> values;
};

std::vector<Row> RowsOf(const Stanza& stanza) {
  const std::vector<std::string> columns = SplitWords(stanza["columns"]);
  std::vector<Row> rows;
  for (const std::string& text : stanza.All("row")) {
    const std::vector<std::string> values = SplitWords(text);
    if (values.size() != columns.size()) {
      Fail(stanza, "a row has as many values as there are columns: " + text);
    }
    Row row = {values.front(), {}};
    for (std::size_t i = 0; i < columns.size(); ++i) {
      row.values.emplace(columns[i], values[i]);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

/// `text` with $column, or ${column}, replaced by the row's value.
std::string Fill(const std::string& text, const Row& row) {
  static const std::regex column(R"(\$(?:(\w+)|\{(\w+)\}))");
  std::string filled;
  std::size_t at = 0;
  for (std::sregex_iterator match(text.begin(), text.end(), column), end; match != end; ++match) {
    const auto found = row.values.find((*match)[1].str() + (*match)[2].str());
    const auto start = static_cast<std::size_t>(match->position());
    filled += text.substr(at, start - at);
    // Another table may have it.
    filled += found != row.values.end() ? found->second : match->str();
    at = start + static_cast<std::size_t>(match->length());
  }
  return filled + text.substr(at);
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
std::vector<Vector> Expand(const std::vector<Vector>& vectors, const std::vector<Row>& table) {
  std::vector<Vector> expanded;
  for (const Vector& vector : vectors) {
    for (const Row& row : table) {
      Vector filled = {vector.name + "_" + InName(row.name), vector.stanza};
      for (Stanza::Line& line : filled.stanza.lines) {
        line.value = Fill(line.value, row);
      }
      expanded.push_back(std::move(filled));
    }
  }
  return expanded;
}

bool DescribesATable(const Stanza::Line& line) {
  return line.key == "rows" || line.key == "columns" || line.key == "row";
}

std::vector<Vector> LoadVectors() {
  std::map<std::string, std::vector<Row>> tables;  // by the file's path and the table's name
  std::vector<Vector> all;
  std::set<std::string> names;
  for (const Stanza& stanza : ReadStanzasOf(VARSTORED_TEST_VECTORS "/wire")) {
    if (stanza.lines.front().key == "table") {
      tables[stanza.path + stanza["table"]] = RowsOf(stanza);
      continue;
    }
    std::vector<Vector> vectors = {{stanza["test"], stanza}};
    for (const std::string& table : stanza.All("rows")) {
      const auto found = tables.find(stanza.path + table);
      if (found == tables.end()) {
        Fail(stanza, "there is no table '" + table + "'");
      }
      vectors = Expand(vectors, found->second);
    }
    if (!stanza.All("row").empty()) {
      vectors = Expand(vectors, RowsOf(stanza));
    }
    for (Vector& vector : vectors) {
      std::erase_if(vector.stanza.lines, DescribesATable);
      for (const Stanza::Line& line : vector.stanza.lines) {
        if (line.value.find('$') != std::string::npos) {
          Fail(stanza, "no table has this column: " + line.value);
        }
      }
      if (!names.insert(vector.name).second) {
        Fail(stanza, "there are two tests called " + vector.name);
      }
    }
    std::ranges::move(vectors, std::back_inserter(all));
  }
  return all;
}

class VectorTest : public testing::Test {
 public:
  explicit VectorTest(Stanza stanza) : stanza_(std::move(stanza)) {}

  void TestBody() override {
    KeyRing keys(ReadStanzas(VARSTORED_TEST_VECTORS "/keys.txt"));
    Story(keys).Tell(stanza_);
  }

 private:
  Stanza stanza_;
};

/// "Authority" for ".../authority.txt".
std::string SuiteName(const Stanza& stanza) {
  std::string name = std::filesystem::path(stanza.path).stem().string();
  bool starts_a_word = true;
  for (char& c : name) {
    c = starts_a_word ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    starts_a_word = c == '_';
  }
  std::erase(name, '_');
  return name;
}

bool RegisterVectors() {
  for (const Vector& vector : LoadVectors()) {
    const Stanza& stanza = vector.stanza;
    testing::RegisterTest(SuiteName(stanza).c_str(), vector.name.c_str(), nullptr, nullptr,
                          stanza.path.c_str(), static_cast<int>(stanza.lines.front().number),
                          [stanza]() -> testing::Test* { return new VectorTest(stanza); });
  }
  return true;
}

[[maybe_unused]] const bool kAreRegistered = RegisterVectors();

}  // namespace
}  // namespace varstored::test
