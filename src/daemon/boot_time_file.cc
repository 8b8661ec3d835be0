#include "boot_time_file.h"

#include <cstddef>

#include "varstored/base/bytes.h"
#include "varstored/base/file.h"

namespace varstored::daemon {
namespace {

/// More than the word of any start.
constexpr std::size_t kMaxBytes = 256;

}  // namespace

base::Result<BootTimeFile> BootTimeFile::Open(const std::string& path, std::string start,
                                              const std::string& former_start) {
  const auto found = base::ReadFileIfThere(path, kMaxBytes);
  if (!found) {
    return found.failure();
  }
  auto file = base::FileInPlace::Open(path);
  if (!file) {
    return file.failure();
  }
  const bool was_marked =
      *found && !former_start.empty() && base::ToString(found->value()) == former_start;
  BootTimeFile opened(*std::move(file), std::move(start), was_marked);
  if (auto removed = opened.Remove(); !removed) {
    return removed.failure();
  }
  return opened;
}

base::Result<void> BootTimeFile::Mark() const { return file_.Write(base::ToBytes(start_)); }

base::Result<void> BootTimeFile::Remove() const { return file_.Write({}); }

}  // namespace varstored::daemon
