#pragma once

#include <string>

#include "key_sources.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"

namespace varstored::tools {

/// Where Microsoft's certificates are downloaded from.
struct DownloadOptions {
  bool is_wanted = false;
  /// In the place of the front of Microsoft's addresses: of a mirror. Without a slash at its end.
  std::string url_base;
  /// Certificates of authorities (PEM) that the server is checked with instead of the host's.
  std::string authorities;
};

/// Downloads each of Microsoft's certificates that `sources` lack, and adds it to them. The program
/// curl does it, locked in; what does not have the SHA-256 that is known is an error.
[[nodiscard]] base::Result<void> DownloadMissing(const DownloadOptions& options,
                                                 KeySources& sources, base::Log& log);

}  // namespace varstored::tools
