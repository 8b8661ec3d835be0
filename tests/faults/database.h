#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/temporary_folder.h"
#include "varstored/base/bytes.h"
#include "varstored/store/variable.h"

namespace varstored::test {

/// The files of a database, to be put somewhere else.
class DatabaseFiles {
 public:
  /// None.
  DatabaseFiles() = default;
  /// A copy of those at `path`.
  explicit DatabaseFiles(const std::string& path);

  /// Makes them the files at `path`, whatever was there.
  void Put(const std::string& path) const;

  [[nodiscard]] bool operator==(const DatabaseFiles&) const = default;

 private:
  std::map<std::string, base::Bytes> by_suffix_;
};

/// What the database at `path` holds if whoever has it open is killed now; nothing before the first
/// commit. Throws when it cannot be read.
[[nodiscard]] std::optional<std::vector<store::Entry>> Kept(const std::string& path);

/// The word for a status of the wire, such as "SUCCESS".
[[nodiscard]] std::string StatusWordOf(std::uint64_t status);

}  // namespace varstored::test
