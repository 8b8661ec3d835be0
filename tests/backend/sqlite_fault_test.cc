// What the disk is asked for, and what happens when it refuses.

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sqlite_disk.h"
#include "sqlite_session.h"
#include "support/temporary_folder.h"
#include "varstored/base/file.h"

namespace varstored::test {
namespace {

using Kind = DiskOperation::Kind;
using State = std::vector<store::Entry>;

/// What an operation returns when it fails.
int FailureOf(Kind kind) {
  switch (kind) {
    case Kind::kRead:
      return SQLITE_IOERR_READ;
    case Kind::kWrite:
      return SQLITE_FULL;
    case Kind::kTruncate:
      return SQLITE_IOERR_TRUNCATE;
    case Kind::kSync:
      return SQLITE_IOERR_FSYNC;
  }
  return SQLITE_IOERR;
}

class SqliteFaultTest : public testing::Test {
 protected:
  SqliteFaultTest() { disk_.SkipSyncs(); }

  /// The operation number `number` from now on fails, once.
  void FailOnce(std::size_t number) {
    failed_.reset();
    disk_.SetFault([this, number, count = std::size_t{0}](const DiskOperation& operation) mutable {
      if (count++ != number) {
        return SQLITE_OK;
      }
      failed_ = operation.kind;
      return FailureOf(operation.kind);
    });
  }

  /// What the files say now, if this process died.
  State IfKilledNow() {
    const std::string copy = folder_.File("killed");
    std::filesystem::remove_all(copy);
    std::filesystem::create_directory(copy);
    for (const char* suffix : {"", "-wal"}) {
      std::filesystem::copy_file(path_ + suffix, copy + "/vm.db" + suffix);
    }
    return Reopen(copy + "/vm.db");
  }

  void RemoveDatabase() {
    std::filesystem::remove(path_);
    std::filesystem::remove(path_ + "-wal");
  }

  TemporaryFolder folder_{FastParent()};
  std::string path_ = folder_.File("vm.db");
  SqliteDisk disk_;
  std::optional<Kind> failed_;
};

TEST_F(SqliteFaultTest, OneCommitIsOneSync) {
  Session session(path_);
  ASSERT_TRUE(session.Put(MakeVariable("BootOrder", 2)).ok());
  disk_.ClearLog();
  ASSERT_TRUE(session.Put(MakeVariable("BootOrder", 4)).ok());
  EXPECT_EQ(disk_.Count(Kind::kSync), 1U);
  EXPECT_EQ(disk_.Count(Kind::kTruncate), 0U);

  disk_.ClearLog();
  ASSERT_TRUE(session
                  .Commit([](auto& staged) {
                    for (const char* name : {"PK", "KEK", "db", "dbx"}) {
                      staged.Put(MakeVariable(name, 3000));
                    }
                    staged.Erase(store::KeyOf(MakeVariable("BootOrder", 1)));
                  })
                  .ok());
  EXPECT_EQ(disk_.Count(Kind::kSync), 1U);
}

TEST_F(SqliteFaultTest, FoldingTheLogAddsFewSyncs) {
  Session session(path_);
  disk_.ClearLog();
  for (std::uint8_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(session.Put(MakeVariable("BootNext", 2, i)).ok());
  }
  EXPECT_LE(disk_.Count(Kind::kSync), 230U);
}

TEST_F(SqliteFaultTest, ACommitWithoutARowLeavesTheDiskAlone) {
  Session session(path_);
  ASSERT_TRUE(session.Put(MakeVariable("BootOrder", 2)).ok());
  disk_.ClearLog();
  disk_.SetFault([](const DiskOperation&) { return SQLITE_IOERR; });
  EXPECT_TRUE(session.Put(MakeVariable("volatile", 2, 0, 6)).ok());
  EXPECT_TRUE(session.Put(MakeVariable("BootOrder", 2)).ok());
  EXPECT_EQ(disk_.log().size(), 0U);
}

TEST_F(SqliteFaultTest, L14AFailureAnywhereKeepsTheOldStateAndTheNextWriteWorks) {
  for (const std::size_t data_bytes : {2U, 57344U}) {
    bool reached = true;
    for (std::size_t number = 0; reached; ++number) {
      disk_.SetFault({});
      RemoveDatabase();
      Session session(path_);
      ASSERT_TRUE(session.Put(MakeVariable("Boot0000", 500)).ok());
      ASSERT_TRUE(session.Put(MakeVariable("gone", 9000)).ok());
      const State before = session.Kept();

      // When one operation of a change of several rows fails, or of the folding behind it.
      FailOnce(number);
      const bool kept = session
                            .Commit([data_bytes](auto& staged) {
                              staged.Put(MakeVariable("Boot0000", data_bytes, 1));
                              staged.Put(MakeVariable("PK", data_bytes, 2));
                              staged.Erase(store::KeyOf(MakeVariable("gone", 1)));
                            })
                            .ok();
      disk_.SetFault({});
      reached = failed_.has_value();

      const State now = session.Kept();
      EXPECT_EQ(now == before, !kept);
      const State if_killed = IfKilledNow();
      if (failed_ == Kind::kSync && !kept) {
        // The disk did not say what it has.
        EXPECT_TRUE(if_killed == before || if_killed.size() == 2) << "operation " << number;
      } else {
        EXPECT_EQ(if_killed, now) << "operation " << number;
      }
      ASSERT_TRUE(session.Put(MakeVariable("after", 100)).ok()) << "operation " << number;
      const State after = session.Kept();
      EXPECT_EQ(IfKilledNow(), after) << "operation " << number;
    }
  }
}

TEST_F(SqliteFaultTest, AFullDiskIsAnErrorUntilThereIsRoom) {
  Session session(path_);
  ASSERT_TRUE(session.Put(MakeVariable("BootOrder", 2)).ok());
  for (int i = 0; i < 3; ++i) {
    disk_.SetFault([](const DiskOperation& operation) {
      return operation.kind == Kind::kWrite ? SQLITE_FULL : SQLITE_OK;
    });
    const auto kept = session.Put(MakeVariable("Big", 57344));
    ASSERT_FALSE(kept.ok());
    EXPECT_NE(kept.error().message.find(path_ + ": database or disk is full"), std::string::npos)
        << kept.error().message;
    disk_.SetFault({});
    EXPECT_EQ(IfKilledNow(), State{MakeVariable("BootOrder", 2)});
  }
  ASSERT_TRUE(session.Put(MakeVariable("Big", 57344)).ok());
  EXPECT_EQ(IfKilledNow(), session.Kept());
}

// The daemon's files have a limit, and a log that has reached it takes no commit.
TEST_F(SqliteFaultTest, ALogThatCouldNotBeFoldedForLongIsFoldedOnceItCan) {
  bool folds = false;  // asked until the session is gone
  Session session(path_);
  disk_.SetFault([&folds](const DiskOperation& operation) {
    if (operation.kind != Kind::kWrite) {
      return SQLITE_OK;
    }
    if (operation.file == "vm.db") {
      return folds ? SQLITE_OK : SQLITE_IOERR_WRITE;
    }
    const auto end = static_cast<std::size_t>(operation.offset) + operation.data.size();
    return end > backend::kMaxDatabaseBytes ? SQLITE_FULL : SQLITE_OK;
  });
  std::uint8_t fill = 0;
  while (session.Put(MakeVariable("Big", 57344, ++fill)).ok()) {
    ASSERT_LT(fill, 200) << "the log has never been full";
  }
  const State before = session.Kept();
  EXPECT_FALSE(session.Put(MakeVariable("Big", 57344, ++fill)).ok());
  EXPECT_EQ(session.Kept(), before);

  folds = true;

  EXPECT_TRUE(session.Put(MakeVariable("Big", 57344, ++fill)).ok());
  EXPECT_EQ(IfKilledNow(), session.Kept());
}

TEST_F(SqliteFaultTest, AStartThatFailsChangesNothing) {
  {
    Session session(path_);
    ASSERT_TRUE(session.Put(MakeVariable("BootOrder", 2)).ok());
  }
  const auto content = [this] { return *base::ReadFile(path_, backend::kMaxDatabaseBytes); };
  const base::Bytes before = content();
  bool reached = true;
  std::size_t refused = 0;
  for (std::size_t number = 0; reached; ++number) {
    std::filesystem::remove(path_ + "-wal");
    FailOnce(number);
    const std::string error = OpenError(path_);
    reached = failed_.has_value();
    disk_.SetFault({});
    EXPECT_EQ(error.empty(), !reached) << error;
    EXPECT_EQ(content(), before) << "operation " << number;
    refused += error.empty() ? 0U : 1U;
  }
  EXPECT_GT(refused, 5U);
  EXPECT_EQ(Reopen(path_), State{MakeVariable("BootOrder", 2)});
}

TEST_F(SqliteFaultTest, NoMemoryIsAnErrorAndTheNextWriteWorks) {
  Session session(path_);
  ASSERT_TRUE(session.Put(MakeVariable("Boot0000", 500)).ok());
  const sqlite3_int64 limit = sqlite3_hard_heap_limit64(-1);
  std::size_t failures = 0;
  bool kept = false;
  for (sqlite3_int64 room = 0; !kept; room += 512) {
    const State before = session.Kept();
    sqlite3_hard_heap_limit64(sqlite3_memory_used() + room);
    kept = session
               .Commit([](auto& staged) {
                 staged.Put(MakeVariable("Boot0000", 57344, 1));
                 staged.Put(MakeVariable("PK", 20000, 2));
               })
               .ok();
    sqlite3_hard_heap_limit64(limit);
    failures += kept ? 0U : 1U;
    EXPECT_EQ(IfKilledNow(), session.Kept()) << room;
    EXPECT_EQ(session.Kept() == before, !kept) << room;
  }
  EXPECT_GT(failures, 0U);
  ASSERT_TRUE(session.Put(MakeVariable("after", 100)).ok());
  EXPECT_EQ(IfKilledNow(), session.Kept());
}

}  // namespace
}  // namespace varstored::test
