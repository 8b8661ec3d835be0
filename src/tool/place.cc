#include "varstored/tool/place.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <limits>
#include <utility>

#include "toolstack_helper.h"
#include "varstored/backend/xapi.h"
#include "varstored/base/base64.h"
#include "varstored/base/file.h"
#include "varstored/base/shell.h"
#include "varstored/base/unique_fd.h"
#include "varstored/convert/flash_image.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/well_known.h"
#include "varstored/engine/certificate_state.h"
#include "varstored/sandbox/sandbox.h"
#include "varstored/store/history.h"
#include "varstored/store/store.h"
#include "varstored/tool/format.h"
#include "varstored/tool/live.h"
#include "varstored/tool/standard_input.h"
#include "varstored/tool/vm_name.h"

namespace varstored::tool {
namespace {

constexpr std::string_view kBlobMagic = "VARS";
constexpr std::string_view kBase64Magic = "VkFSU";  // the same in base64

constexpr unsigned long long kMostSeconds = 3600;

bool StartsWith(base::ByteSpan bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && base::ToString(bytes.first(magic.size())) == magic;
}

bool IsKept(const store::Entry* entry) { return entry != nullptr && entry->Has(efi::kNonVolatile); }

/// A file with a blob.
class FileVariables final : public KeptVariables {
 public:
  FileVariables(const Kept& kept, BlobFile file) : file_(std::move(file)) {
    if (file_.form.is_save_file) {
      saved_ =
          file_.form.is_base64 ? *base::DecodeBase64(base::ToString(*kept.bytes)) : *kept.bytes;
    }
  }

  [[nodiscard]] const std::optional<base::Bytes>& saved() const override { return saved_; }

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
    for (const store::StagedStore::Change& change : staged.Changes()) {
      if (file_.form.is_save_file || IsKept(change.before) || IsKept(change.after)) {
        Apply(change, file_.blob.entries);
      }
    }
    if (staged.changes_ancillary()) {
      file_.blob.ancillary = staged.ancillary();
    }
    std::vector<const store::Entry*> entries;
    entries.reserve(file_.blob.entries.size());
    for (const store::Entry& entry : file_.blob.entries) {
      entries.push_back(&entry);
    }
    changed_ = {EncodeBlobFile(file_.form, file_.blob.ancillary, entries), std::nullopt};
    return {};
  }

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

  BlobFile file_;
  std::optional<base::Bytes> saved_;
};

/// What a toolstack or a database has: all that is kept, and nothing else.
class PlainVariables final : public KeptVariables {
 public:
  PlainVariables(bool is_text, std::optional<std::vector<store::Entry>> entries)
      : is_text_(is_text), entries_(std::move(entries)) {}

  [[nodiscard]] const std::optional<base::Bytes>& saved() const override { return saved_; }

  base::Result<std::optional<std::vector<store::Entry>>> Load() override { return entries_; }

  base::Result<void> Commit(const store::StagedStore& staged) override {
    std::vector<const store::Entry*> entries;
    staged.ForEach([&entries](const store::Entry& entry) {
      if (IsKept(&entry)) {
        entries.push_back(&entry);
      }
    });
    base::Bytes blob = store::EncodeVarsBlob({}, entries);
    changed_ = {is_text_ ? base::ToBytes(base::EncodeBase64(blob)) : std::move(blob),
                backend::ChangesCertificates(staged)
                    ? std::optional(AreCertificatesUpToDate(staged))
                    : std::nullopt};
    return {};
  }

 private:
  bool is_text_;
  std::optional<std::vector<store::Entry>> entries_;
  std::optional<base::Bytes> saved_;
};

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

/// The file or folder that the operand means; nothing: what a backend has. Without a toolstack a
/// uuid means the VM's database where xl's VMs have theirs (docs/xl.md, "What runs, and
/// what it may do").
base::Result<std::optional<std::string>> PathOf(const PlaceOptions& options) {
  const auto uuid = efi::ParseGuid(options.operand);
  if (!options.backend.empty() || !uuid) {
    return options.backend.empty() ? std::optional(options.operand) : std::nullopt;
  }
  if (options.socket || HasToolstack()) {
    return std::optional<std::string>();
  }
  const std::string path = HostFolders().vms + "/" + efi::ToText(*uuid) + "/variables.sqlite";
  std::error_code error;
  if (std::filesystem::exists(path, error)) {
    return std::optional(path);
  }
  return base::Fail(
      options.operand + ": there is no toolstack on this host (no " +
      std::filesystem::path(backend::XapiOptions().socket_path).parent_path().string() +
      "), and no VM of xl's has " + path + ". Name the file of the VM's variables instead");
}

/// What a backend is told. `path` is that of a database.
base::Result<backend::BackendArguments> ArgumentsOf(const PlaceOptions& options,
                                                    const std::optional<std::string>& path) {
  const std::string name = path ? "sqlite" : options.backend.empty() ? "xapidb" : options.backend;
  backend::BackendArguments arguments = options.arguments;
  if (options.backend.empty()) {
    arguments.insert_or_assign(path ? "path" : "uuid", path.value_or(options.operand));
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
  return arguments;
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
    if (place.operand == kStandardInput && !place.only_looks) {
      return Misuse("'-', standard input, cannot be written back to: give a VM or a file");
    }
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

namespace {

/// For a helper process: all rows as a raw blob.
base::Result<std::optional<base::Bytes>> RowsOf(backend::SqliteBackend& database) {
  const auto entries = database.Load();
  if (!entries) {
    return entries.failure();
  }
  if (!entries->has_value()) {
    return std::optional<base::Bytes>();
  }
  std::vector<const store::Entry*> kept;
  for (const store::Entry& entry : **entries) {
    kept.push_back(&entry);
  }
  return std::optional(store::EncodeVarsBlob({}, kept));
}

base::Failure<base::Error> Changed() {
  return base::Fail(
      "somebody else changed the variables just now; nothing was written. Run this again");
}

/// For a helper process, which has the files.
base::Result<void> ReplaceRows(const std::string& name, const std::optional<base::Bytes>& before,
                               base::ByteSpan blob, base::Log& log) {
  const auto decoded = store::DecodeVarsBlob(blob);
  if (!decoded) {
    return decoded.failure();
  }
  auto database = backend::SqliteBackend::Open(
      backend::DatabaseFiles{name, base::UniqueFd(sandbox::Helper::kFirstFile),
                             base::UniqueFd(sandbox::Helper::kFirstFile + 1)},
      log, backend::SqliteBackend::FirstWrite::kWithCommit);
  if (!database) {
    return database.failure();
  }
  const auto now = RowsOf(**database);
  if (!now) {
    return now.failure();
  }
  if (*now != before) {
    return Changed();
  }
  const store::Store nothing;
  store::StagedStore staged(nothing);
  // The last one that is put comes first in a walk.
  for (std::size_t left = decoded->entries.size(); left > 0; --left) {
    staged.Put(decoded->entries[left - 1]);
  }
  // glibc's name for what this process was started as.
  return (*database)->KeepByTool(staged, program_invocation_short_name);
}

/// Looks into a database in a helper process.
base::Result<Rows> RowsIn(backend::DatabaseBytes bytes, base::Log& log) {
  const auto answer = sandbox::InHelper(
      [&bytes](base::Log& lines) -> base::Result<base::Bytes> {
        const auto database = backend::SqliteBackend::Look(std::move(bytes), lines);
        if (!database) {
          return database.failure();
        }
        const auto all = RowsOf(**database);
        const auto wanted = (*database)->WantedSecureBootAtLastStart();
        if (!all || !wanted) {
          return all ? wanted.failure() : all.failure();
        }
        const auto history = (*database)->History();
        if (!history) {
          return history.failure();
        }
        base::Writer writer;
        WriteWish(writer, *wanted);
        WriteText(writer, base::ToString(store::EncodeHistory(*history)));
        writer.WriteBytes(all->value_or(base::Bytes()));
        return writer.Take();
      },
      log);
  if (!answer) {
    return answer.failure();
  }
  base::Reader reader(*answer);
  Rows rows;
  std::string history;
  if (!ReadWish(reader, rows.wanted_secure_boot) || !ReadText(reader, history)) {
    return sandbox::BrokenAnswer();
  }
  rows.history = base::ToBytes(history);
  if (!reader.empty()) {
    rows.blob = base::ToBytes(reader.ReadRest());
  }
  return rows;
}

}  // namespace

base::Result<Rows> ReadRows(base::HeldFile& file, base::Log& log) {
  const auto files = backend::OpenDatabaseFiles(file, backend::DatabaseUse::kLook);
  if (!files) {
    return files.failure();
  }
  auto bytes = backend::ReadDatabase(*files);
  return bytes ? RowsIn(*std::move(bytes), log) : bytes.failure();
}

base::Result<void> WriteRows(base::HeldFile& file, backend::DatabaseUse use,
                             const std::optional<base::Bytes>& before, base::ByteSpan blob,
                             base::Log& log) {
  const auto files = backend::OpenDatabaseFiles(file, use);
  if (!files) {
    return files.failure();
  }
  const auto done = sandbox::InHelper(
      [&](base::Log& lines) -> base::Result<base::Bytes> {
        const auto kept = ReplaceRows(file.path(), before, blob, lines);
        return kept ? base::Result<base::Bytes>(base::Bytes()) : kept.failure();
      },
      log,
      {.keeps = sandbox::HelperKeeps::kFiles,
       .files = {files->database.get(), files->log.get()},
       .max_file_bytes = 2 * backend::kMaxDatabaseBytes});
  return done ? base::Result<void>() : done.failure();
}

void WriteText(base::Writer& writer, std::string_view text) {
  writer.WriteU32(static_cast<std::uint32_t>(text.size()));
  writer.WriteBytes(base::ToBytes(text));
}

bool ReadText(base::Reader& reader, std::string& text) {
  std::uint32_t size = 0;
  base::ByteSpan bytes;
  if (!reader.ReadU32(size) || !reader.ReadBytes(size, bytes)) {
    return false;
  }
  text = base::ToString(bytes);
  return true;
}

void WriteWish(base::Writer& writer, std::optional<bool> wish) {
  constexpr std::uint8_t kNoWish = 2;
  writer.WriteU8(!wish ? kNoWish : *wish ? 1 : 0);
}

bool ReadWish(base::Reader& reader, std::optional<bool>& wish) {
  std::uint8_t byte = 0;
  if (!reader.ReadU8(byte)) {
    return false;
  }
  wish = byte <= 1 ? std::optional(byte == 1) : std::nullopt;
  return true;
}

void WriteNewBytes(base::Writer& writer, const NewBytes& changed) {
  const auto& word = changed.are_certificates_up_to_date;
  writer.WriteU8(!word ? 0 : *word ? 2 : 1);
  writer.WriteBytes(changed.bytes);
}

base::Result<NewBytes> ReadNewBytes(base::Reader& reader) {
  std::uint8_t word = 0;
  if (!reader.ReadU8(word) || reader.empty() || reader.remaining() > kMaxFileBytes) {
    return base::Fail("the answer of the helper process is no file of variables");
  }
  return NewBytes{base::ToBytes(reader.ReadRest()),
                  word == 0 ? std::nullopt : std::optional(word == 2)};
}

base::Result<std::unique_ptr<KeptVariables>> KeptVariables::Decode(const Kept& kept) {
  if (kept.form == Kept::Form::kFile) {
    auto file = DecodeBlobFile(*kept.bytes);
    if (!file) {
      return base::Fail(kept.path + ": " + file.error().message);
    }
    return std::unique_ptr<KeptVariables>(std::make_unique<FileVariables>(kept, *std::move(file)));
  }
  const bool is_text = kept.form == Kept::Form::kText;
  std::optional<std::vector<store::Entry>> entries;
  if (kept.bytes) {
    const auto raw = is_text ? base::DecodeBase64(base::ToString(*kept.bytes))
                             : base::Result<base::Bytes>(*kept.bytes);
    auto blob = raw ? store::DecodeVarsBlob(*raw) : raw.failure();
    if (!blob) {
      return base::Fail((is_text ? "VM.NVRAM EFI-variables: " : "") + blob.error().message);
    }
    entries = std::move(blob->entries);
  }
  return std::unique_ptr<KeptVariables>(
      std::make_unique<PlainVariables>(is_text, std::move(entries)));
}

bool AreCertificatesUpToDate(const store::StagedStore& variables) {
  return engine::AreCertificatesUpToDate(store::ContentOf(variables, efi::kKek),
                                         store::ContentOf(variables, efi::kDb));
}

bool AreCertificatesUpToDate(const std::vector<store::Entry>& entries) {
  store::Store store;
  for (const store::Entry& entry : entries) {
    store.Append(entry);
  }
  return AreCertificatesUpToDate(store::StagedStore(store));
}

std::string NameOfCopy(const std::string& path) {
  std::string name = path;
  while (name.size() > 1 && name.ends_with('/')) {
    name.pop_back();
  }
  return std::filesystem::path(name).filename().string() + ".vars";
}

namespace {

/// For a helper process. Of an input in another program's format: that format, and the variables as
/// a file with a `VARS` blob has them. Nothing of such a blob, nor of what may be the rest of one.
base::Result<base::Bytes> Translate(const Input& input, base::Log& log) {
  const auto told = input.format ? base::Result<std::optional<Format>>(input.format)
                                 : FormatOfContent(input.bytes);
  if (!told) {
    return base::Fail(input.path + ": " + told.error().message);
  }
  if (!*told || *told == Format::kVars) {
    return base::Bytes();
  }
  const Format format = **told;
  base::Writer answer;
  answer.WriteU8(static_cast<std::uint8_t>(format));
  if (format == Format::kVarsBase64 || format == Format::kXe) {
    // As a toolstack keeps it, so that a broken one, too, is read as far as it can be.
    const auto base64 = Base64In(input.bytes);
    if (!base64) {
      return base::Fail(input.path + ": " + base64.error().message);
    }
    answer.WriteBytes(*base64);
    return format == Format::kXe || base64->size() < input.bytes.size() ? answer.Take()
                                                                        : base::Bytes();
  }
  const auto source = LookInto(input);
  if (!source) {
    return source.failure();
  }
  for (const std::string& lost : source->content.lost) {
    log.Warning(input.path + ": left out: " + lost);
  }
  std::vector<const store::Entry*> kept;
  for (const store::Entry& entry : source->content.entries) {
    if (IsKept(&entry)) {
      kept.push_back(&entry);
    }
  }
  answer.WriteBytes(store::EncodeVarsBlob({}, kept));
  return answer.Take();
}

}  // namespace

Place::Place() = default;
Place::~Place() = default;
Place::Place(Place&&) noexcept = default;

base::Result<Place> Place::Open(const PlaceOptions& given, base::Log& log, sandbox::Stop* stop) {
  const auto understood = Understood(given, log, stop);
  if (!understood) {
    return understood.failure();
  }
  const PlaceOptions& options = *understood;
  const auto path = PathOf(options);
  if (!path) {
    return path.failure();
  }
  Place place;
  place.operand_ = options.operand;
  if (*path) {
    const auto is_database = place.OpenPath(**path, log);
    if (!is_database) {
      return is_database.failure();
    }
    if (!*is_database) {
      return place;
    }
  }
  const auto arguments = ArgumentsOf(options, *path);
  if (!arguments) {
    return arguments.failure();
  }
  place.kept_.form = Kept::Form::kRows;
  if (const auto database = arguments->find("path"); database != arguments->end()) {
    if (!place.database_) {
      auto file = base::HeldFile::Open(database->second);
      if (!file) {
        return file.failure();
      }
      place.database_ = *std::move(file);
    }
  } else {
    auto toolstack = ToolstackHelper::Start(*arguments, options.wait, stop, log);
    if (!toolstack) {
      return toolstack.failure();
    }
    place.kept_.form = Kept::Form::kText;
    place.toolstack_ = *std::move(toolstack);
  }
  auto bytes = place.Read(log);
  if (!bytes && place.database_ && bytes.error().message.ends_with(backend::kDatabaseInUse)) {
    const std::string database = place.database_->path();
    if (!options.only_looks) {
      return base::Fail(bytes.error().message +
                        ": the VM runs, as a rule. Shut it down, then run this again");
    }
    const auto asked = place.AskDaemon(database, log);
    return asked ? base::Result<Place>(std::move(place))
                 : base::Fail(bytes.error().message + "; " + asked.error().message);
  }
  if (!bytes) {
    return bytes.failure();
  }
  place.kept_.bytes = *std::move(bytes);
  return place;
}

base::Result<void> Place::AskDaemon(const std::string& path, base::Log& log) {
  const std::string folder = std::filesystem::path(path).parent_path().filename();
  if (!efi::ParseGuid(folder)) {
    return base::Fail("if a VM runs with it, `--live` and the VM's uuid show it (varstore-ls)");
  }
  auto live = AskLive(folder, {}, log);
  if (!live) {
    return base::Fail("its varstored cannot be asked: " + live.error().message);
  }
  auto blob = sandbox::InHelper(
      [&live](base::Log& /*lines*/) -> base::Result<base::Bytes> {
        auto snapshot = ReadLive(*live);
        return snapshot ? base::Result<base::Bytes>(std::move(snapshot->blob)) : snapshot.failure();
      },
      log);
  if (!blob) {
    return blob.failure();
  }
  log.Info("the VM runs: this is what its varstored has in memory now (" + live->path + ")");
  database_.reset();
  kept_.form = Kept::Form::kFile;
  kept_.path = live->path;
  kept_.bytes = *std::move(blob);
  running_ = std::make_unique<LiveAnswer>(*std::move(live));
  return {};
}

base::Result<bool> Place::OpenPath(const std::string& path, base::Log& log) {
  const bool is_standard_input = path == kStandardInput;
  auto input = is_standard_input ? ReadStandardInput(log) : ReadInput(path, std::nullopt, log);
  if (!input) {
    return input.failure();
  }
  if (is_standard_input) {
    operand_ = input->path;
    if (input->format == Format::kSqlite) {
      auto rows = RowsIn({input->path, std::move(input->bytes), {}}, log);
      if (!rows) {
        return rows.failure();
      }
      kept_.form = Kept::Form::kRows;
      kept_.path = input->path;
      kept_.bytes = std::move(rows->blob);
      wanted_secure_boot_ = rows->wanted_secure_boot;
      return false;
    }
  }
  if (input->file && !input->file->exists()) {
    return base::Fail(path + ": there is no such file");
  }
  if (input->format == Format::kSqlite) {
    database_ = std::move(input->file);
    return true;
  }
  if (!StartsWith(input->bytes, kBlobMagic) && !StartsWith(input->bytes, kBase64Magic)) {
    const auto answer =
        sandbox::InHelper([&input](base::Log& lines) { return Translate(*input, lines); }, log,
                          {.memory_bytes = convert::kHelperMemoryBytes});
    if (!answer) {
      return answer.failure();
    }
    base::Reader reader(*answer);
    std::uint8_t format = 0;
    if (reader.ReadU8(format)) {
      if (format > static_cast<std::uint8_t>(kLastFormat)) {
        return sandbox::BrokenAnswer();
      }
      kept_.foreign = static_cast<Format>(format);
      input->bytes = base::ToBytes(reader.ReadRest());
    }
  }
  if (input->bytes.size() > kMaxFileBytes) {
    return base::Fail(input->path + ": larger than " + std::to_string(kMaxFileBytes) + " bytes");
  }
  kept_.path = input->path;
  kept_.bytes = std::move(input->bytes);
  file_ = std::move(input->file);
  return false;
}

base::Result<void> Place::CheckMayKeep() const {
  if (!kept_.foreign && !file_ && !database_ && !toolstack_) {
    return base::Fail(kept_.path + ": nothing was written: it can be looked at only");
  }
  return !kept_.foreign
             ? base::Result<void>()
             : base::Fail(
                   kept_.path + ": nothing was written: it is " + DescriptionOf(*kept_.foreign) +
                   ", which can be looked at only. Make a copy that can be changed: " +
                   base::ShellCommand("varstore-convert", {kept_.path, NameOfCopy(kept_.path)}));
}

base::Result<std::optional<base::Bytes>> Place::Read(base::Log& log) {
  if (file_) {
    auto content = file_->Read(kMaxFileBytes);
    return content ? base::Result<std::optional<base::Bytes>>(*std::move(content))
                   : content.failure();
  }
  if (!database_) {
    return toolstack_->KeptText(log);
  }
  auto rows = ReadRows(*database_, log);
  if (!rows) {
    return rows.failure();
  }
  wanted_secure_boot_ = rows->wanted_secure_boot;
  history_ = std::move(rows->history);
  return std::move(rows->blob);
}

base::Result<void> Place::CheckUnchanged(base::Log& log) {
  if (auto may = CheckMayKeep(); !may) {
    return may;
  }
  const auto now = Read(log);
  if (!now) {
    return now.failure();
  }
  return *now == kept_.bytes ? base::Result<void>() : Changed();
}

base::Result<std::optional<std::string>> Place::VmState(base::Log& log) {
  return toolstack_ == nullptr ? std::optional<std::string>() : toolstack_->VmState(log);
}

base::Result<std::optional<bool>> Place::WantsSecureBoot(base::Log& log) {
  return toolstack_ == nullptr ? std::optional<bool>() : toolstack_->WantsSecureBoot(log);
}

base::Result<void> Place::Keep(const NewBytes& changed, base::Log& log) {
  if (auto may = CheckMayKeep(); !may) {
    return may;
  }
  if (file_) {
    return file_->Replace(changed.bytes);
  }
  return database_
             ? WriteRows(*database_, backend::DatabaseUse::kChange, kept_.bytes, changed.bytes, log)
             : toolstack_->Keep(changed, log);
}

void Place::Close() { toolstack_.reset(); }

}  // namespace varstored::tool
