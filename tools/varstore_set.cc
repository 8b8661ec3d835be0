#include <limits>

#include "page.h"
#include "varstored/base/file.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/status.h"
#include "varstored/tool/session.h"

namespace {

using namespace varstored;

base::Result<std::string> SetIn(tool::Session& session, const tool::NamedVariable& variable,
                                std::uint32_t attributes, base::ByteSpan data, base::Log& log) {
  const base::Bytes name = base::ToBytes(variable.key().name);
  const auto reason =
      session.services()
          .SetVariable(
              {.name = name, .vendor = variable.vendor, .attributes = attributes, .data = data})
          .reason;
  if (engine::StatusOf(reason) != efi::Status::kSuccess) {
    return tool::Refused(tool::Describe(variable.key()), reason);
  }
  const auto saved = session.Save();
  if (!saved) {
    return saved.failure();
  }
  const store::Entry* entry = session.store().Find(variable.key());
  if (!*saved && reason != engine::Reason::kUnchanged && entry != nullptr &&
      !entry->Has(efi::kNonVolatile)) {
    log.Warning(tool::Describe(variable.key()) +
                " is volatile (attributes without 0x1), so there is nothing to keep");
  }
  return std::string();
}

base::Result<std::string> Set(const tool::PlaceOptions& place, const tool::Rights& rights,
                              const std::vector<std::string>& operands, base::Log& log) {
  const auto variable = tool::ParseNamedVariable(operands[0], operands[1]);
  if (!variable) {
    return variable.failure();
  }
  const auto attributes = tool::ParseNumber(operands[2], std::numeric_limits<std::uint32_t>::max());
  if (!attributes) {
    return base::Fail("attributes: " + attributes.error().message);
  }
  // The file is the caller's, so it is read with the caller's rights.
  const auto data = base::ReadFile(operands[3], store::kMaxDataBytes);
  if (!data) {
    return data.failure();
  }
  return tool::WithSession(place, rights, log, [&](tool::Session& session, base::Log& lines) {
    return SetIn(session, *variable, static_cast<std::uint32_t>(*attributes), *data, lines);
  });
}

}  // namespace

int main(int argc, char** argv) {
  tool::PlaceOptions place;
  tool::Rights rights;
  return tool::Main({page::kName, page::kHelp}, argc, argv,
                    tool::Joined({tool::OptionsOf(place), tool::OptionsOf(rights)}),
                    [&](auto operands, auto& log) -> base::Result<std::string> {
                      if (auto taken = tool::TakePlace(place, operands, 4); !taken) {
                        return taken.failure();
                      }
                      return Set(place, rights, operands, log);
                    });
}
