// The configuration and the command line. Input: the text of the one, and the words of the other,
// one in each line.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "support.h"
#include "varstored/daemon/options.h"
#include "varstored/efi/variable_name.h"

namespace varstored::fuzz {
namespace {

constexpr daemon::Program kProgram = {
    .name = "fuzzer", .help = "", .door = daemon::Program::Door::kXen};

void CheckLine(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto options = daemon::ReadOptions(kProgram, words);
  Require(options.ok() || (!options.error().message.empty() && options.error().exit_code != 0),
          "a mistake has a message and an exit code");
}

}  // namespace
}  // namespace varstored::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  const std::string text = base::ToString(base::ByteSpan(data, size));
  daemon::Options options;
  const auto applied = daemon::ApplyConfiguration(fuzz::kProgram, "file", text, options);
  fuzz::Require(applied.ok() || applied.error().message.starts_with("file:"),
                "a mistake is named by file and line");
  fuzz::CheckLine(text);
  // Names that an administrator types, and those that older daemons have stored.
  if (const auto name = efi::NameFromUtf8(text)) {
    fuzz::Require(efi::NameToUtf8(name->bytes()) == text, "a name is written as it was read");
  }
  static_cast<void>(efi::NameToUtf8(text));
  const std::string escaped = efi::EscapeName(text);
  fuzz::Require(efi::UnescapeName(escaped) == text, "an escaped name comes back");
  fuzz::Require(
      std::all_of(escaped.begin(), escaped.end(), [](char c) { return c > ' ' && c <= '~'; }),
      "an escaped name is one word of ASCII");
  if (const auto bytes = efi::UnescapeName(text)) {
    fuzz::Require(efi::UnescapeName(efi::EscapeName(*bytes)) == bytes, "what is typed has a form");
  }
  return 0;
}
