#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "varstored/base/log.h"
#include "varstored/store/backend.h"

namespace varstored::engine {

/// Keeps the non-volatile entries in memory as every backend does, but for one commit of the test's
/// choice, which fails and keeps nothing.
class FailingBackend final : public store::Backend {
 public:
  using Entries = std::vector<store::Entry>;

  FailingBackend() = default;
  /// What the last boot left behind.
  explicit FailingBackend(Entries kept) : kept_(std::move(kept)) {}

  base::Result<std::optional<Entries>> Load() override { return kept_; }

  base::Result<void> Commit(const store::StagedStore& staged) override {
    if (++commits_ == failing_commit_) {
      return base::Fail("the disk is full");
    }
    kept_.emplace();
    staged.ForEach([this](const store::Entry& entry) {
      if (entry.Has(efi::kNonVolatile)) {
        kept_->push_back(entry);
      }
    });
    return {};
  }

  base::Result<void> ReportSecureBootFailure() override { return {}; }

  [[nodiscard]] const std::optional<Entries>& kept() const { return kept_; }
  /// How many commits were asked for, the failed one too.
  [[nodiscard]] std::size_t commits() const { return commits_; }
  /// Commits count from 1; 0 is none.
  void FailCommit(std::size_t number) { failing_commit_ = number; }
  void FailNextCommit() { failing_commit_ = commits_ + 1; }

 private:
  std::optional<Entries> kept_;
  std::size_t commits_ = 0;
  std::size_t failing_commit_ = 0;
};

class CollectingLog final : public base::Log {
 public:
  void Write(base::LogLevel /*level*/, std::string_view line) override {
    lines_.emplace_back(line);
  }
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

}  // namespace varstored::engine
