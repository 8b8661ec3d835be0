#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "varstored/base/bytes.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"

namespace varstored::convert {

/// The forms in which a VM's variables are kept (docs/tools/varstore-convert.md).
enum class Format { kVars, kVarsBase64, kSqlite, kJson, kFlash, kQcow2, kEfivarfs };

/// "vars", "vars-base64", "sqlite", "json", "flash", "qcow2", "efivarfs".
[[nodiscard]] std::string_view NameOf(Format format);
/// The reverse, for an option; the error lists the names.
[[nodiscard]] base::Result<Format> ParseFormat(std::string_view name);

/// The format of a file that begins with these bytes.
[[nodiscard]] std::optional<Format> FormatOfContent(base::ByteSpan bytes);
/// The format that a file of this name is expected to have.
[[nodiscard]] std::optional<Format> FormatOfName(std::string_view path);

struct Conversion {
  std::string in;
  std::string out;
  /// What is not said is guessed: `from` from the content, `to` from the name.
  std::optional<Format> from = {};
  std::optional<Format> to = {};
  /// The flash image, raw or qcow2, whose layout a flash image gets.
  std::optional<std::string> flash_template = {};
  /// Whether a loss is a failure.
  bool strict = false;
};

/// Makes `out`, which must not be there, of `in`, which stays as it is. `out` appears whole or not
/// at all, also after a power cut. What is lost on the way is a warning in `log`, a line each. A
/// store that a daemon or a QEMU has open is an error.
[[nodiscard]] base::Result<void> Convert(const Conversion& conversion, base::Log& log);

}  // namespace varstored::convert
