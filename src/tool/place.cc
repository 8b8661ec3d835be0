#include "varstored/tool/place.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "varstored/base/base64.h"
#include "varstored/base/file.h"
#include "varstored/base/held_file.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/guid.h"
#include "varstored/engine/certificate_state.h"
#include "varstored/sandbox/sandbox.h"

namespace varstored::tool {
namespace {

constexpr std::string_view kBlobMagic = "VARS";
constexpr std::string_view kDatabaseMagic{"SQLite format 3\0", 16};

/// A toolstack in trouble takes its time; its guards give a call two minutes as well.
constexpr std::chrono::milliseconds kCallBudget = std::chrono::minutes(2);

constexpr unsigned long long kMostSeconds = 3600;

bool StartsWith(base::ByteSpan bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && base::ToString(bytes.first(magic.size())) == magic;
}

bool IsKept(const store::Entry* entry) { return entry != nullptr && entry->Has(efi::kNonVolatile); }

/// A file with a blob.
class BlobFileBackend final : public store::Backend {
 public:
  BlobFileBackend(base::HeldFile held, BlobFile file)
      : held_(std::move(held)), file_(std::move(file)) {}

  base::Result<std::optional<std::vector<store::Entry>>> Load() override {
    std::vector<store::Entry> kept;
    for (const store::Entry& entry : file_.blob.entries) {
      if (IsKept(&entry)) {
        kept.push_back(entry);
      }
    }
    return std::optional(std::move(kept));
  }

  base::Result<void> Commit(const store::StagedStore& staged) override {
    store::VarsBlob changed = file_.blob;
    for (const store::StagedStore::Change& change : staged.Changes()) {
      if (file_.form.is_save_file || IsKept(change.before) || IsKept(change.after)) {
        Apply(change, changed.entries);
      }
    }
    if (staged.changes_ancillary()) {
      changed.ancillary = staged.ancillary();
    }
    std::vector<const store::Entry*> entries;
    entries.reserve(changed.entries.size());
    for (const store::Entry& entry : changed.entries) {
      entries.push_back(&entry);
    }
    auto written = held_.Replace(EncodeBlobFile(file_.form, changed.ancillary, entries));
    if (written) {
      file_.blob = std::move(changed);
    }
    return written;
  }

  base::Result<void> ReportSecureBootFailure() override { return {}; }

 private:
  /// A new entry comes first, as in a store.
  static void Apply(const store::StagedStore::Change& change, std::vector<store::Entry>& entries) {
    const store::Key key = store::KeyOf(change.after != nullptr ? *change.after : *change.before);
    const auto found = std::find_if(entries.begin(), entries.end(), [&key](const auto& entry) {
      return store::KeyOf(entry) == key;
    });
    if (change.after == nullptr) {
      if (found != entries.end()) {
        entries.erase(found);
      }
    } else if (found != entries.end()) {
      *found = *change.after;
    } else {
      entries.insert(entries.begin(), *change.after);
    }
  }

  base::HeldFile held_;
  BlobFile file_;
};

base::Result<Place> OpenBackend(const std::string& name, const backend::BackendArguments& arguments,
                                const PlaceOptions& options, base::Log& log) {
  const backend::XapiOptions xapi = {
      .start_budget = kCallBudget,
      .request_budget = kCallBudget,
      .patience = options.wait,
      .is_tool = true,
      .are_certificates_up_to_date = engine::AreCertificatesUpToDate,
  };
  auto opened = backend::FindBackendKind(name)->open(arguments, xapi, log);
  if (!opened) {
    return opened.failure();
  }
  return Place{*std::move(opened), std::nullopt};
}

base::Result<Place> OpenFile(const std::string& path, const PlaceOptions& options, base::Log& log) {
  auto held = base::HeldFile::Open(path);
  if (!held) {
    return held.failure();
  }
  if (!held->exists()) {
    return base::Fail(path + ": no VM's uuid, and there is no such file");
  }
  const auto content = held->Read(kMaxFileBytes);
  if (!content) {
    return content.failure();
  }
  if (StartsWith(*content, kDatabaseMagic)) {
    return OpenBackend("sqlite", {{"path", path}}, options, log);
  }
  auto file = DecodeBlobFile(*content);
  if (!file) {
    return base::Fail(path + ": " + file.error().message);
  }
  Place place;
  if (file->form.is_save_file) {
    place.saved = file->form.is_base64 ? *base::DecodeBase64(base::ToString(*content)) : *content;
  }
  place.backend = std::make_unique<BlobFileBackend>(*std::move(held), *std::move(file));
  return place;
}

/// What --arg may say depends on the backend, which comes before it.
base::Result<void> ApplyArgument(PlaceOptions& place, std::string_view text) {
  const auto* kind = backend::FindBackendKind(place.backend);
  if (kind == nullptr) {
    return base::Fail("comes before --backend");
  }
  const std::size_t colon = text.find(':');
  const std::string name(text.substr(0, colon));
  if (colon == std::string_view::npos) {
    return base::Fail("'" + name + "' is not NAME:VALUE");
  }
  if (!kind->Takes(name)) {
    return base::Fail("the backend " + place.backend + " has no '" + name + "'");
  }
  place.arguments.insert_or_assign(name, std::string(text.substr(colon + 1)));
  return {};
}

base::Result<void> ApplyBackend(PlaceOptions& place, std::string_view name) {
  const auto* kind = backend::FindBackendKind(name);
  if (kind == nullptr || !kind->is_lasting) {
    return base::Fail("there is no backend '" + std::string(name) + "' that keeps variables");
  }
  place.backend = name;
  return {};
}

template <class Id>
Option IdOption(char letter, std::string name, std::optional<Id>& id) {
  return {letter, std::move(name), true, [&id](std::string_view text) -> base::Result<void> {
            // The highest value of a user or a group stands for none.
            const auto number = ParseNumber(text, std::numeric_limits<Id>::max() - 1);
            if (!number) {
              return number.failure();
            }
            id = static_cast<Id>(*number);
            return {};
          }};
}

}  // namespace

std::vector<Option> OptionsOf(Rights& rights) {
  return {Flag('d', "depriv", rights.depriv),
          {'r', "chroot", true,
           [&rights](std::string_view folder) {
             rights.root = folder;
             return base::Result<void>();
           }},
          IdOption('u', "uid", rights.uid),
          IdOption('g', "gid", rights.gid)};
}

base::Result<void> DropRights(const Rights& rights, base::Log& log) {
  if (rights.depriv) {
    if (const auto left = sandbox::LeaveNamespaces(); !left) {
      log.Warning(left.error().message);
    }
  }
  if (rights.root) {
    if (auto changed = sandbox::ChangeRoot(*rights.root); !changed) {
      return changed;
    }
  }
  if (auto changed = sandbox::ChangeIds(rights.uid, rights.gid); !changed) {
    return changed;
  }
  return rights.depriv ? sandbox::ForbidNewPrivileges() : base::Result<void>();
}

base::Result<void> DropAllRights(Rights rights, base::Log& log) {
  constexpr uid_t kNobody = 65534;
  if (::geteuid() == 0 && !rights.uid) {
    rights.uid = kNobody;
  }
  auto dropped = DropRights(rights, log);
  return dropped ? sandbox::ForbidNewPrivileges() : dropped;
}

std::vector<Option> OptionsOf(PlaceOptions& place) {
  return {{'s', "socket", true,
           [&place](std::string_view path) {
             place.socket = path;
             return base::Result<void>();
           }},
          {'\0', "backend", true, [&place](auto name) { return ApplyBackend(place, name); }},
          {'\0', "arg", true, [&place](auto text) { return ApplyArgument(place, text); }},
          {'\0', "wait", true, [&place](std::string_view text) -> base::Result<void> {
             const auto seconds = ParseNumber(text, kMostSeconds);
             if (!seconds) {
               return seconds.failure();
             }
             place.wait = std::chrono::seconds(*seconds);
             return {};
           }}};
}

base::Result<void> TakePlace(PlaceOptions& place, std::vector<std::string>& operands,
                             std::size_t others, bool is_live) {
  if (is_live && !place.backend.empty()) {
    return Misuse("--live and --backend exclude each other");
  }
  if (place.backend.empty()) {
    if (operands.empty()) {
      return Misuse("a VM's uuid, or a file of variables, is missing");
    }
    place.operand = operands.front();
    operands.erase(operands.begin());
  }
  if (operands.size() < others) {
    return Misuse("an operand is missing");
  }
  if (operands.size() > others) {
    return Misuse("'" + operands[others] + "' is one operand too many");
  }
  return {};
}

base::Result<BlobFile> DecodeBlobFile(base::ByteSpan content) {
  if (content.empty()) {
    return base::Fail("it is empty");
  }
  BlobFile file;
  file.form.is_base64 = !StartsWith(content, kBlobMagic);
  base::Bytes raw;
  if (file.form.is_base64) {
    auto decoded = base::DecodeBase64(base::ToString(content));
    if (!decoded) {
      return base::Fail("no VARS blob, and " + decoded.error().message);
    }
    raw = *std::move(decoded);
    file.form.ends_in_newline = content.back() == '\n';
  }
  auto blob = store::DecodeVarsBlob(file.form.is_base64 ? base::ByteSpan(raw) : content);
  if (!blob) {
    return blob.failure();
  }
  file.blob = *std::move(blob);
  file.form.is_save_file = std::any_of(file.blob.entries.begin(), file.blob.entries.end(),
                                       [](const auto& entry) { return !IsKept(&entry); });
  return file;
}

base::Bytes EncodeBlobFile(const BlobForm& form, const store::Ancillary& ancillary,
                           const std::vector<const store::Entry*>& entries) {
  base::Bytes raw = store::EncodeVarsBlob(ancillary, entries);
  return form.is_base64
             ? base::ToBytes(base::EncodeBase64(raw) + (form.ends_in_newline ? "\n" : ""))
             : raw;
}

base::Result<Place> OpenPlace(const PlaceOptions& options, base::Log& log) {
  if (options.backend.empty() && !efi::ParseGuid(options.operand)) {
    return OpenFile(options.operand, options, log);
  }
  const std::string name = options.backend.empty() ? "xapidb" : options.backend;
  backend::BackendArguments arguments = options.arguments;
  if (options.backend.empty()) {
    arguments.insert_or_assign("uuid", options.operand);
  }
  const auto* kind = backend::FindBackendKind(name);
  if (options.socket && kind->Takes("socket")) {
    arguments.insert_or_assign("socket", *options.socket);
  }
  for (const backend::BackendArgument& argument : kind->arguments) {
    if (argument.is_required && !arguments.contains(argument.name)) {
      return Misuse("--arg " + std::string(argument.name) + ":... is missing");
    }
  }
  // The daemon would make a database that is not there; a tool has nothing to look for in it.
  struct stat status = {};
  if (const auto path = arguments.find("path");
      path != arguments.end() && ::stat(path->second.c_str(), &status) != 0) {
    return base::Fail(path->second + ": " + base::ErrnoText());
  }
  return OpenBackend(name, arguments, options, log);
}

}  // namespace varstored::tool
