#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "page.h"
#include "varstored/tool/command_line.h"
#include "varstored/tool/conversion.h"

namespace {

using namespace varstored;

tool::Option FormatOption(char letter, std::string name, std::optional<tool::Format>& format) {
  return {letter, std::move(name), true, [&format](std::string_view text) -> base::Result<void> {
            const auto parsed = tool::ParseFormat(text);
            if (!parsed) {
              return parsed.failure();
            }
            format = *parsed;
            return {};
          }};
}

base::Result<std::string> Run(tool::Conversion& conversion, std::vector<std::string> operands,
                              base::Log& log) {
  if (operands.size() != 2) {
    return tool::Misuse("IN and OUT are needed, and nothing else");
  }
  conversion.in = std::move(operands[0]);
  conversion.out = std::move(operands[1]);
  if (auto done = tool::Convert(conversion, log); !done) {
    return done.failure();
  }
  return std::string();
}

}  // namespace

int main(int argc, char** argv) {
  tool::Conversion conversion;
  const std::array options = {
      FormatOption('f', "from", conversion.from),
      FormatOption('t', "to", conversion.to),
      tool::Option{'\0', "template", true,
                   [&conversion](std::string_view path) -> base::Result<void> {
                     conversion.flash_template = path;
                     return {};
                   }},
      tool::Flag('\0', "strict", conversion.strict),
  };
  return tool::Main({"varstore-convert", page::kHelp}, argc, argv, options,
                    [&conversion](std::vector<std::string> operands, base::Log& log) {
                      return Run(conversion, std::move(operands), log);
                    });
}
