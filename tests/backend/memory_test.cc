#include "varstored/backend/memory.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "varstored/backend/non_persistent.h"
#include "varstored/base/file.h"
#include "varstored/store/vars_blob.h"

namespace varstored::backend {
namespace {

class TestLog final : public base::Log {
 public:
  void Put(base::LogLevel level, std::string_view /*name*/, std::string_view line) override {
    lines.emplace_back(level, line);
  }
  std::vector<std::pair<base::LogLevel, std::string>> lines;
};

store::Entry EntryNamed(std::string_view name) {
  return store::Variable{.name = efi::NameFromAscii(name),
                         .vendor = efi::kGlobalVariableGuid,
                         .attributes = efi::kAttributes<7>,
                         .data = {1, 2, 3}};
}

class MemoryBackendTest : public ::testing::Test {
 protected:
  /// The file holds a blob of `entries`.
  std::string WriteBlob(const std::vector<store::Entry>& entries) {
    std::vector<const store::Entry*> pointers;
    pointers.reserve(entries.size());
    for (const store::Entry& entry : entries) {
      pointers.push_back(&entry);
    }
    EXPECT_TRUE(base::WriteFileInPlace(path_, store::EncodeVarsBlob({}, pointers)));
    return path_;
  }

  TestLog log_;
  test::TemporaryFolder folder_;
  std::string path_ = folder_.File("init");
};

// "No state" is a first boot, an empty state is not (L-10).
TEST_F(MemoryBackendTest, WithoutAFileNothingWasEverKept) {
  const auto loaded = MemoryBackend(std::nullopt, log_).Load();
  ASSERT_TRUE(loaded);
  EXPECT_EQ(*loaded, std::nullopt);
}

TEST_F(MemoryBackendTest, ABlobOfNoEntriesIsAStateThatWasKept) {
  const auto loaded = MemoryBackend(WriteBlob({}), log_).Load();
  ASSERT_TRUE(loaded);
  EXPECT_EQ(*loaded, std::vector<store::Entry>());
}

TEST_F(MemoryBackendTest, VolatileVariablesOfASaveFileAreLeftOut) {
  store::Variable is_volatile = {.name = efi::NameFromAscii("v"),
                                 .vendor = efi::kGlobalVariableGuid,
                                 .attributes = efi::kAttributes<6>,
                                 .data = {1}};
  const auto loaded =
      MemoryBackend(WriteBlob({EntryNamed("a"), std::move(is_volatile)}), log_).Load();
  ASSERT_TRUE(loaded);
  EXPECT_EQ(*loaded, std::vector{EntryNamed("a")});
}

TEST_F(MemoryBackendTest, TheEntriesOfTheBlobAreLoadedInOrder) {
  const std::vector<store::Entry> entries = {EntryNamed("b"), EntryNamed("a")};
  const auto loaded = MemoryBackend(WriteBlob(entries), log_).Load();
  ASSERT_TRUE(loaded);
  EXPECT_EQ(*loaded, entries);
}

TEST_F(MemoryBackendTest, AFileThatIsMissingIsAnErrorWithItsName) {
  const auto loaded = MemoryBackend(path_, log_).Load();
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find(path_), std::string::npos);
}

TEST_F(MemoryBackendTest, AFileThatIsNoBlobIsAnErrorWithItsName) {
  for (const std::string_view content : {"", "VARS", "rubbish, and more of it than a header has"}) {
    ASSERT_TRUE(base::WriteFileInPlace(path_, base::ToBytes(content)));
    const auto loaded = MemoryBackend(path_, log_).Load();
    ASSERT_FALSE(loaded) << content;
    EXPECT_EQ(loaded.error().message.find(path_), 0U);
  }
}

TEST_F(MemoryBackendTest, ACommitLeavesTheFileAlone) {
  const std::vector<store::Entry> entries = {EntryNamed("a")};
  MemoryBackend backend(WriteBlob(entries), log_);
  ASSERT_TRUE(backend.Load());
  const store::Store empty;
  store::StagedStore staged(empty);
  staged.Put(EntryNamed("b"));
  EXPECT_TRUE(backend.Commit(staged));
  EXPECT_EQ(*MemoryBackend(path_, log_).Load(), entries);
}

TEST_F(MemoryBackendTest, ARefusedImageIsAWarning) {
  EXPECT_TRUE(MemoryBackend(std::nullopt, log_).ReportSecureBootFailure());
  ASSERT_EQ(log_.lines.size(), 1U);
  EXPECT_EQ(log_.lines[0].first, base::LogLevel::kWarning);
}

/// Says what it was asked, and fails.
class FailingBackend final : public store::Backend {
 public:
  base::Result<std::optional<std::vector<store::Entry>>> Load() override {
    return base::Fail("load");
  }
  base::Result<void> Commit(const store::StagedStore& /*staged*/) override {
    return base::Fail("commit");
  }
  base::Result<void> ReportSecureBootFailure() override { return base::Fail("report"); }
};

TEST_F(MemoryBackendTest, NonPersistentLoadsAndReportsThroughWhatItHolds) {
  NonPersistent failing(std::make_unique<FailingBackend>());
  EXPECT_EQ(failing.Load().error().message, "load");
  EXPECT_EQ(failing.ReportSecureBootFailure().error().message, "report");

  const std::vector<store::Entry> entries = {EntryNamed("a")};
  NonPersistent backend(std::make_unique<MemoryBackend>(WriteBlob(entries), log_));
  const auto loaded = backend.Load();
  ASSERT_TRUE(loaded);
  EXPECT_EQ(*loaded, entries);
}

TEST_F(MemoryBackendTest, NonPersistentNeverPassesAChangeOn) {
  NonPersistent backend(std::make_unique<FailingBackend>());
  const store::Store empty;
  store::StagedStore staged(empty);
  staged.Put(EntryNamed("b"));
  EXPECT_TRUE(backend.Commit(staged));
}

}  // namespace
}  // namespace varstored::backend
