#include <iomanip>
#include <sstream>
#include <string>
#include <vector>

#include "certificate_files.h"
#include "page.h"
#include "varstored/efi/words.h"
#include "varstored/tool/session.h"
#include "varstored/tool/well_known.h"

namespace {

using namespace varstored;

std::string AttributeLines(const store::Entry& entry) {
  std::ostringstream text;
  text << "Attributes = 0x" << std::hex << std::setw(8) << std::setfill('0')
       << entry.raw_attributes() << std::dec << " (" << entry.raw_attributes() << ")\n";
  for (const efi::AttributeName& row : efi::kAttributeNames) {
    if (entry.Has(row.bit)) {
      text << row.name << "\n";
    }
  }
  return text.str();
}

base::Result<std::string> SaveCertificates(tool::PlaceOptions& place, const tool::Rights& rights,
                                           const std::string& folder,
                                           std::vector<std::string>& operands, base::Log& log) {
  if (auto taken = tool::TakePlace(place, operands, 0); !taken) {
    return taken.failure();
  }
  const auto certificates =
      tool::WithSession(place, rights, log, [](tool::Session& session, base::Log& lines) {
        return tools::CertificatesIn(session.store(), lines);
      });
  return certificates ? tools::WriteCertificates(folder, *certificates) : certificates.failure();
}

}  // namespace

int main(int argc, char** argv) {
  tool::PlaceOptions place;
  place.only_looks = true;
  tool::Rights rights;
  bool wants_attributes = false;
  std::string certificates;
  return tool::Main(
      {page::kName, page::kHelp}, argc, argv,
      tool::Joined({tool::OptionsOf(place),
                    tool::OptionsOf(rights),
                    {tool::Flag('a', "attributes", wants_attributes),
                     tool::Value('\0', "certificates", certificates)}}),
      [&](auto operands, auto& log) -> base::Result<std::string> {
        if (!certificates.empty()) {
          return SaveCertificates(place, rights, certificates, operands, log);
        }
        const auto variable = tool::TakeVariable(place, operands, 0);
        if (!variable) {
          return variable.failure();
        }
        return tool::WithSession(
            place, rights, log,
            [&](tool::Session& session, base::Log& /*lines*/) -> base::Result<std::string> {
              const store::Entry* entry = session.store().Find(variable->key());
              if (entry == nullptr) {
                return tool::Refused(tool::Describe(variable->key()), engine::Reason::kNotFound,
                                     tool::HintOfPlace(variable->key()));
              }
              return wants_attributes ? AttributeLines(*entry) : base::ToString(entry->data());
            });
      });
}
