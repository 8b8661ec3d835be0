#include "kept_state.h"

#include <algorithm>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>

#include "varstored/base/base64.h"
#include "varstored/efi/guid.h"
#include "varstored/health/text.h"
#include "varstored/store/vars_blob.h"

namespace varstored::tools {
namespace {

constexpr std::string_view kBlobMagic = "VARS";
/// Enough of base64 to tell it from a blob whose first bytes are damaged.
constexpr std::size_t kProbeBytes = 32;

bool LooksLikeText(std::string_view bytes) {
  const std::string_view front = bytes.substr(0, kProbeBytes);
  return std::all_of(front.begin(), front.end(), [](char c) {
    return (c > ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t' || c == ' ';
  });
}

bool IsRawBlob(std::string_view content) {
  return content.substr(0, kBlobMagic.size()) == kBlobMagic || !LooksLikeText(content);
}

/// Which name the tools have for the place.
std::string TargetOf(const tool::PlaceOptions& options, const tool::Place& place) {
  if (options.backend.empty()) {
    return place.operand();
  }
  for (const char* argument : {"uuid", "path"}) {
    if (const auto found = options.arguments.find(argument); found != options.arguments.end()) {
      return found->second;
    }
  }
  return options.backend;
}

bool IsBase64(const tool::Kept& kept) {
  return kept.form == tool::Kept::Form::kText ||
         (kept.form == tool::Kept::Form::kFile && !IsRawBlob(base::ToString(*kept.bytes)));
}

}  // namespace

Subject SubjectInPool(const backend::PoolVm& vm) {
  Subject subject;
  subject.kept.form = tool::Kept::Form::kText;
  if (vm.variables) {
    subject.kept.bytes = base::ToBytes(*vm.variables);
  }
  subject.context.secure_boot = vm.wants_secure_boot;
  subject.context.is_first_boot = !vm.variables;
  subject.context.now = std::time(nullptr);
  subject.context.target = vm.uuid;
  subject.context.is_vm = true;
  return subject;
}

base::Result<OpenSubject> OpenKept(const tool::PlaceOptions& options, base::Log& log,
                                   sandbox::Stop* stop) {
  auto place = tool::Place::Open(options, log, stop);
  if (!place) {
    return place.failure();
  }
  OpenSubject subject{*std::move(place), {}};
  health::Context& context = subject.context;
  context.target = TargetOf(options, subject.place);
  context.is_vm = efi::ParseGuid(context.target).has_value();
  context.now = std::time(nullptr);
  context.is_first_boot = !subject.place.kept().bytes;
  const auto wish = subject.place.WantsSecureBoot(log);
  if (!wish) {
    log.Warning("whether Secure Boot is wanted is not known: " + wish.error().message);
  } else {
    context.secure_boot = *wish;
  }
  context.secure_boot_at_last_start = subject.place.wanted_secure_boot_at_last_start();
  return subject;
}

health::State StateOf(const tool::Kept& kept) {
  if (!kept.bytes) {
    return {};
  }
  return IsBase64(kept) ? health::ReadStateFromText(base::ToString(*kept.bytes))
                        : health::ReadState(*kept.bytes);
}

base::Result<health::State> ReadableStateOf(const Subject& subject) {
  health::State state = StateOf(subject.kept);
  if (subject.kept.form == tool::Kept::Form::kFile && state.entries.empty() &&
      !state.damage.empty()) {
    return base::Fail(subject.kept.path + ": no variable can be read: offset " +
                      std::to_string(state.damage.front().offset) + ": " +
                      state.damage.front().reason);
  }
  return state;
}

void BeginWithACopy(const tool::Kept& kept, std::vector<health::Finding>& findings) {
  if (!kept.foreign) {
    return;
  }
  for (health::Finding& finding : findings) {
    if (!finding.command.empty()) {
      finding.command =
          health::ShellCommand("varstore-convert", {kept.path, tool::NameOfCopy(kept.path)});
    }
  }
}

tool::NewBytes BytesOf(const health::State& state, const tool::Kept& kept) {
  base::Bytes bytes = health::EncodeState(state);
  if (IsBase64(kept)) {
    const bool ends_in_newline =
        kept.form == tool::Kept::Form::kFile && !kept.bytes->empty() && kept.bytes->back() == '\n';
    bytes = base::ToBytes(base::EncodeBase64(bytes) + (ends_in_newline ? "\n" : ""));
  }
  return {std::move(bytes), tool::AreCertificatesUpToDate(state.entries)};
}

}  // namespace varstored::tools
