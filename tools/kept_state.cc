#include "kept_state.h"

#include <algorithm>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>

#include "varstored/base/file.h"
#include "varstored/efi/guid.h"

namespace varstored::tools {
namespace {

constexpr std::string_view kDatabaseMagic{"SQLite format 3\0", 16};
/// Enough of base64 to tell it from a blob whose first bytes are damaged.
constexpr std::size_t kProbeBytes = 32;

bool LooksLikeText(std::string_view bytes) {
  const std::string_view front = bytes.substr(0, kProbeBytes);
  return std::all_of(front.begin(), front.end(), [](char c) {
    return (c > ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t' || c == ' ';
  });
}

base::Result<health::State> ReadBlobFile(const std::string& path, const base::Bytes& content) {
  const std::string text = base::ToString(content);
  const bool is_raw = text.substr(0, 4) == "VARS" || !LooksLikeText(text);
  health::State state = is_raw ? health::ReadState(content) : health::ReadStateFromText(text);
  if (state.entries.empty() && !state.damage.empty()) {
    return base::Fail(path + ": no variable can be read: offset " +
                      std::to_string(state.damage.front().offset) + ": " +
                      state.damage.front().reason);
  }
  return state;
}

/// Which name the tools have for the place.
std::string TargetOf(const tool::PlaceOptions& options) {
  if (options.backend.empty()) {
    return options.operand;
  }
  for (const char* argument : {"uuid", "path"}) {
    if (const auto found = options.arguments.find(argument); found != options.arguments.end()) {
      return found->second;
    }
  }
  return options.backend;
}

base::Result<KeptState> ReadFrom(store::Backend& backend, KeptState kept, base::Log& log) {
  auto text = backend.KeptText();
  if (!text) {
    return text.failure();
  }
  const auto wish = backend.WantsSecureBoot();
  if (!wish) {
    log.Warning("whether Secure Boot is wanted is not known: " + wish.error().message);
  } else {
    kept.context.secure_boot = *wish;
  }
  if (*text) {
    kept.state = health::ReadStateFromText(**text);
    return kept;
  }
  auto entries = backend.Load();
  if (!entries) {
    return entries.failure();
  }
  kept.context.is_first_boot = !entries->has_value();
  kept.state.entries = (*std::move(entries)).value_or(std::vector<store::Entry>());
  return kept;
}

}  // namespace

base::Result<KeptState> ReadKeptState(const tool::PlaceOptions& options, base::Log& log) {
  KeptState kept;
  kept.context.target = TargetOf(options);
  kept.context.is_vm = efi::ParseGuid(kept.context.target).has_value();
  kept.context.now = std::time(nullptr);
  if (options.backend.empty() && !kept.context.is_vm) {
    const auto content = base::ReadFile(options.operand, tool::kMaxFileBytes);
    if (content && base::ToString(*content).substr(0, kDatabaseMagic.size()) != kDatabaseMagic) {
      auto state = ReadBlobFile(options.operand, *content);
      if (!state) {
        return state.failure();
      }
      kept.state = *std::move(state);
      return kept;
    }
  }
  auto place = tool::OpenPlace(options, log);
  if (!place) {
    return place.failure();
  }
  return ReadFrom(*place->backend, std::move(kept), log);
}

}  // namespace varstored::tools
