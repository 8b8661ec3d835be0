#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "varstored/base/bytes.h"
#include "varstored/base/held_file.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/convert/content.h"
#include "varstored/convert/efivarfs.h"

namespace varstored::tool {

/// The forms in which a VM's variables are kept (docs/tools/varstore-convert.md).
enum class Format : std::uint8_t {
  kVars,
  kVarsBase64,
  kSqlite,
  kJson,
  kFlash,
  kQcow2,
  kEfivarfs,
  kXe,      // text as xe prints it, with base64 in it
  kHyperV,  // a template of Hyper-V's, in JSON
  kAws,     // UefiData of AWS's EC2
};
inline constexpr Format kLastFormat = Format::kAws;

/// "vars", "vars-base64", "sqlite", "json", "flash", "qcow2", "efivarfs", "xe", "hyperv", "aws".
[[nodiscard]] std::string_view NameOf(Format format);
/// The reverse, for an option; the error lists the names.
[[nodiscard]] base::Result<Format> ParseFormat(std::string_view name);

/// What a file of the format is, for messages: "a flash image (flash)".
[[nodiscard]] std::string DescriptionOf(Format format);
/// Whether there is a writer of the format; the others are read only.
[[nodiscard]] bool IsWritten(Format format);
/// Whether there is a flash image in it.
[[nodiscard]] bool IsFlash(Format format);
/// Who makes the digests of signers in it.
[[nodiscard]] convert::DigestKind DigestsOf(Format format);
/// The format that a file of this name is expected to have.
[[nodiscard]] std::optional<Format> FormatOfName(std::string_view path);

/// A VM's variables in a file or a folder, as bytes that nobody has looked into: but for the first
/// few, by which a database, a qcow2 image and a `VARS` blob are told.
struct Input {
  std::string path;
  /// What it is known to be; nothing: it is to be told by the bytes.
  std::optional<Format> format;
  /// Open, if it is there; of a folder nothing.
  std::optional<base::HeldFile> file;
  /// All of the file; of qcow2 what is in the container; of a database nothing. Of a file that is
  /// larger than every flash image, as a disk can be, the front, when that looks like one.
  base::Bytes bytes;
  convert::VariableFolder folder;  // efivarfs
  bool is_open_in_qemu = false;
};

/// Opens and reads what is at `path`: a file, a folder as efivarfs, or a block device. `from` says
/// which format it has; without it, it is told by what is there. A helper process and `qemu-img`
/// take a qcow2 image apart; one that a QEMU has open is an error. That there is no file is none.
[[nodiscard]] base::Result<Input> ReadInput(const std::string& path, std::optional<Format> from,
                                            base::Log& log);

/// The bytes of a flash image; those in the container when it is one of qcow2. `path` is for
/// messages.
[[nodiscard]] base::Result<base::Bytes> RawFlash(const std::string& path, base::Bytes bytes,
                                                 base::Log& log);

[[nodiscard]] base::Failure<base::Error> OpenInQemu(const std::string& path);

// For a helper process:

/// What was found in an input.
struct Source {
  Format format = Format::kVars;
  convert::Content content;
};

/// The format of these bytes. Nothing when they are in none that is known. UTF-16, and a flash
/// image that no firmware has written to, are errors that say what to do.
[[nodiscard]] base::Result<std::optional<Format>> FormatOfContent(base::ByteSpan bytes);

/// Looks into an input; of a database the bytes are its rows as a raw blob. The error names the
/// path.
[[nodiscard]] base::Result<Source> LookInto(const Input& input);

/// The base64 of a blob in a file that has it, without a byte order mark in front. Of what xe
/// prints of a VM's NVRAM (a map of keys and values with "; " in between, behind the name of the
/// field or not) the value of `EFI-variables`; that this is there twice is an error.
[[nodiscard]] base::Result<base::ByteSpan> Base64In(base::ByteSpan bytes);

}  // namespace varstored::tool
