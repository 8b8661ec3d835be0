#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "varstored/base/log.h"
#include "varstored/efi/variable_name.h"
#include "varstored/store/backend.h"

namespace varstored::engine {

/// Keeps the non-volatile entries in memory as every backend does, but for commits of the test's
/// choice, which fail and keep nothing. It remembers what it was asked for.
class FailingBackend final : public store::Backend {
 public:
  using Entries = std::vector<store::Entry>;

  FailingBackend() = default;
  /// What the last boot left behind.
  explicit FailingBackend(Entries kept) : kept_(std::move(kept)) {}

  base::Result<std::optional<Entries>> Load() override { return kept_; }

  base::Result<void> Commit(const store::StagedStore& staged) override {
    if (++commits_ == failing_commit_ || fails_always_) {
      return base::Fail("the disk is full");
    }
    std::vector<std::string> names;
    for (const auto& change : staged.Changes()) {
      const store::Entry& entry = change.after != nullptr ? *change.after : *change.before;
      names.push_back(efi::NameToUtf8(entry.name()));
    }
    kept_names_.push_back(std::move(names));
    kept_.emplace();
    staged.ForEach([this](const store::Entry& entry) {
      if (entry.Has(efi::kNonVolatile)) {
        kept_->push_back(entry);
      }
    });
    return {};
  }

  base::Result<void> ReportSecureBootFailure() override {
    ++reports_;
    return fails_always_ ? base::Result<void>(base::Fail("nobody listens")) : base::Result<void>();
  }

  [[nodiscard]] const std::optional<Entries>& kept() const { return kept_; }
  /// How many commits were asked for, the failed one too.
  [[nodiscard]] std::size_t commits() const { return commits_; }
  /// For each commit that was kept, the names of the variables that it changed, in order.
  [[nodiscard]] const std::vector<std::vector<std::string>>& kept_names() const {
    return kept_names_;
  }
  [[nodiscard]] std::size_t reports() const { return reports_; }
  /// From here on every call fails, or none.
  void FailAlways(bool fails) { fails_always_ = fails; }
  /// Commits count from 1; 0 is none.
  void FailCommit(std::size_t number) { failing_commit_ = number; }
  void FailNextCommit() { failing_commit_ = commits_ + 1; }

 private:
  std::optional<Entries> kept_;
  std::size_t commits_ = 0;
  std::size_t failing_commit_ = 0;
  std::size_t reports_ = 0;
  bool fails_always_ = false;
  std::vector<std::vector<std::string>> kept_names_;
};

class CollectingLog final : public base::Log {
 public:
  void Put(base::LogLevel /*level*/, std::string_view /*name*/, std::string_view line) override {
    lines_.emplace_back(line);
  }
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

}  // namespace varstored::engine
