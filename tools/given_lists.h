#pragma once

#include <string>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/health/finding.h"

/// The lists that a command line names, for a helper process. Errors begin with `path`.
namespace varstored::tools {

/// The signature lists of an update: of a signed one those behind its descriptor, else what the
/// file is.
[[nodiscard]] base::Result<base::Bytes> ListsOf(const std::string& path, base::ByteSpan content);

/// What Microsoft's list of revocations has.
[[nodiscard]] base::Result<std::vector<health::ListedRevocation>> RevocationsOf(
    const std::string& path, base::ByteSpan content);

}  // namespace varstored::tools
