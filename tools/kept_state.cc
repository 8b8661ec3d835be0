#include "kept_state.h"

#include <algorithm>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>

#include "varstored/base/base64.h"
#include "varstored/efi/guid.h"
#include "varstored/store/vars_blob.h"

namespace varstored::tools {
namespace {

constexpr std::string_view kDatabaseMagic{"SQLite format 3\0", 16};
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

bool IsDatabase(std::string_view content) {
  return content.substr(0, kDatabaseMagic.size()) == kDatabaseMagic;
}

}  // namespace

base::Result<KeptPlace> KeptPlace::Open(const tool::PlaceOptions& options, base::Log& log) {
  auto place = Fetch(options, log);
  if (place) {
    place->Decode();
  }
  return place;
}

void KeptPlace::Decode() {
  if (is_database_ || !content_) {
    return;
  }
  kept_.state = form_.is_base64 ? health::ReadStateFromText(base::ToString(*content_))
                                : health::ReadState(*content_);
}

base::Result<KeptPlace> KeptPlace::Fetch(const tool::PlaceOptions& options, base::Log& log) {
  KeptPlace place;
  health::Context& context = place.kept_.context;
  context.target = TargetOf(options);
  context.is_vm = efi::ParseGuid(context.target).has_value();
  context.now = std::time(nullptr);
  place.is_database_ = options.backend == "sqlite";
  if (options.backend.empty() && !context.is_vm) {
    auto file = base::HeldFile::Open(options.operand);
    auto content =
        file ? file->Read(tool::kMaxFileBytes) : base::Result<base::Bytes>(file.failure());
    if (content && !IsDatabase(base::ToString(*content))) {
      const std::string text = base::ToString(*content);
      place.file_ = *std::move(file);
      place.form_.is_base64 = !IsRawBlob(text);
      place.form_.ends_in_newline = text.ends_with('\n');
      place.content_ = *std::move(content);
      return place;
    }
    place.is_database_ = true;
  }
  auto opened = tool::OpenPlace(options, log);
  if (!opened) {
    return opened.failure();
  }
  place.backend_ = std::move(opened->backend);
  if (auto read = place.ReadFrom(log); !read) {
    return read.failure();
  }
  return place;
}

base::Result<void> KeptPlace::ReadFrom(base::Log& log) {
  auto text = backend_->KeptText();
  if (!text) {
    return text.failure();
  }
  const auto wish = backend_->WantsSecureBoot();
  if (!wish) {
    log.Warning("whether Secure Boot is wanted is not known: " + wish.error().message);
  } else {
    kept_.context.secure_boot = *wish;
  }
  if (*text) {
    form_.is_base64 = true;
    content_ = base::ToBytes(**text);
    return {};
  }
  auto entries = backend_->Load();
  if (!entries) {
    return entries.failure();
  }
  kept_.context.is_first_boot = !entries->has_value();
  if (entries->has_value()) {
    kept_.state.entries = **std::move(entries);
    content_ = health::EncodeState(kept_.state);
  }
  return {};
}

base::Result<void> KeptPlace::CheckUnchanged() {
  if (is_database_) {
    return {};  // it is locked
  }
  std::optional<base::Bytes> now;
  if (file_) {
    auto content = file_->Read(tool::kMaxFileBytes);
    if (!content) {
      return content.failure();
    }
    now = *std::move(content);
  } else {
    const auto text = backend_->KeptText();
    if (!text) {
      return text.failure();
    }
    if (*text) {
      now = base::ToBytes(**text);
    }
  }
  return now == content_ ? base::Result<void>()
                         : base::Fail(kept_.context.target +
                                      ": somebody else changed the variables just now; nothing was "
                                      "written. Run this again");
}

base::Result<std::optional<std::string>> KeptPlace::VmState() {
  return backend_ == nullptr ? std::optional<std::string>() : backend_->VmState();
}

base::Result<void> KeptPlace::Write(const health::State& state) {
  if (is_database_) {
    return WriteRows(state.entries);
  }
  const base::Bytes raw = health::EncodeState(state);
  if (backend_ != nullptr) {
    return backend_->KeepText(base::EncodeBase64(raw));
  }
  return file_->Replace(
      form_.is_base64 ? base::ToBytes(base::EncodeBase64(raw) + (form_.ends_in_newline ? "\n" : ""))
                      : raw);
}

base::Result<void> KeptPlace::Restore(const base::Bytes& content) {
  if (!is_database_) {
    return backend_ != nullptr ? backend_->KeepText(base::ToString(content))
                               : file_->Replace(content);
  }
  auto blob = store::DecodeVarsBlob(content);
  return blob ? WriteRows(blob->entries) : blob.failure();
}

base::Result<void> KeptPlace::WriteRows(const std::vector<store::Entry>& entries) {
  const store::Store nothing;
  store::StagedStore staged(nothing);
  // The last one that is put comes first in a walk.
  for (std::size_t left = entries.size(); left > 0; --left) {
    staged.Put(entries[left - 1]);
  }
  return backend_->KeepResumed(staged);
}

base::Result<KeptState> ReadKeptState(const tool::PlaceOptions& options, base::Log& log) {
  auto place = KeptPlace::Fetch(options, log);
  if (!place) {
    return place.failure();
  }
  const bool is_toolstack = place->is_toolstack();
  place->Close();
  if (auto dropped = tool::DropAllRights({}, log); !dropped) {
    return dropped.failure();
  }
  place->Decode();
  const health::State& state = place->kept().state;
  if (!is_toolstack && state.entries.empty() && !state.damage.empty()) {
    return base::Fail(options.operand + ": no variable can be read: offset " +
                      std::to_string(state.damage.front().offset) + ": " +
                      state.damage.front().reason);
  }
  return std::move(place->kept());
}

}  // namespace varstored::tools
