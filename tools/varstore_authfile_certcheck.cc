#include "explain_certificates.h"
#include "host_keys.h"
#include "page.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/signature_list.h"
#include "varstored/engine/certificate_state.h"
#include "varstored/sandbox/helper.h"
#include "varstored/tool/place.h"

namespace {

using namespace varstored;

/// The signature lists in one of the host's files.
base::Result<base::ByteSpan> ListsIn(const std::optional<base::Bytes>& file,
                                     const std::string& name) {
  if (!file) {
    return base::Fail("there is no " + name + " on this host");
  }
  const auto descriptor = efi::ParseAuthenticationDescriptor(*file);
  if (!descriptor || !efi::ParseSignatureLists(descriptor->payload)) {
    return base::Fail(name + ": no signed update with signature lists");
  }
  return descriptor->payload;
}

/// For a helper process: whoever made the files may be nobody of this host.
base::Result<std::string> CheckKeys(const engine::FirstBootKeys& keys, bool explains,
                                    base::Log& log) {
  const auto kek = ListsIn(keys.kek, "KEK.auth");
  if (!kek) {
    return kek.failure();
  }
  const auto db = ListsIn(keys.db, "db.auth");
  if (!db) {
    return db.failure();
  }
  // What a first boot would refuse is no answer to anybody.
  if (const auto usable = engine::CheckFirstBootKeys(keys); !usable) {
    return usable.failure();
  }
  if (explains) {
    tools::ExplainCertificates(*kek, *db, log);
  }
  return std::string(engine::AreCertificatesUpToDate(*kek, *db) ? "updated\n" : "not-updated\n");
}

base::Result<std::string> Check(const tools::HostKeysOptions& host, const tool::Rights& rights,
                                bool explains, base::Log& log) {
  if (auto dropped = tool::DropRights(rights, log); !dropped) {
    return dropped.failure();
  }
  const auto keys = tools::ReadHostKeys(host);
  if (!keys) {
    return keys.failure();
  }
  return sandbox::TextInHelper([&](base::Log& lines) { return CheckKeys(*keys, explains, lines); },
                               log);
}

}  // namespace

int main(int argc, char** argv) {
  tool::Rights rights;
  tools::HostKeysOptions host;
  bool explains = false;
  return tool::Main({page::kName, page::kHelp}, argc, argv,
                    tool::Joined({tool::OptionsOf(rights),
                                  tools::OptionsOf(host),
                                  {tool::Flag('v', "verbose", explains)}}),
                    [&](auto operands, auto& log) -> base::Result<std::string> {
                      if (!operands.empty()) {
                        return tool::Misuse("'" + operands.front() + "' is one operand too many");
                      }
                      return Check(host, rights, explains, log);
                    });
}
