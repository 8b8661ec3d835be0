#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "varstored/base/file.h"
#include "varstored/base/result.h"

namespace varstored::convert {

/// A folder in TMPDIR, the caller's alone, that goes away with all that is in it.
class ScratchFolder {
 public:
  [[nodiscard]] static base::Result<ScratchFolder> Make() {
    const char* parent = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): one thread
    std::string path =
        std::string(parent != nullptr ? parent : "/tmp") + "/varstore-convert-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
      return base::Fail(path + ": cannot make the folder: " + base::ErrnoText());
    }
    return ScratchFolder(std::move(path));
  }
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    if (!path_.empty()) {
      std::error_code ignored;
      std::filesystem::remove_all(path_, ignored);
    }
  }

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace varstored::convert
