#include "varstored/tool/format.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "varstored/base/standard_input.h"
#include "varstored/convert/aws_uefi_data.h"
#include "varstored/convert/flash_image.h"
#include "varstored/convert/hyperv_json.h"
#include "varstored/convert/qcow2.h"
#include "varstored/convert/qemu_json.h"
#include "varstored/tool/place.h"
#include "varstored/tool/standard_input.h"

namespace varstored::tool {
namespace {

using convert::DigestKind;

struct FormatRow {
  Format format;
  std::string_view name;
  std::string_view words;
  /// Of a file whose format is to be guessed; nothing where none is written.
  std::string_view file_name_end;
  DigestKind digests;
};

constexpr std::array<FormatRow, 12> kFormats = {{
    {Format::kVars, "vars", "a `VARS` blob", ".vars", DigestKind::kVarstored},
    {Format::kVarsBase64, "vars-base64", "a `VARS` blob in base64", ".b64", DigestKind::kVarstored},
    {Format::kSqlite, "sqlite", "a database", ".sqlite", DigestKind::kVarstored},
    {Format::kSqlite, "sqlite", "a database", ".db", DigestKind::kVarstored},
    {Format::kJson, "json", "a variable store of QEMU's", ".json", DigestKind::kQemu},
    {Format::kFlash, "flash", "a flash image", ".fd", DigestKind::kEdk2},
    {Format::kQcow2, "qcow2", "a flash image in an image of QEMU's", ".qcow2", DigestKind::kEdk2},
    {Format::kEfivarfs, "efivarfs", "a folder as of efivarfs", "/", DigestKind::kNone},
    {Format::kEfivarfs, "efivarfs", "a folder as of efivarfs", ".efivars", DigestKind::kNone},
    {Format::kXe, "xe", "text as xe prints it", "", DigestKind::kVarstored},
    {Format::kHyperV, "hyperv", "a template of Hyper-V's", "", DigestKind::kNone},
    {Format::kAws, "aws", "UefiData of AWS's", ".aws", DigestKind::kEdk2},
}};

constexpr std::string_view kDatabaseMagic = "SQLite format 3";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // of UTF-8
constexpr std::string_view kXeKey = "EFI-variables:";
constexpr std::string_view kBlanks = " \t\r\n";
/// Enough of a text to tell what it is.
constexpr std::size_t kFrontBytes = 1024;

const FormatRow& RowOf(Format format) {
  return *std::find_if(kFormats.begin(), kFormats.end(),
                       [format](const FormatRow& row) { return row.format == format; });
}

std::string_view TextOf(base::ByteSpan bytes) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as characters, no copy
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

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

base::Result<Input> ReadFolder(Input input) {
  if (input.format.value_or(Format::kEfivarfs) != Format::kEfivarfs) {
    return base::Fail(input.path + ": it is a folder");
  }
  auto folder = convert::ReadVariableFolder(input.path);
  if (!folder) {
    return folder.failure();
  }
  input.format = Format::kEfivarfs;
  input.folder = *std::move(folder);
  return input;
}

base::Failure<base::Error> LargerThanAnyFlash(const std::string& path) {
  return base::Fail(path + ": larger than " + std::to_string(convert::kMaxFlashBytes) + " bytes");
}

/// All of a file, or of a disk the front, where the variables are.
base::Result<base::Bytes> ReadImage(const base::HeldFile& file) {
  auto bytes = file.ReadFront(convert::kMaxFlashBytes + 1);
  if (!bytes || bytes->size() <= convert::kMaxFlashBytes) {
    return bytes;
  }
  bytes->pop_back();
  return convert::IsFlashImage(*bytes) || convert::IsBlankImage(*bytes)
             ? std::move(bytes)
             : LargerThanAnyFlash(file.path());
}

bool IsText(Format format) {
  return format == Format::kVarsBase64 || format == Format::kJson || format == Format::kXe ||
         format == Format::kHyperV || format == Format::kAws;
}

base::ByteSpan WithoutByteOrderMark(base::ByteSpan bytes) {
  return TextOf(bytes).starts_with(kByteOrderMark) ? bytes.subspan(kByteOrderMark.size()) : bytes;
}

/// With a byte order mark, or as JSON and base64 begin.
bool IsUtf16(std::string_view text) {
  return text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF") ||
         (text.size() >= 2 && (text[0] == '\0') != (text[1] == '\0') &&
          (text[0] == '{' || text[1] == '{' || text[0] == 'V' || text[1] == 'V'));
}

bool IsXeText(std::string_view front) {
  const std::size_t key = front.find(kXeKey);
  return key != std::string_view::npos &&
         std::all_of(front.begin(), front.begin() + static_cast<std::ptrdiff_t>(key), [](char c) {
           return (c >= ' ' && c <= '~') || kBlanks.find(c) != std::string_view::npos;
         });
}

std::optional<Format> FormatOfText(base::ByteSpan bytes) {
  const std::string_view text = TextOf(WithoutByteOrderMark(bytes));
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) {
    return std::nullopt;
  }
  if (convert::IsAwsUefiData(text)) {
    return Format::kAws;
  }
  if (text[first] == '{') {
    return convert::IsHyperVJson(text) ? Format::kHyperV : Format::kJson;
  }
  if (text.substr(first).starts_with("VkFSU")) {  // "VARS" in base64
    return Format::kVarsBase64;
  }
  return IsXeText(text.substr(0, kFrontBytes)) ? std::optional(Format::kXe) : std::nullopt;
}

base::Result<convert::Content> ReadVars(base::ByteSpan bytes) {
  auto file = DecodeBlobFile(bytes);
  if (!file) {
    return file.failure();
  }
  convert::Content content{std::move(file->blob.entries), file->blob.ancillary};
  for (const store::Entry& entry : file->blob.replaced) {
    content.lost.push_back(convert::Describe(entry) +
                           ": a first one of this name; the last one counts");
  }
  return content;
}

base::Result<convert::Content> ReadAs(Format format, base::ByteSpan bytes) {
  const base::ByteSpan text = WithoutByteOrderMark(bytes);
  switch (format) {
    case Format::kJson:
      return convert::ReadQemuJson(text);
    case Format::kHyperV:
      return convert::ReadHyperVJson(text);
    case Format::kAws:
      return convert::ReadAwsUefiData(text);
    case Format::kFlash:
    case Format::kQcow2:
      return convert::ReadFlashImage(bytes);
    case Format::kXe:
    case Format::kVarsBase64: {
      const auto base64 = Base64In(bytes);
      return base64 ? ReadVars(*base64) : base64.failure();
    }
    case Format::kVars:
    case Format::kSqlite:
    case Format::kEfivarfs:  // is no file
      break;
  }
  return ReadVars(bytes);
}

base::Result<Source> LookIntoFolder(const Input& input) {
  auto content = convert::FromVariableFiles(input.folder.files);
  if (!content) {
    return base::Fail(input.path + ": " + content.error().message);
  }
  if (content->entries.empty()) {
    return base::Fail(input.path +
                      ": a folder without a variable: none of its files is called NAME-GUID and "
                      "holds 4 bytes of attributes and then data, as those of efivarfs do");
  }
  content->lost.insert(content->lost.end(), input.folder.lost.begin(), input.folder.lost.end());
  return Source{Format::kEfivarfs, *std::move(content)};
}

base::Failure<base::Error> Blank() {
  return base::Fail(
      "a blank flash image: no firmware has written to it, since the VM was never started; there "
      "are no variables in it");
}

base::Failure<base::Error> Utf16() {
  return base::Fail("text in UTF-16; make it UTF-8 first: iconv -f UTF-16 -t UTF-8 FILE > NEW");
}

}  // namespace

std::string_view NameOf(Format format) { return RowOf(format).name; }

base::Result<Format> ParseFormat(std::string_view name) {
  std::string known;
  std::string_view last;
  for (const FormatRow& row : kFormats) {
    if (row.name == name) {
      return row.format;
    }
    if (row.name != std::exchange(last, row.name)) {
      known += (known.empty() ? "" : ", ") + std::string(row.name);
    }
  }
  return base::Fail("there is no format '" + std::string(name) + "'; there are: " + known);
}

std::string DescriptionOf(Format format) {
  const FormatRow& row = RowOf(format);
  return std::string(row.words) + " (" + std::string(row.name) + ")";
}

bool IsWritten(Format format) { return !RowOf(format).file_name_end.empty(); }

bool IsFlash(Format format) { return format == Format::kFlash || format == Format::kQcow2; }

DigestKind DigestsOf(Format format) { return RowOf(format).digests; }

std::optional<Format> FormatOfName(std::string_view path) {
  const auto* const row =
      std::find_if(kFormats.begin(), kFormats.end(), [path](const FormatRow& each) {
        return !each.file_name_end.empty() && path.ends_with(each.file_name_end);
      });
  return row == kFormats.end() ? std::nullopt : std::optional(row->format);
}

base::Failure<base::Error> OpenInQemu(const std::string& path) {
  return base::Fail(path + ": a QEMU has it open; shut the VM down first");
}

base::Result<base::Bytes> RawFlash(const std::string& path, base::Bytes bytes, base::Log& log) {
  if (!convert::IsQcow2(bytes)) {
    return bytes;
  }
  auto raw = convert::FromQcow2(bytes, log);
  return raw ? std::move(raw) : base::Fail(path + ": " + raw.error().message);
}

base::Result<Input> ReadInput(const std::string& path, std::optional<Format> from, base::Log& log) {
  Input input;
  input.path = path;
  input.format = from;
  std::error_code ignored;
  if (from == Format::kEfivarfs || std::filesystem::is_directory(path, ignored)) {
    return ReadFolder(std::move(input));
  }
  auto file = base::HeldFile::OpenToRead(path);
  if (!file) {
    return file.failure();
  }
  if (!file->exists()) {
    input.file = *std::move(file);
    return input;
  }
  // Asked before the bytes are read and behind it: one may end or start meanwhile.
  input.is_open_in_qemu = IsOpenInQemu(*file);
  auto bytes = ReadImage(*file);
  if (!bytes) {
    return bytes.failure();
  }
  input.is_open_in_qemu = input.is_open_in_qemu || IsOpenInQemu(*file);
  input.file = *std::move(file);
  if (from == Format::kSqlite || (!from && TextOf(*bytes).starts_with(kDatabaseMagic))) {
    input.format = Format::kSqlite;
    return input;
  }
  input.bytes = *std::move(bytes);
  if (convert::IsQcow2(input.bytes) && (!input.format || IsFlash(*input.format))) {
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

base::Result<Input> ReadStandardInput(base::Log& log) {
  auto bytes = base::ReadStandardInput(convert::kMaxFlashBytes);
  if (!bytes) {
    return bytes.failure();
  }
  Input input;
  input.path = base::kStandardInputName;
  if (bytes->size() > convert::kMaxFlashBytes) {
    return LargerThanAnyFlash(input.path);
  }
  if (TextOf(*bytes).starts_with(kDatabaseMagic)) {
    input.format = Format::kSqlite;
    input.bytes = *std::move(bytes);
    return input;
  }
  if (convert::IsQcow2(*bytes)) {
    input.format = Format::kQcow2;
  }
  auto raw = RawFlash(input.path, *std::move(bytes), log);
  if (!raw) {
    return raw.failure();
  }
  input.bytes = *std::move(raw);
  return input;
}

base::Result<std::optional<Format>> FormatOfContent(base::ByteSpan bytes) {
  if (convert::IsFlashImage(bytes)) {
    return std::optional(Format::kFlash);
  }
  if (convert::IsQcow2(bytes)) {
    return std::optional(Format::kQcow2);
  }
  if (TextOf(bytes).starts_with("VARS")) {
    return std::optional(Format::kVars);
  }
  if (TextOf(bytes).starts_with(kDatabaseMagic)) {
    return std::optional(Format::kSqlite);
  }
  if (convert::IsBlankImage(bytes)) {
    return Blank();
  }
  if (IsUtf16(TextOf(bytes))) {
    return Utf16();
  }
  return FormatOfText(bytes);
}

base::Result<Source> LookInto(const Input& input) {
  const auto at = [&input](const base::Error& error) {
    return base::Fail(input.path + ": " + error.message);
  };
  if (input.format == Format::kEfivarfs) {
    return LookIntoFolder(input);
  }
  const auto told = input.format ? base::Result<std::optional<Format>>(input.format)
                                 : FormatOfContent(input.bytes);
  if (!told) {
    return at(told.error());
  }
  if (!*told) {
    return at({"in none of the formats that are known"});
  }
  const Format format = **told;
  if (IsFlash(format) && input.is_open_in_qemu) {
    return OpenInQemu(input.path);
  }
  if (IsFlash(format) && convert::IsBlankImage(input.bytes)) {
    return at(Blank().error);
  }
  if (IsText(format) && IsUtf16(TextOf(input.bytes))) {
    return at(Utf16().error);
  }
  auto content = ReadAs(format, input.bytes);
  return content ? base::Result<Source>({format, *std::move(content)}) : at(content.error());
}

base::Result<base::ByteSpan> Base64In(base::ByteSpan bytes) {
  const base::ByteSpan rest = WithoutByteOrderMark(bytes);
  const std::string_view text = TextOf(rest);
  const std::size_t key = text.find(kXeKey);
  if (key == std::string_view::npos) {
    return rest;
  }
  const std::size_t value = key + kXeKey.size();
  if (text.find(kXeKey, value) != std::string_view::npos) {
    return base::Fail("EFI-variables is there more than once: take the text of one VM");
  }
  const std::size_t begin = std::min(text.find_first_not_of(" \t", value), text.size());
  const std::size_t end = std::min(text.find_first_of(";\r\n", begin), text.size());
  return rest.subspan(begin, end - begin);
}

}  // namespace varstored::tool
