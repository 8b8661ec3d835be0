#include <algorithm>

#include "explain_certificates.h"
#include "page.h"
#include "varstored/base/file.h"
#include "varstored/base/standard_input.h"
#include "varstored/efi/well_known.h"
#include "varstored/engine/certificate_state.h"
#include "varstored/sandbox/helper.h"
#include "varstored/tool/place.h"
#include "varstored/tool/standard_input.h"

namespace {

using namespace varstored;

base::ByteSpan ContentOf(const store::VarsBlob& blob, const efi::WellKnownVariable& variable) {
  const auto found = std::find_if(
      blob.entries.begin(), blob.entries.end(),
      [&variable](const auto& entry) { return variable.Is(entry.name(), entry.vendor()); });
  return found == blob.entries.end() ? base::ByteSpan() : base::ByteSpan(found->data());
}

/// For a helper process: a guest wrote what is in the file.
base::Result<std::string> CheckContent(const std::string& path, base::ByteSpan content,
                                       bool explains, base::Log& log) {
  const auto file = tool::DecodeBlobFile(content);
  if (!file) {
    return base::Fail(path + ": " + file.error().message);
  }
  const base::ByteSpan kek = ContentOf(file->blob, efi::kKek);
  const base::ByteSpan db = ContentOf(file->blob, efi::kDb);
  if (explains) {
    tools::ExplainCertificates(kek, db, log);
  }
  return std::string(engine::AreCertificatesUpToDate(kek, db) ? "update_ok\n"
                                                              : "update_required\n");
}

base::Result<std::string> Check(const std::string& path, const tool::Rights& rights, bool explains,
                                base::Log& log) {
  if (auto dropped = tool::DropRights(rights, log); !dropped) {
    return dropped.failure();
  }
  const bool is_standard_input = path == tool::kStandardInput;
  const auto content = is_standard_input ? base::ReadStandardInput(tool::kMaxFileBytes)
                                         : base::ReadFile(path, tool::kMaxFileBytes);
  if (!content) {
    return content.failure();
  }
  const std::string name = is_standard_input ? base::kStandardInputName : path;
  if (content->size() > tool::kMaxFileBytes) {
    return base::Fail(name + ": larger than " + std::to_string(tool::kMaxFileBytes) + " bytes");
  }
  return sandbox::TextInHelper(
      [&](base::Log& lines) { return CheckContent(name, *content, explains, lines); }, log);
}
}  // namespace

int main(int argc, char** argv) {
  tool::Rights rights;
  std::string socket;
  bool explains = false;
  return tool::Main(
      {page::kName, page::kHelp}, argc, argv,
      tool::Joined({tool::OptionsOf(rights),
                    {tool::Value('s', "socket", socket), tool::Flag('v', "verbose", explains)}}),
      [&](auto operands, auto& log) -> base::Result<std::string> {
        if (operands.size() != 1) {
          return tool::Misuse("one file of variables is needed");
        }
        return Check(operands.front(), rights, explains, log);
      });
}
