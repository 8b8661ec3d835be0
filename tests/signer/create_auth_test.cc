// What create-auth says and how it ends: tests/signer/create_auth_cases.txt.

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "support/stanzas.h"
#include "workshop.h"

namespace varstored::signer {
namespace {

std::string Lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    text += line + "\n";
  }
  return text;
}

class CreateAuthCase : public Workshop {
 public:
  explicit CreateAuthCase(test::Stanza stanza) : stanza_(std::move(stanza)) {}

  void TestBody() override {
    SCOPED_TRACE(stanza_.Where());
    const auto ended = Shell("ln -s $keys keys\n" + stanza_["run"]);
    EXPECT_EQ(std::to_string(ended.exit_code), stanza_.Get("exit", "0"));
    EXPECT_EQ(ended.output, Lines(stanza_.All("output")));
    EXPECT_EQ(ended.errors, Lines(stanza_.All("error")));
    EXPECT_EQ(IsThere("out"), ended.exit_code == 0);
  }

 private:
  test::Stanza stanza_;
};

[[maybe_unused]] const bool kRegistered = [] {
  for (const test::Stanza& stanza : test::ReadStanzas(CASES)) {
    testing::RegisterTest("CreateAuth", stanza["test"].c_str(), nullptr, nullptr, CASES,
                          static_cast<int>(stanza.lines.front().number),
                          [stanza]() -> Workshop* { return new CreateAuthCase(stanza); });
  }
  return true;
}();

}  // namespace
}  // namespace varstored::signer
