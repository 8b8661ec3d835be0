#pragma once

#include <optional>
#include <string>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/tool/format.h"

namespace varstored::tool {

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

}  // namespace varstored::tool
