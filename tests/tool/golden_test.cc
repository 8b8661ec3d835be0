#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/stanzas.h"
#include "workshop.h"

/// The files golden/*.txt: what each tool says, and with which exit code (golden/README.md).
namespace varstored::tool {
namespace {

const std::vector<test::Stanza>& Stanzas() {
  static const auto kStanzas = test::ReadStanzasOf(GOLDEN_FOLDER);
  return kStanzas;
}

/// A call, and what is expected of it.
struct Call {
  std::string where;
  std::string words;
  int exit_code = 0;
  std::string output;
  std::string errors;
};

std::string FromHex(const std::string& digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

void Check(const Call& call, const Workshop& workshop) {
  const test::Ended ended = workshop.Run(call.words);
  EXPECT_EQ(ended.exit_code, call.exit_code) << call.where;
  EXPECT_EQ(ended.output, call.output) << call.where;
  EXPECT_EQ(ended.errors, call.errors) << call.where;
}

class Golden : public ::testing::TestWithParam<std::size_t> {};

TEST_P(Golden, IsWhatTheToolSays) {
  const test::Stanza& stanza = Stanzas()[GetParam()];
  const Workshop workshop;
  std::vector<Call> calls;
  std::set<std::string> unchanged;
  for (const auto& line : stanza.lines) {
    if (line.key == "run") {
      calls.push_back({stanza.Where(line), line.value, 0, {}, {}});
    } else if (line.key == "unchanged") {
      unchanged.insert(line.value);
    } else if (line.key == "exit") {
      calls.back().exit_code = std::stoi(line.value);
    } else if (line.key == "out") {
      calls.back().output += line.value + "\n";
    } else if (line.key == "bytes") {
      calls.back().output += FromHex(line.value);
    } else if (line.key == "err") {
      calls.back().errors += line.value + "\n";
    } else if (line.key != "name") {
      throw std::runtime_error(stanza.Where(line) + ": unknown key '" + line.key + "'");
    }
  }
  ASSERT_FALSE(calls.empty()) << stanza.Where();
  const Workshop fresh;
  for (const Call& call : calls) {
    Check(call, workshop);
  }
  for (const std::string& name : unchanged) {
    EXPECT_EQ(workshop.Content(name), fresh.Content(name)) << stanza.Where() << ": " << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Tools, Golden, ::testing::Range(std::size_t{0}, Stanzas().size()),
                         [](const auto& test) { return Stanzas()[test.param]["name"]; });

}  // namespace
}  // namespace varstored::tool
