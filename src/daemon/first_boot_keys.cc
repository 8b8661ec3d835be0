#include "varstored/daemon/first_boot_keys.h"

#include <sys/stat.h>

#include <array>
#include <optional>
#include <utility>

#include "varstored/base/file.h"
#include "varstored/store/variable.h"

namespace varstored::daemon {
namespace {

bool IsFolder(const std::string& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

base::Result<engine::FirstBootKeys> ReadFirstBootKeys(const Options& options,
                                                      const std::string& otherwise) {
  engine::FirstBootKeys keys;
  keys.require_kek = options.require_kek;
  keys.require_db = options.require_db;
  keys.update_dbx = options.update_dbx;
  // What such a VM changes ends with the process, so its next start would do it again.
  keys.update_clones = options.update_clones && !options.nonpersistent;
  const std::string folder = options.auth_folder.value_or(otherwise);
  if (options.auth_folder && !IsFolder(folder)) {
    return base::Fail("auth-dir: " + folder + ": no such folder");
  }
  if (folder.empty()) {
    return keys;
  }
  struct File {
    const char* name;
    std::optional<base::Bytes>& content;
  };
  for (const File& file : std::array<File, 4>{{{"PK.auth", keys.pk},
                                               {"KEK.auth", keys.kek},
                                               {"db.auth", keys.db},
                                               {"dbx.auth", keys.dbx}}}) {
    auto content = base::ReadFileIfThere(folder + "/" + file.name, store::kMaxDataBytes);
    if (!content) {
      return content.failure();
    }
    file.content = *std::move(content);
  }
  return keys;
}

}  // namespace varstored::daemon
