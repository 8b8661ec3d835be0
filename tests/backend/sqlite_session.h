#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/backend/sqlite.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/store/store.h"
#include "varstored/store/variable.h"

namespace varstored::test {

/// Lines that were logged.
class Lines final : public base::Log {
 public:
  void Put(base::LogLevel /*level*/, std::string_view /*name*/, std::string_view line) override {
    lines_.emplace_back(line);
  }
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

/// A variable of the global GUID, with a name of ASCII letters.
[[nodiscard]] store::Entry MakeVariable(std::string_view name, std::size_t data_bytes,
                                        std::uint8_t fill = 0x5A, std::uint32_t attributes = 7);

/// What is wrong with opening the database at `path`; empty when nothing is.
[[nodiscard]] std::string OpenError(const std::string& path);

/// What the database at `path` says after a boot; throws when it cannot be read. A first boot and
/// an empty state are both empty.
[[nodiscard]] std::vector<store::Entry> Reopen(const std::string& path);

/// What the engine does with the backend, without its rules: a store in memory that changes when
/// the backend has kept the change.
class Session {
 public:
  /// Boots from the database at `path`; throws when it cannot be read.
  explicit Session(const std::string& path);

  using Staging = std::function<void(store::StagedStore&)>;
  /// On failure the store is as it was.
  [[nodiscard]] base::Result<void> Commit(const Staging& stage);
  [[nodiscard]] base::Result<void> Put(const store::Entry& entry);
  [[nodiscard]] base::Result<void> Erase(const store::Entry& entry);

  /// The entries that survive the end, in the order of a walk.
  [[nodiscard]] std::vector<store::Entry> Kept() const;
  [[nodiscard]] bool is_first_boot() const { return is_first_boot_; }
  [[nodiscard]] const Lines& log() const { return *log_; }
  [[nodiscard]] backend::SqliteBackend& backend() { return *backend_; }

 private:
  std::unique_ptr<Lines> log_ = std::make_unique<Lines>();
  std::unique_ptr<backend::SqliteBackend> backend_;
  store::Store store_;
  bool is_first_boot_ = false;
};

}  // namespace varstored::test
