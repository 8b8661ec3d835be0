#include "proposed.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "varstored/base/ascii.h"
#include "varstored/base/file.h"
#include "varstored/base/no_log.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/status.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"
#include "varstored/health/edit.h"
#include "varstored/health/revoked.h"
#include "varstored/signer/content.h"
#include "varstored/signer/update.h"
#include "varstored/tool/session.h"

namespace varstored::tools {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20U;

/// The key that a file of this name is for, as Microsoft and toolstacks call such files; empty: it
/// does not say.
std::string KeyOfName(std::string_view path) {
  constexpr std::array<std::string_view, 6> kKeys = {"PK", "KEK", "dbx", "dbt", "dbr", "db"};
  constexpr std::string_view kUpdate = "update";
  const std::string name = base::LowerAscii(path.substr(path.find_last_of('/') + 1));
  for (const std::string_view key : kKeys) {
    if (name.starts_with(base::LowerAscii(key))) {
      const std::string_view rest = std::string_view(name).substr(key.size());
      const bool is_word = rest.empty() || rest.front() < 'a' || rest.front() > 'z';
      return is_word || rest.starts_with(kUpdate) ? std::string(key) : std::string();
    }
  }
  return {};
}

/// Of signature lists. Whose entries are for no one key says nothing.
std::string KeyOfLists(base::ByteSpan bytes) {
  const auto lists = efi::ParseSignatureLists(bytes);
  if (!lists) {
    return {};
  }
  std::optional<std::string> common;
  for (const efi::SignatureList& list : *lists) {
    const bool is_of_dbx = efi::IsHashOfCertificate(list.kind);
    for (const efi::SignatureEntry& entry : list.entries) {
      const auto usual =
          list.kind == efi::SignatureKind::kX509 ? health::UsualKeyOf(entry.data) : std::nullopt;
      std::string key = is_of_dbx || health::IsVersion(list.kind, entry) ? "dbx"
                        : usual ? efi::NameToUtf8(usual->name)
                                : std::string();
      if (key == "dbx") {
        return key;
      }
      common = common && *common != key ? std::string() : key;
    }
  }
  return common.value_or("");
}

std::string KeyOfContent(const signer::Content& content) {
  return content.form == signer::ContentForm::kRevocationList
             ? "dbx"
             : KeyOfLists(signer::EncodeContent(content, signer::UsualOwner("db")));
}

base::Failure<base::Error> NoKey() {
  return base::Fail(
      "neither what is in it nor its name says which key it is for: write db=FILE, dbx=FILE or "
      "KEK=FILE");
}

/// What is kept after a write of `data` to the variable of `update`, which nobody has to sign: as
/// varstore-set writes it.
base::Result<health::State> Written(const health::State& state, const tool::Kept& kept,
                                    const signer::Update& update, base::ByteSpan data) {
  base::NoLog no_log;
  const tool::Kept copy = {kept.form, kept.path, BytesOf(state, kept).bytes};
  auto session = tool::Session::Open(copy, no_log);
  if (!session) {
    return session.failure();
  }
  const base::Bytes name = base::ToBytes(update.variable.name);
  const auto reason = session->services()
                          .SetVariable({.name = name,
                                        .vendor = update.variable.vendor,
                                        .attributes = update.attributes.raw(),
                                        .data = data})
                          .reason;
  if (engine::StatusOf(reason) != efi::Status::kSuccess) {
    return tool::Refused(efi::NameToUtf8(update.variable.name), reason);
  }
  if (const auto saved = session->Save(); !saved) {
    return saved.failure();
  }
  return session->changed() ? StateOf({kept.form, kept.path, session->changed()->bytes}) : state;
}

base::Result<health::State> WithUpdate(const health::State& state, const tool::Kept& kept,
                                       const Proposed& file, const base::Bytes& data) {
  auto update = signer::SignedFor(data);
  if (update && !file.key.empty() && efi::NameToUtf8(update->variable.name) != file.key) {
    return base::Fail("it is signed for " + efi::NameToUtf8(update->variable.name));
  }
  if (!update) {
    const auto variable =
        signer::SecureBootVariable(file.key.empty() ? KeyOfName(file.path) : file.key);
    if (!variable) {
      return NoKey();
    }
    update = signer::Update{.variable = *variable};
  }
  return Written(state, kept, *update, data);
}

base::Result<health::State> WithContent(health::State state, const Proposed& file,
                                        const signer::Content& content) {
  std::string key = !file.key.empty() ? file.key : KeyOfContent(content);
  if (key.empty()) {
    key = KeyOfName(file.path);
  }
  if (key.empty()) {
    return NoKey();
  }
  const auto variable = health::EditableKey(key);
  if (!variable) {
    return variable.failure();
  }
  if (auto fits = signer::CheckContent(key, content); !fits) {
    return fits.failure();
  }
  return health::EditKey(std::move(state),
                         {*variable, {}, signer::EncodeContent(content, signer::UsualOwner("PK"))});
}

}  // namespace

base::Result<std::vector<Proposed>> ReadProposed(const std::vector<std::string>& words) {
  std::vector<Proposed> files;
  for (const std::string& word : words) {
    Proposed file = {{}, word, {}};
    const std::size_t end = word.find('=');
    if (end != std::string::npos && signer::SecureBootVariable(word.substr(0, end))) {
      file.key = word.substr(0, end);
      file.path = word.substr(end + 1);
    }
    auto bytes = base::ReadFile(file.path, kMaxFileBytes);
    if (!bytes) {
      return bytes.failure();
    }
    file.bytes = *std::move(bytes);
    files.push_back(std::move(file));
  }
  return files;
}

base::Result<health::State> WithProposed(health::State state, const tool::Kept& kept,
                                         const std::vector<Proposed>& files) {
  for (const Proposed& file : files) {
    const auto given = signer::ParseGiven(file.bytes);
    auto after = !given          ? base::Result<health::State>(given.failure())
                 : given->update ? WithUpdate(state, kept, file, *given->update)
                                 : WithContent(std::move(state), file, *given->content);
    if (!after) {
      return base::Fail(file.path + ": " + after.error().message);
    }
    state = *std::move(after);
  }
  return state;
}

}  // namespace varstored::tools
