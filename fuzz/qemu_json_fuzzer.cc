// A variable store of QEMU's that an administrator was given. Input: the JSON file.

#include "support.h"
#include "varstored/convert/qemu_json.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  const auto content = convert::ReadQemuJson({data, size});
  if (!content) {
    fuzz::Require(!content.error().message.empty(), "every error has a text");
    return 0;
  }
  const auto written = convert::WriteQemuJson(*content);
  const auto again = convert::ReadQemuJson(written.bytes);
  fuzz::Require(again.ok() && again->lost.empty(),
                "what is written can be read, and loses nothing");
  fuzz::Require(!written.lost.empty() || again->entries == content->entries,
                "what is written is read as the same");
  return 0;
}
