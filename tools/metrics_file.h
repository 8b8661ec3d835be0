#pragma once

#include <optional>
#include <string>

#include "varstored/base/held_file.h"
#include "varstored/base/result.h"

namespace varstored::tools {

/// Where metrics go: a file that a collector may read at any time, or standard output.
class MetricsFile {
 public:
  /// `path` is "-" for standard output. Says at once what would be in the way of the file; changes
  /// nothing.
  [[nodiscard]] static base::Result<MetricsFile> Open(const std::string& path);

  /// Puts `text` in the file's place as a whole, synced (base::HeldFile). A new file can be read by
  /// everybody (mode 0644, whatever the umask is), one that is there keeps its mode. Gives what is
  /// to be written to standard output.
  [[nodiscard]] base::Result<std::string> Write(std::string text);

 private:
  explicit MetricsFile(std::optional<base::HeldFile> file) : file_(std::move(file)) {}

  std::optional<base::HeldFile> file_;
};

}  // namespace varstored::tools
