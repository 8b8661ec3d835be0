#include "varstored/tool/conversion.h"

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

#include "varstored/backend/sqlite.h"
#include "varstored/base/base64.h"
#include "varstored/base/file.h"
#include "varstored/base/held_file.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/convert/aws_uefi_data.h"
#include "varstored/convert/content.h"
#include "varstored/convert/efivarfs.h"
#include "varstored/convert/flash_image.h"
#include "varstored/convert/qcow2.h"
#include "varstored/convert/qemu_json.h"
#include "varstored/convert/scratch_folder.h"
#include "varstored/engine/variable_services.h"
#include "varstored/sandbox/helper.h"
#include "varstored/store/store.h"
#include "varstored/store/vars_blob.h"
#include "varstored/tool/format.h"
#include "varstored/tool/place.h"

namespace varstored::tool {
namespace {

using convert::Content;
using convert::Losses;

base::Failure<base::Error> At(const std::string& path, const base::Error& error) {
  return base::Fail(path + ": " + error.message);
}

// ---- in ----

/// A flash image whose layout another one gets.
struct Template {
  base::Bytes original;  // as it is
  base::Bytes raw;       // what is in its container
};

base::Result<Template> ReadTemplate(const std::string& path, base::Log& log) {
  auto original = base::ReadFile(path, convert::kMaxFlashBytes);
  if (!original) {
    return original.failure();
  }
  auto raw = RawFlash(path, *original, log);
  if (!raw) {
    return raw.failure();
  }
  return Template{*std::move(original), *std::move(raw)};
}

/// Of a database its rows as a raw blob.
base::Result<Input> ReadIn(const Conversion& conversion, base::Log& log) {
  auto input = ReadInput(conversion.in, conversion.from, log);
  if (input && input->file && !input->file->exists()) {
    return base::Fail(conversion.in + ": no such file");
  }
  if (!input || input->format != Format::kSqlite) {
    return input;
  }
  auto rows = ReadRows(*input->file, log);
  if (!rows) {
    return rows.failure();
  }
  if (!rows->blob) {
    return base::Fail(conversion.in + ": nothing was ever kept in it");
  }
  input->bytes = *std::move(rows->blob);
  return input;
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
  const auto folder = convert::ScratchFolder::Make();
  if (!folder) {
    return folder.failure();
  }
  const std::string path = folder->path() + "/out";
  auto file = base::HeldFile::Open(path);
  if (!file) {
    return file.failure();
  }
  if (auto kept = WriteRows(*file, backend::DatabaseUse::kMake, std::nullopt, rows, log); !kept) {
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
      lost.push_back(convert::Describe(*entry) + ": every start of varstored sets it to 0");
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
  std::vector<convert::VariableFile> files;  // efivarfs
  Losses lost;
};

base::Result<Target> MakeFlash(const Conversion& conversion, Format format,
                               const std::optional<Template>& flash_template,
                               const Content& content) {
  if (!flash_template) {
    return base::Fail(
        "a flash image needs --template FILE, such as the OVMF_VARS.fd of the firmware "
        "that is to use it");
  }
  auto written = convert::WriteFlashImage(content, flash_template->raw);
  if (!written) {
    return At(*conversion.flash_template, written.error());
  }
  Target target;
  target.lost = std::move(written->lost);
  const bool same_container =
      convert::IsQcow2(flash_template->original) == (format == Format::kQcow2);
  target.is_template = same_container && written->bytes == flash_template->raw;
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
    entries = convert::KeptEntries(content, target.lost);
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

base::Result<Target> MakeTarget(const Conversion& conversion, Format format,
                                const std::optional<Template>& flash_template,
                                const Content& content, base::Log& log) {
  switch (format) {
    case Format::kVars:
    case Format::kVarsBase64:
    case Format::kSqlite:
      return MakeVars(format, content, log);
    case Format::kFlash:
    case Format::kQcow2:
      return MakeFlash(conversion, format, flash_template, content);
    case Format::kEfivarfs: {
      Target target;
      target.files = convert::ToVariableFiles(content, target.lost);
      return target;
    }
    case Format::kAws: {
      auto written = convert::WriteAwsUefiData(content);
      return written ? base::Result<Target>(
                           {false, std::move(written->bytes), {}, std::move(written->lost)})
                     : written.failure();
    }
    case Format::kJson:
    case Format::kXe:  // are never written
    case Format::kHyperV:
      break;
  }
  convert::Written written = convert::WriteQemuJson(content);
  return Target{false, std::move(written.bytes), {}, std::move(written.lost)};
}

base::Result<Target> Look(const Conversion& conversion, Format to, const std::string& out,
                          const Input& input, const std::optional<Template>& flash_template,
                          base::Log& log) {
  const auto source = LookInto(input);
  if (!source) {
    return source.failure();
  }
  auto target = MakeTarget(conversion, to, flash_template, source->content, log);
  if (!target) {
    return target.failure();
  }
  const Losses signers =
      convert::LostSigners(source->content.entries, DigestsOf(source->format), DigestsOf(to));
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
  for (const convert::VariableFile& file : target.files) {
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
    convert::VariableFile file;
    is_whole = ReadPart(reader, name) && ReadPart(reader, file.bytes);
    file.name = base::ToString(name);
    is_whole = is_whole && IsFileName(file.name);
    target.files.push_back(std::move(file));
  }
  return is_whole ? base::Result<Target>(std::move(target)) : sandbox::BrokenAnswer();
}

base::Result<void> WriteTarget(const NewName& out, Format format, const Target& target,
                               base::Log& log) {
  if (format == Format::kEfivarfs) {
    return convert::WriteVariableFolder(out.folder, out.name, target.files);
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

base::Result<void> Convert(const Conversion& conversion, base::Log& log) {
  const auto to = conversion.to ? conversion.to : FormatOfName(conversion.out);
  if (!to) {
    return base::Fail(conversion.out + ": its name says no format; use --to");
  }
  if (!IsWritten(*to)) {
    return base::Fail("the format " + std::string(NameOf(*to)) + " is only read");
  }
  std::string out = conversion.out;
  while (out.size() > 1 && out.ends_with('/')) {
    out.pop_back();
  }
  const auto place = FindNewName(out);
  if (!place) {
    return place.failure();
  }
  const auto input = ReadIn(conversion, log);
  if (!input) {
    return input.failure();
  }
  std::optional<Template> flash_template;
  if (IsFlash(*to) && conversion.flash_template) {
    auto read = ReadTemplate(*conversion.flash_template, log);
    if (!read) {
      return read.failure();
    }
    flash_template = *std::move(read);
  }
  const auto answer = sandbox::InHelper(
      [&](base::Log& lines) -> base::Result<base::Bytes> {
        const auto target = Look(conversion, *to, out, *input, flash_template, lines);
        return target ? base::Result<base::Bytes>(Encode(*target)) : target.failure();
      },
      log,
      {.memory_bytes = convert::kHelperMemoryBytes,
       .max_answer_bytes = 2 * convert::kMaxFlashBytes});
  if (!answer) {
    return answer.failure();
  }
  auto target = Decode(*answer);
  if (!target) {
    return target.failure();
  }
  if (target->is_template && flash_template) {
    target->bytes = std::move(flash_template->original);
  } else if (*to == Format::kQcow2) {
    auto image = convert::ToQcow2(target->bytes);
    if (!image) {
      return image.failure();
    }
    target->bytes = *std::move(image);
  }
  return WriteTarget(*place, *to, *target, log);
}

}  // namespace varstored::tool
