// A file that somebody gives to a tool as a VM's variables, in whatever format: text as xe prints
// it, a template of Hyper-V's, JSON of QEMU's, a flash image, a blob. Input: the file.

#include <optional>
#include <string>

#include "support.h"
#include "varstored/tool/format.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  tool::Input input;
  input.path = "vm";
  input.bytes.assign(data, data + size);
  const auto told = tool::FormatOfContent(input.bytes);
  if (told && (*told == tool::Format::kSqlite || *told == tool::Format::kQcow2)) {
    return 0;  // are taken apart before
  }
  const auto source = tool::LookInto(input);
  fuzz::Require(source.ok() || source.error().message.starts_with("vm: "),
                "every error has a text that names the file");
  fuzz::Require(!source || (told.ok() && *told == source->format), "it is read as what it is");
  fuzz::Require(told.ok() || !source, "what cannot be told is not read");
  return 0;
}
