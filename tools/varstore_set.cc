#include <ctime>
#include <limits>

#include "page.h"
#include "varstored/base/file.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/status.h"
#include "varstored/signer/content.h"
#include "varstored/signer/update.h"
#include "varstored/tool/session.h"
#include "varstored/tool/well_known.h"

namespace {

using namespace varstored;

/// What is to be written.
struct Write {
  tool::NamedVariable variable;
  std::uint32_t attributes = 0;
  std::string path;
  base::Bytes file;
};

/// PK, KEK, db, dbx, dbt or dbr, when the variable is one of these.
std::optional<efi::WellKnownVariable> KeyOf(const tool::NamedVariable& variable) {
  const auto key = signer::SecureBootVariable(efi::NameToUtf8(variable.key().name));
  return key && key->vendor == variable.vendor ? key : std::nullopt;
}

/// What SetVariable takes of the file. Of a key it may be a signed update, or what somebody else
/// would sign: the host owns the store, and nobody has to.
base::Result<base::Bytes> DataOf(const Write& write, base::Log& log) {
  const auto key = KeyOf(write.variable);
  if (!key || (write.attributes & efi::kTimeBasedAuthenticatedWriteAccess) == 0 ||
      efi::ParseAuthenticationDescriptor(write.file)) {
    return write.file;
  }
  const auto given = signer::ParseGiven(write.file);
  if (!given) {
    return base::Fail(write.path +
                      ": no signed update; and as content of one: " + given.error().message);
  }
  const std::string is = write.path + ": " + given->what;
  if (given->update) {
    if (given->attributes != write.attributes) {
      return base::Fail(is + ": write it with these");
    }
    log.Warning(is + ", which are left out");
    return *given->update;
  }
  const std::string name = efi::NameToUtf8(key->name);
  if (const auto fits = signer::CheckContent(name, *given->content); !fits) {
    return base::Fail(write.path + ": " + fits.error().message);
  }
  log.Warning(is + ": taken for what " + name + " is to hold");
  const auto time = signer::TimeOf(std::time(nullptr));
  return signer::EncodeAuthFile({.variable = *key,
                                 .time = time.value_or(efi::Time()),
                                 .payload = signer::EncodeContent(*given->content, name)},
                                {});
}

base::Result<std::string> SetIn(tool::Session& session, const Write& write, base::Log& log) {
  const tool::NamedVariable& variable = write.variable;
  const auto data = DataOf(write, log);
  if (!data) {
    return data.failure();
  }
  const base::Bytes name = base::ToBytes(variable.key().name);
  const auto reason = session.services()
                          .SetVariable({.name = name,
                                        .vendor = variable.vendor,
                                        .attributes = write.attributes,
                                        .data = *data})
                          .reason;
  if (engine::StatusOf(reason) != efi::Status::kSuccess) {
    const bool is_about_attributes = reason == engine::Reason::kSecureBootAttributes ||
                                     reason == engine::Reason::kAttributesDiffer;
    return tool::Refused(tool::Describe(variable.key()), reason,
                         is_about_attributes && KeyOf(variable)
                             ? ": 0x27 replaces it, 0x67 adds to it"
                             : tool::HintOfPlace(variable.key()));
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

base::Result<std::string> Set(tool::PlaceOptions& place, const tool::Rights& rights,
                              std::vector<std::string>& operands, base::Log& log) {
  const auto variable = tool::TakeVariable(place, operands, 2);
  if (!variable) {
    return variable.failure();
  }
  if (tool::IsUnderTheOtherGuid(variable->key())) {
    return base::Fail(tool::Describe(variable->key()) + tool::HintOfPlace(variable->key()));
  }
  const auto attributes = tool::ParseNumber(operands[0], std::numeric_limits<std::uint32_t>::max());
  if (!attributes) {
    return tool::Misuse("attributes: " + attributes.error().message);
  }
  // The file is the caller's, so it is read with the caller's rights.
  const auto data = base::ReadFile(operands[1], store::kMaxDataBytes);
  if (!data) {
    return data.failure();
  }
  const Write write = {*variable, static_cast<std::uint32_t>(*attributes), operands[1], *data};
  return tool::WithSession(place, rights, log, [&](tool::Session& session, base::Log& lines) {
    return SetIn(session, write, lines);
  });
}

}  // namespace

int main(int argc, char** argv) {
  tool::PlaceOptions place;
  tool::Rights rights;
  return tool::Main({page::kName, page::kHelp}, argc, argv,
                    tool::Joined({tool::OptionsOf(place), tool::OptionsOf(rights)}),
                    [&](auto operands, auto& log) -> base::Result<std::string> {
                      return Set(place, rights, operands, log);
                    });
}
