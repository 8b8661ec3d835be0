#include "varstored/convert/conversion.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <numeric>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "scratch_folder.h"
#include "varstored/backend/sqlite.h"
#include "varstored/base/base64.h"
#include "varstored/base/file.h"
#include "varstored/base/held_file.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/convert/content.h"
#include "varstored/convert/efivarfs.h"
#include "varstored/convert/flash_image.h"
#include "varstored/convert/qcow2.h"
#include "varstored/convert/qemu_json.h"
#include "varstored/engine/variable_services.h"
#include "varstored/sandbox/helper.h"
#include "varstored/store/store.h"
#include "varstored/store/vars_blob.h"
#include "varstored/tool/place.h"

namespace varstored::convert {
namespace {

struct FormatRow {
  Format format;
  std::string_view name;
  std::string_view file_name_end;  // of a file whose format is to be guessed; none
  DigestKind digests;
};

constexpr std::array<FormatRow, 9> kFormats = {{
    {Format::kVars, "vars", ".vars", DigestKind::kVarstored},
    {Format::kVarsBase64, "vars-base64", ".b64", DigestKind::kVarstored},
    {Format::kSqlite, "sqlite", ".sqlite", DigestKind::kVarstored},
    {Format::kSqlite, "sqlite", ".db", DigestKind::kVarstored},
    {Format::kJson, "json", ".json", DigestKind::kQemu},
    {Format::kFlash, "flash", ".fd", DigestKind::kEdk2},
    {Format::kQcow2, "qcow2", ".qcow2", DigestKind::kEdk2},
    {Format::kEfivarfs, "efivarfs", "/", DigestKind::kNone},
    {Format::kEfivarfs, "efivarfs", ".efivars", DigestKind::kNone},
}};

const FormatRow& RowOf(Format format) {
  return *std::find_if(kFormats.begin(), kFormats.end(),
                       [format](const FormatRow& row) { return row.format == format; });
}

bool IsFlash(Format format) { return format == Format::kFlash || format == Format::kQcow2; }

base::Failure<base::Error> At(const std::string& path, const base::Error& error) {
  return base::Fail(path + ": " + error.message);
}

constexpr std::string_view kDatabaseMagic = "SQLite format 3";

base::Failure<base::Error> OpenInQemu(const std::string& path) {
  return base::Fail(path + ": a QEMU has it open; shut the VM down first");
}

// ---- in ----

/// QEMU holds locks on the images that it has open.
bool IsOpenInQemu(const base::HeldFile& file) {
  // Where QEMU's block/file-posix.c puts its locks: a byte for each permission, used and shared.
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = 100;
  lock.l_len = 200;
  return ::fcntl(file.fd(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/// What a conversion starts from, as bytes that nobody has looked into.
struct Input {
  /// Nothing: it is to be told by the bytes.
  std::optional<Format> format;
  /// The file; of qcow2 what is in the container, of a database its rows as a raw blob.
  base::Bytes bytes;
  VariableFolder folder;  // efivarfs
  bool is_open_in_qemu = false;
  /// The template as it is, and what is in its container.
  std::optional<base::Bytes> original_template;
  base::Bytes flash_template;
};

base::Result<base::Bytes> RawFlash(const std::string& path, base::Bytes bytes, base::Log& log) {
  if (!IsQcow2(bytes)) {
    return bytes;
  }
  auto raw = FromQcow2(bytes, log);
  return raw ? std::move(raw) : At(path, raw.error());
}

base::Result<void> ReadTemplate(const Conversion& conversion, Input& input, base::Log& log) {
  auto original = base::ReadFile(*conversion.flash_template, kMaxFlashBytes);
  if (!original) {
    return original.failure();
  }
  auto raw = RawFlash(*conversion.flash_template, *original, log);
  if (!raw) {
    return raw.failure();
  }
  input.original_template = *std::move(original);
  input.flash_template = *std::move(raw);
  return {};
}

bool IsDatabase(const Conversion& conversion, base::ByteSpan bytes) {
  return conversion.from
             ? conversion.from == Format::kSqlite
             : std::ranges::equal(bytes.first(std::min(bytes.size(), kDatabaseMagic.size())),
                                  kDatabaseMagic);
}

base::Result<Input> ReadIn(const Conversion& conversion, base::Log& log) {
  const std::string& path = conversion.in;
  Input input;
  input.format = conversion.from;
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(path, ignored);
  if (is_folder || conversion.from == Format::kEfivarfs) {
    if (conversion.from.value_or(Format::kEfivarfs) != Format::kEfivarfs) {
      return base::Fail(path + ": it is a folder");
    }
    auto folder = ReadVariableFolder(path);
    if (!folder) {
      return folder.failure();
    }
    input.format = Format::kEfivarfs;
    input.folder = *std::move(folder);
    return input;
  }
  auto file = base::HeldFile::Open(path);
  if (!file) {
    return file.failure();
  }
  // Asked before the bytes are read and behind it: one may end or start meanwhile.
  input.is_open_in_qemu = IsOpenInQemu(*file);
  auto bytes = file->Read(kMaxFlashBytes);
  if (!bytes) {
    return bytes.failure();
  }
  input.is_open_in_qemu = input.is_open_in_qemu || IsOpenInQemu(*file);
  if (IsDatabase(conversion, *bytes)) {
    auto rows = tool::ReadRows(*file, log);
    if (!rows) {
      return rows.failure();
    }
    if (!*rows) {
      return base::Fail(path + ": nothing was ever kept in it");
    }
    input.format = Format::kSqlite;
    input.bytes = **std::move(rows);
    return input;
  }
  input.bytes = *std::move(bytes);
  if (IsQcow2(input.bytes) && (!input.format || IsFlash(*input.format))) {
    if (input.is_open_in_qemu) {
      return OpenInQemu(path);
    }
    input.format = Format::kQcow2;
    auto raw = RawFlash(path, std::move(input.bytes), log);
    if (!raw) {
      return raw.failure();
    }
    input.bytes = *std::move(raw);
  }
  return input;
}

// ---- in the helper process: what is in ----

base::Result<Content> ReadVars(base::ByteSpan bytes) {
  auto file = tool::DecodeBlobFile(bytes);
  if (!file) {
    return file.failure();
  }
  Content content{std::move(file->blob.entries), file->blob.ancillary};
  for (const store::Entry& entry : file->blob.replaced) {
    content.lost.push_back(Describe(entry) + ": a first one of this name; the last one counts");
  }
  return content;
}

base::Result<Content> ReadAs(Format format, base::ByteSpan bytes) {
  switch (format) {
    case Format::kJson:
      return ReadQemuJson(bytes);
    case Format::kFlash:
    case Format::kQcow2:
      return ReadFlashImage(bytes);
    case Format::kVars:
    case Format::kVarsBase64:
    case Format::kSqlite:
    case Format::kEfivarfs:  // is no file
      break;
  }
  return ReadVars(bytes);
}

struct Source {
  Format format;
  Content content;
};

base::Result<Source> LookAtFolder(const std::string& path, const VariableFolder& folder) {
  auto content = FromVariableFiles(folder.files);
  if (!content) {
    return base::Fail(path + "/" + content.error().message);
  }
  content->lost.insert(content->lost.end(), folder.lost.begin(), folder.lost.end());
  return Source{Format::kEfivarfs, *std::move(content)};
}

base::Result<Source> LookAt(const std::string& path, const Input& input) {
  const auto format = input.format ? input.format : FormatOfContent(input.bytes);
  if (!format) {
    return base::Fail(path + ": in none of the formats that are known");
  }
  if (*format == Format::kEfivarfs) {
    return LookAtFolder(path, input.folder);
  }
  if (IsFlash(*format) && input.is_open_in_qemu) {
    return OpenInQemu(path);
  }
  auto content = ReadAs(*format, input.bytes);
  return content ? base::Result<Source>({*format, *std::move(content)}) : At(path, content.error());
}

// ---- out ----

/// A new name in a folder that is held.
struct NewName {
  base::HeldFolder folder;
  std::string name;
};

/// Fails when something has the name already, be it a link that leads nowhere.
base::Result<NewName> FindNewName(const std::string& path) {
  const std::filesystem::path parts(path);
  auto folder = base::HeldFolder::Open(parts.has_parent_path() ? parts.parent_path() : ".");
  if (!folder) {
    return folder.failure();
  }
  const std::string name = parts.filename();
  struct stat status = {};
  if (name.empty() || name == "." || name == ".." ||
      ::fstatat(folder->fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    return base::Fail(path + ": it is there already, and nothing is ever overwritten");
  }
  if (auto may = folder->CheckMayMake(); !may) {
    return may.failure();
  }
  return NewName{*std::move(folder), name};
}

/// The bytes of a database with the variables of `rows`, which is made where nobody else has a hand
/// in it.
base::Result<base::Bytes> MakeSqlite(base::ByteSpan rows, base::Log& log) {
  const auto folder = ScratchFolder::Make();
  if (!folder) {
    return folder.failure();
  }
  const std::string path = folder->path() + "/out";
  auto file = base::HeldFile::Open(path);
  if (!file) {
    return file.failure();
  }
  if (auto kept = tool::WriteRows(*file, backend::DatabaseUse::kMake, std::nullopt, rows, log);
      !kept) {
    return kept.failure();
  }
  // The log is folded into the database at the end, and SQLite does not say whether that went well.
  std::error_code error;
  const auto log_bytes = std::filesystem::file_size(path + "-wal", error);
  if (!error && log_bytes != 0) {
    return base::Fail(path + ": cannot write all of the database; is the disk full?");
  }
  return base::ReadFile(path, backend::kMaxDatabaseBytes);
}

// ---- in the helper process: what is to be written ----

/// What every start makes anew is in no database. Nothing is lost as long as it has the value that
/// it gets then.
void LoseWhatIsReset(const std::vector<const store::Entry*>& entries, Losses& lost) {
  constexpr std::array kReset = {efi::kMorControl, efi::kMorLock, efi::kPpiFlagsLock};
  for (const store::Entry* entry : entries) {
    const bool is_reset = std::any_of(kReset.begin(), kReset.end(), [entry](const auto& known) {
      return known.Is(entry->name(), entry->vendor());
    });
    if (is_reset && entry->data() != base::Bytes{0}) {
      lost.push_back(Describe(*entry) + ": every start of varstored sets it to 0");
    }
  }
}

/// A blob that varstored loads. Its reader says what is too much.
base::Result<base::Bytes> LoadableBlob(const store::Ancillary& ancillary,
                                       const std::vector<const store::Entry*>& entries) {
  base::Bytes blob = store::EncodeVarsBlob(ancillary, entries);
  if (const auto read = store::DecodeVarsBlob(blob); !read) {
    return base::Fail("varstored could not load these variables: " + read.error().message);
  }
  return blob;
}

void WarnOfSize(const std::vector<const store::Entry*>& entries, base::Log& log) {
  const auto used = std::accumulate(
      entries.begin(), entries.end(), std::size_t{0},
      [](std::size_t sum, const store::Entry* entry) { return sum + entry->used_bytes(); });
  if (used > engine::kStoreBytes) {
    log.Warning("the variables use " + std::to_string(used) + " bytes, the limit is " +
                std::to_string(engine::kStoreBytes) +
                ": they are served, but none can be added before some are deleted");
  }
}

/// What is written, and what is lost by that.
struct Target {
  bool is_template = false;  // the template as it is, and no bytes
  base::Bytes bytes;         // of qcow2 what is to be in the container; of a database its rows
  std::vector<VariableFile> files;  // efivarfs
  Losses lost;
};

base::Result<Target> MakeFlash(const Conversion& conversion, Format format, const Input& input,
                               const Content& content) {
  if (!input.original_template) {
    return base::Fail(
        "a flash image needs --template FILE, such as the OVMF_VARS.fd of the firmware "
        "that is to use it");
  }
  auto written = WriteFlashImage(content, input.flash_template);
  if (!written) {
    return At(*conversion.flash_template, written.error());
  }
  Target target;
  target.lost = std::move(written->lost);
  const bool same_container = IsQcow2(*input.original_template) == (format == Format::kQcow2);
  target.is_template = same_container && written->bytes == input.flash_template;
  if (!target.is_template) {
    target.bytes = std::move(written->bytes);
  }
  return target;
}

base::Result<Target> MakeVars(Format format, const Content& content, base::Log& log) {
  Target target;
  std::vector<const store::Entry*> entries;
  if (format == Format::kVars) {
    for (const store::Entry& entry : content.entries) {
      entries.push_back(&entry);
    }
  } else {
    entries = KeptEntries(content, target.lost);
  }
  auto blob =
      LoadableBlob(format == Format::kVars ? content.ancillary : store::Ancillary{}, entries);
  if (!blob) {
    return blob.failure();
  }
  WarnOfSize(entries, log);
  if (format == Format::kSqlite) {
    LoseWhatIsReset(entries, target.lost);
  }
  target.bytes =
      format == Format::kVarsBase64 ? base::ToBytes(base::EncodeBase64(*blob)) : *std::move(blob);
  return target;
}

base::Result<Target> MakeTarget(const Conversion& conversion, Format format, const Input& input,
                                const Content& content, base::Log& log) {
  switch (format) {
    case Format::kVars:
    case Format::kVarsBase64:
    case Format::kSqlite:
      return MakeVars(format, content, log);
    case Format::kFlash:
    case Format::kQcow2:
      return MakeFlash(conversion, format, input, content);
    case Format::kEfivarfs: {
      Target target;
      target.files = ToVariableFiles(content, target.lost);
      return target;
    }
    case Format::kJson:
      break;
  }
  Written written = WriteQemuJson(content);
  return Target{false, std::move(written.bytes), {}, std::move(written.lost)};
}

base::Result<Target> Look(const Conversion& conversion, Format to, const std::string& out,
                          const Input& input, base::Log& log) {
  const auto source = LookAt(conversion.in, input);
  if (!source) {
    return source.failure();
  }
  auto target = MakeTarget(conversion, to, input, source->content, log);
  if (!target) {
    return target.failure();
  }
  const Losses signers =
      LostSigners(source->content.entries, RowOf(source->format).digests, RowOf(to).digests);
  std::size_t count = 0;
  for (const Losses* losses :
       std::array<const Losses*, 3>{&source->content.lost, &target->lost, &signers}) {
    for (const std::string& what : *losses) {
      log.Warning("lost: " + what);
    }
    count += losses->size();
  }
  if (conversion.strict && count > 0) {
    return base::Fail(out + ": not written, since " + std::to_string(count) +
                      (count == 1 ? " thing" : " things") + " would be lost");
  }
  return target;
}

void WritePart(base::Writer& writer, base::ByteSpan bytes) {
  writer.WriteU32(static_cast<std::uint32_t>(bytes.size()));
  writer.WriteBytes(bytes);
}

base::Bytes Encode(const Target& target) {
  base::Writer writer(target.bytes.size());
  writer.WriteU8(target.is_template ? 1 : 0);
  WritePart(writer, target.bytes);
  for (const VariableFile& file : target.files) {
    WritePart(writer, base::ToBytes(file.name));
    WritePart(writer, file.bytes);
  }
  return writer.Take();
}

// ---- out ----

bool ReadPart(base::Reader& reader, base::Bytes& part) {
  std::uint32_t size = 0;
  base::ByteSpan bytes;
  if (!reader.ReadU32(size) || !reader.ReadBytes(size, bytes)) {
    return false;
  }
  part = base::ToBytes(bytes);
  return true;
}

/// Whether a file of this name is one in the folder where it is made.
bool IsFileName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

base::Result<Target> Decode(base::ByteSpan answer) {
  base::Reader reader(answer);
  Target target;
  std::uint8_t is_template = 0;
  bool is_whole = reader.ReadU8(is_template) && ReadPart(reader, target.bytes);
  target.is_template = is_template != 0;
  while (is_whole && !reader.empty()) {
    base::Bytes name;
    VariableFile file;
    is_whole = ReadPart(reader, name) && ReadPart(reader, file.bytes);
    file.name = base::ToString(name);
    is_whole = is_whole && IsFileName(file.name);
    target.files.push_back(std::move(file));
  }
  return is_whole ? base::Result<Target>(std::move(target))
                  : base::Fail("the answer of the helper process is broken");
}

base::Result<void> WriteTarget(const NewName& out, Format format, const Target& target,
                               base::Log& log) {
  if (format == Format::kEfivarfs) {
    return WriteVariableFolder(out.folder, out.name, target.files);
  }
  auto bytes = format == Format::kSqlite ? MakeSqlite(target.bytes, log)
                                         : base::Result<base::Bytes>(target.bytes);
  if (!bytes) {
    return bytes.failure();
  }
  auto file = base::HeldFile::OpenIn(out.folder, out.name);
  return file ? file->Make(*bytes, 0600) : file.failure();
}

}  // namespace

std::string_view NameOf(Format format) { return RowOf(format).name; }

base::Result<Format> ParseFormat(std::string_view name) {
  std::string known;
  for (const FormatRow& row : kFormats) {
    if (row.name == name) {
      return row.format;
    }
    if (known.find(row.name) == std::string::npos) {
      known += (known.empty() ? "" : ", ") + std::string(row.name);
    }
  }
  return base::Fail("there is no format '" + std::string(name) + "'; there are: " + known);
}

std::optional<Format> FormatOfContent(base::ByteSpan bytes) {
  if (IsFlashImage(bytes)) {
    return Format::kFlash;
  }
  if (IsQcow2(bytes)) {
    return Format::kQcow2;
  }
  const std::string start = base::ToString(bytes.first(std::min<std::size_t>(bytes.size(), 64)));
  if (start.starts_with("VARS")) {
    return Format::kVars;
  }
  if (start.starts_with(kDatabaseMagic)) {
    return Format::kSqlite;
  }
  const std::size_t first = start.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && start[first] == '{') {
    return Format::kJson;
  }
  if (first != std::string::npos && start.compare(first, 5, "VkFSU") == 0) {  // "VARS" in base64
    return Format::kVarsBase64;
  }
  return std::nullopt;
}

std::optional<Format> FormatOfName(std::string_view path) {
  const auto* const row =
      std::find_if(kFormats.begin(), kFormats.end(),
                   [path](const FormatRow& each) { return path.ends_with(each.file_name_end); });
  return row == kFormats.end() ? std::nullopt : std::optional(row->format);
}

base::Result<void> Convert(const Conversion& conversion, base::Log& log) {
  const auto to = conversion.to ? conversion.to : FormatOfName(conversion.out);
  if (!to) {
    return base::Fail(conversion.out + ": its name says no format; use --to");
  }
  std::string out = conversion.out;
  while (out.size() > 1 && out.ends_with('/')) {
    out.pop_back();
  }
  const auto place = FindNewName(out);
  if (!place) {
    return place.failure();
  }
  auto input = ReadIn(conversion, log);
  if (!input) {
    return input.failure();
  }
  if (IsFlash(*to) && conversion.flash_template) {
    if (auto read = ReadTemplate(conversion, *input, log); !read) {
      return read;
    }
  }
  const auto answer = sandbox::InHelper(
      [&](base::Log& lines) -> base::Result<base::Bytes> {
        const auto target = Look(conversion, *to, out, *input, lines);
        return target ? base::Result<base::Bytes>(Encode(*target)) : target.failure();
      },
      log, {.memory_bytes = kHelperMemoryBytes, .max_answer_bytes = 2 * kMaxFlashBytes});
  if (!answer) {
    return answer.failure();
  }
  auto target = Decode(*answer);
  if (!target) {
    return target.failure();
  }
  if (target->is_template && input->original_template) {
    target->bytes = *std::move(input->original_template);
  } else if (*to == Format::kQcow2) {
    auto image = ToQcow2(target->bytes);
    if (!image) {
      return image.failure();
    }
    target->bytes = *std::move(image);
  }
  return WriteTarget(*place, *to, *target, log);
}

}  // namespace varstored::convert
