#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "varstored/base/bytes.h"
#include "varstored/base/held_file.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/boot/loaders.h"
#include "varstored/health/state.h"

namespace varstored::tools {

/// Where a VM's boot loaders come from, --esp: an open disk, or files of a folder. Nobody has
/// looked into them.
class Esp {
 public:
  /// What gives a VM's variables; it runs in a helper process.
  using ReadState = std::function<base::Result<health::State>()>;

  /// Opens the disk or its image at `path`, to be read only; or reads, of the folder at `path`, the
  /// files to which the variables of `read_state` lead: which these are, a helper process says.
  [[nodiscard]] static base::Result<Esp> Open(const std::string& path, const ReadState& read_state,
                                              base::Log& log);

  /// Does `work` in a helper process that can read the disk, and has nothing else.
  [[nodiscard]] base::Result<std::string> TextInHelper(
      const std::function<base::Result<std::string>()>& work, base::Log& log) const;

  /// For that process: what reads a file of the ESP. It must not outlive this.
  [[nodiscard]] base::Result<boot::ReadEspFile> Reader() const;

 private:
  explicit Esp(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] base::Result<void> OpenDisk();
  [[nodiscard]] base::Result<void> ReadFolder(const ReadState& read_state, base::Log& log);
  [[nodiscard]] base::Result<boot::ReadEspFile> DiskReader() const;

  std::string path_;
  std::optional<base::HeldFile> disk_;
  std::uint64_t disk_bytes_ = 0;
  /// By their paths as the firmware has them.
  std::map<std::string, base::Bytes, std::less<>> files_;
};

}  // namespace varstored::tools
