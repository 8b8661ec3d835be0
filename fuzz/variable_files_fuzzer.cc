// A folder as efivarfs's, and names that a guest chose on their way into one. Input: for each file
// the length of its name, the name, the length of its content, the content.

#include <string_view>
#include <vector>

#include "support.h"
#include "varstored/convert/efivarfs.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  fuzz::Input input({data, size});
  std::vector<convert::VariableFile> files;
  convert::ContentBuilder builder;
  while (!input.empty()) {
    const base::ByteSpan name = input.Some(input.U8());
    const base::ByteSpan bytes = input.Counted();
    files.push_back({base::ToString(name), base::ToBytes(bytes)});
    builder.Add({base::ToString(name), {}, 7, base::ToBytes(bytes)});
  }
  const auto any = convert::FromVariableFiles(files);
  fuzz::Require(!any || any->entries.size() + any->lost.size() == files.size(),
                "each is read or named");

  const auto content = builder.Take();
  if (!content) {
    return 0;
  }
  convert::Losses lost;
  const auto written = convert::ToVariableFiles(*content, lost);
  fuzz::Require(written.size() + lost.size() == content->entries.size(), "each is there or named");
  for (const auto& file : written) {
    const std::string_view name = file.name;
    fuzz::Require(name.size() <= 255 && name != "." && name != ".." &&
                      name.find('/') == std::string_view::npos &&
                      name.find('\0') == std::string_view::npos,
                  "a name never leads out of the folder");
  }
  const auto again = convert::FromVariableFiles(written);
  fuzz::Require(again && again->lost.empty() && again->entries.size() == written.size(),
                "what is written is read as the same");
  return 0;
}
