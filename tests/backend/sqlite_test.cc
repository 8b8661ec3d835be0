#include "varstored/backend/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "sqlite_session.h"
#include "support/temporary_folder.h"
#include "varstored/base/file.h"
#include "varstored/base/unique_fd.h"
#include "varstored/efi/well_known.h"

namespace varstored::test {
namespace {

using State = std::vector<store::Entry>;

class SqliteBackendTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string path_ = folder_.File("vm.db");
};

TEST_F(SqliteBackendTest, L10AFileThatNothingWasKeptInIsAFirstBoot) {
  EXPECT_TRUE(Session(path_).is_first_boot());
  EXPECT_TRUE(Session(path_).is_first_boot());
}

TEST_F(SqliteBackendTest, L10AStateThatBecameEmptyIsNoFirstBoot) {
  const store::Entry variable = MakeVariable("BootOrder", 2);
  {
    Session session(path_);
    ASSERT_TRUE(session.Put(variable).ok());
    ASSERT_TRUE(session.Erase(variable).ok());
  }
  EXPECT_FALSE(Session(path_).is_first_boot());
  EXPECT_EQ(Reopen(path_), State{});
}

TEST_F(SqliteBackendTest, TheWishOfTheLastStartComesBackAndIsNoFirstBoot) {
  EXPECT_EQ(*Session(path_).backend().WantedSecureBootAtLastStart(), std::nullopt);
  for (const bool wish : {true, false, true}) {
    ASSERT_TRUE(Session(path_).backend().KeepWishAtStart(wish).ok());
    Session session(path_);
    EXPECT_EQ(*session.backend().WantedSecureBootAtLastStart(), wish);
    EXPECT_TRUE(session.is_first_boot());
  }
}

TEST_F(SqliteBackendTest, TheSameWishAsBeforeIsNotWritten) {
  Session session(path_);
  ASSERT_TRUE(session.backend().KeepWishAtStart(true).ok());
  const std::uintmax_t log_bytes = std::filesystem::file_size(path_ + "-wal");
  ASSERT_TRUE(session.backend().KeepWishAtStart(true).ok());
  EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), log_bytes);
  ASSERT_TRUE(session.backend().KeepWishAtStart(false).ok());
  EXPECT_GT(std::filesystem::file_size(path_ + "-wal"), log_bytes);
}

TEST_F(SqliteBackendTest, AFileOfVersion1IsReadAndIsBroughtUpToDateAtAStart) {
  const store::Entry variable = MakeVariable("BootOrder", 2);
  ASSERT_TRUE(Session(path_).Put(variable).ok());
  sqlite3* older = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &older), SQLITE_OK);
  EXPECT_EQ(
      sqlite3_exec(older, "DROP TABLE last_start; DROP TABLE history; PRAGMA user_version = 1",
                   nullptr, nullptr, nullptr),
      SQLITE_OK);
  sqlite3_close(older);

  {
    Lines log;
    const auto files = backend::OpenDatabaseFiles(path_, backend::DatabaseUse::kLook);
    ASSERT_TRUE(files.ok());
    const auto looker = backend::SqliteBackend::Look(*backend::ReadDatabase(*files), log);
    ASSERT_TRUE(looker.ok());
    EXPECT_EQ(*(*looker)->WantedSecureBootAtLastStart(), std::nullopt);
    EXPECT_EQ((*looker)->Load()->value().size(), 1U);
  }
  {
    Session session(path_);
    EXPECT_EQ(session.Kept(), State{variable});
    ASSERT_TRUE(session.backend().KeepWishAtStart(true).ok());
  }
  Session session(path_);
  EXPECT_EQ(session.Kept(), State{variable});
  EXPECT_EQ(*session.backend().WantedSecureBootAtLastStart(), true);
}

TEST_F(SqliteBackendTest, EveryFieldComesBack) {
  store::LegacyRecord record;
  record.name = std::string("d\0b\0", 4);
  record.vendor = efi::kImageSecurityDatabaseGuid;
  record.attributes = 0x27;
  record.data = {0x00, 0xFF, 0x00};
  record.timestamp = {2026, 12, 31, 23, 59, 58, 1, 999999999, 0x7FF, 2, 3};
  record.signer.fill(0xC3);
  const store::Entry entry = store::MakeEntry(record);
  ASSERT_FALSE(entry.is_legacy());
  ASSERT_TRUE(Session(path_).Put(entry).ok());
  EXPECT_EQ(Reopen(path_), State{entry});
}

TEST_F(SqliteBackendTest, RecordsThatBreakTodaysRulesComeBack) {
  State records;
  const auto add = [&records](std::string name, std::uint32_t attributes, std::size_t data_bytes) {
    store::LegacyRecord record;
    record.name = std::move(name);
    record.attributes = attributes;
    record.data.assign(data_bytes, 0x77);
    records.push_back(store::MakeEntry(record));
    ASSERT_TRUE(records.back().is_legacy());
  };
  add("odd", 7, 1);
  add(std::string("a\0\0\0b\0", 6), 7, 1);
  add(std::string("a\0\0\0", 4), 7, 1);
  add(std::string("\0", 1), 7, 1);
  add(std::string(4096, '\0'), 7, 1);
  add(std::string("\x00\xD8", 2), 0xFFFFFFFF, 1);
  add(std::string("b\0", 2), 7, 60440);
  {
    Session session(path_);
    ASSERT_TRUE(session
                    .Commit([&records](auto& staged) {
                      std::for_each(records.rbegin(), records.rend(),
                                    [&staged](const auto& record) { staged.Put(record); });
                    })
                    .ok());
    ASSERT_EQ(session.Kept(), records);
  }
  EXPECT_EQ(Reopen(path_), records);
}

TEST_F(SqliteBackendTest, TheOrderOfAWalkComesBack) {
  State kept;
  {
    Session session(path_);
    for (const char* name : {"a", "b", "c", "d"}) {
      ASSERT_TRUE(session.Put(MakeVariable(name, 1)).ok());
    }
    ASSERT_TRUE(session.Put(MakeVariable("b", 9)).ok());
    ASSERT_TRUE(session.Erase(MakeVariable("c", 1)).ok());
    ASSERT_TRUE(session.Put(MakeVariable("c", 2)).ok());
    ASSERT_TRUE(session
                    .Commit([](auto& staged) {
                      staged.Put(MakeVariable("e", 1));
                      staged.Erase(store::KeyOf(MakeVariable("a", 1)));
                      staged.Put(MakeVariable("f", 1));
                    })
                    .ok());
    kept = session.Kept();
  }
  EXPECT_EQ(Reopen(path_), kept);
  EXPECT_EQ(kept, (State{MakeVariable("f", 1), MakeVariable("e", 1), MakeVariable("c", 2),
                         MakeVariable("d", 1), MakeVariable("b", 9)}));
}

TEST_F(SqliteBackendTest, AToolThatOnlyLooksChangesNoByte) {
  Lines log;
  const State state = {MakeVariable("b", 2), MakeVariable("a", 1)};
  const std::string copy = folder_.File("copy.db");
  {
    Session session(path_);
    ASSERT_TRUE(session.Put(state[1]).ok());
    ASSERT_TRUE(session.Put(state[0]).ok());
    // As a daemon that was killed leaves it, with a log.
    std::filesystem::copy_file(path_, copy);
    std::filesystem::copy_file(path_ + "-wal", copy + "-wal");
  }
  for (const std::string& path : {path_, copy}) {
    const auto database = base::ReadFile(path, 1U << 21U);
    const auto wal = base::ReadFile(path + "-wal", 1U << 21U);
    ASSERT_TRUE(database && wal);
    // Root may write to it all the same; another user is refused the lock.
    ASSERT_EQ(::chmod(path.c_str(), ::geteuid() == 0 ? 0400 : 0600), 0);
    const auto look_as_bytes = [&] {
      const auto files = backend::OpenDatabaseFiles(path, backend::DatabaseUse::kLook);
      auto bytes = files ? backend::ReadDatabase(*files) : files.failure();
      return bytes ? backend::SqliteBackend::Look(*std::move(bytes), log) : bytes.failure();
    };
    const auto look_before_a_change = [&] {
      auto files = backend::OpenDatabaseFiles(path, backend::DatabaseUse::kChange);
      return files ? backend::SqliteBackend::Open(*std::move(files), log,
                                                  backend::SqliteBackend::FirstWrite::kWithCommit)
                   : files.failure();
    };
    for (const bool is_as_bytes : {true, false}) {
      const auto backend = is_as_bytes ? look_as_bytes() : look_before_a_change();
      ASSERT_TRUE(backend) << backend.error().message;
      const auto loaded = (*backend)->Load();
      ASSERT_TRUE(loaded) << loaded.error().message;
      EXPECT_EQ(*loaded, state);
      if (is_as_bytes) {
        EXPECT_FALSE((*backend)->KeepResumed(store::StagedStore(store::Store())));
      }
    }
    EXPECT_TRUE(*base::ReadFile(path, 1U << 21U) == *database);
    EXPECT_TRUE(*base::ReadFile(path + "-wal", 1U << 21U) == *wal);
    ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  }
  EXPECT_NE(std::filesystem::file_size(copy + "-wal"), 0U);
}

TEST_F(SqliteBackendTest, WhoOnlyLooksMakesNoLog) {
  ASSERT_TRUE(Session(path_).Put(MakeVariable("a", 1)).ok());
  std::filesystem::remove(path_ + "-wal");
  const auto files = backend::OpenDatabaseFiles(path_, backend::DatabaseUse::kLook);
  ASSERT_TRUE(files) << files.error().message;
  auto bytes = backend::ReadDatabase(*files);
  ASSERT_TRUE(bytes) << bytes.error().message;
  Lines log;
  const auto backend = backend::SqliteBackend::Look(*std::move(bytes), log);
  ASSERT_TRUE(backend) << backend.error().message;
  EXPECT_EQ(*(*backend)->Load(), State{MakeVariable("a", 1)});
  EXPECT_FALSE(std::filesystem::exists(path_ + "-wal"));
}

// As an administrator's own sqlite3 may leave it: with a journal instead of a log.
TEST_F(SqliteBackendTest, ADatabaseWithAnotherJournalModeGetsItsLogBack) {
  ASSERT_TRUE(Session(path_).Put(MakeVariable("a", 1)).ok());
  for (const char* mode : {"DELETE", "TRUNCATE"}) {
    sqlite3* tool = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &tool), SQLITE_OK);
    const std::string sql = std::string("PRAGMA journal_mode = ") + mode;
    ASSERT_EQ(sqlite3_exec(tool, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(tool);
    {
      Session session(path_);
      EXPECT_EQ(session.Kept(), State{MakeVariable("a", 1)});
      EXPECT_TRUE(session.Put(MakeVariable("a", 1, 9)).ok());
      EXPECT_GT(std::filesystem::file_size(path_ + "-wal"), 0U);
      EXPECT_TRUE(session.Put(MakeVariable("a", 1)).ok());
    }
    EXPECT_EQ(Reopen(path_), State{MakeVariable("a", 1)});
  }
}

// docs/backends.md, "For administrators".
TEST_F(SqliteBackendTest, ARowCanBeMadeByHandAsTheDocumentSays) {
  { const Session made(path_); }
  sqlite3* tool = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &tool), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(tool,
                         "INSERT INTO variable"
                         " (name, name_text, vendor, attributes, timestamp, signer, data)"
                         " VALUES (x'42006f006f0074004f007200640065007200', 'BootOrder',"
                         " '8be4df61-93ca-11d2-aa0d-00e098032b8c', 7, zeroblob(16), zeroblob(32),"
                         " x'5a5a'); UPDATE state SET kept = 1;",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(tool);
  EXPECT_EQ(Reopen(path_), State{MakeVariable("BootOrder", 2)});
}

// Each keeps the other out.
TEST_F(SqliteBackendTest, ItsLockIsThatOfSqlitesOwnFiles) {
  sqlite3* tool = nullptr;
  const auto read = [&] {
    return sqlite3_exec(tool, "SELECT count(*) FROM variable", nullptr, nullptr, nullptr);
  };
  {
    Session session(path_);
    ASSERT_TRUE(session.Put(MakeVariable("a", 1)).ok());
    ASSERT_EQ(sqlite3_open(path_.c_str(), &tool), SQLITE_OK);
    EXPECT_EQ(read(), SQLITE_BUSY);
    EXPECT_EQ(OpenError(path_), path_ + ": another process uses it");
    const auto files = backend::OpenDatabaseFiles(path_, backend::DatabaseUse::kLook);
    ASSERT_TRUE(files);
    const auto bytes = backend::ReadDatabase(*files);
    ASSERT_FALSE(bytes);
    EXPECT_EQ(bytes.error().message, path_ + ": another process uses it");
  }
  ASSERT_EQ(read(), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(tool, "PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE", nullptr, nullptr,
                         nullptr),
            SQLITE_OK);
  // In a process of its own: a lock of SQLite's own ends with any descriptor of its process.
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(OpenError(path_) == path_ + ": another process uses it" ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(sqlite3_exec(tool, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(tool);
  EXPECT_EQ(OpenError(path_), "");
}

/// Somebody who looks at a database, and has begun to read it.
class Looker {
 public:
  explicit Looker(const std::string& path) : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    EXPECT_TRUE(Lock(F_RDLCK));
  }
  void End() { EXPECT_TRUE(Lock(F_UNLCK)); }
  /// Whether somebody has a share of the bytes for users, as who waits for this one's end has.
  [[nodiscard]] bool HasCompany() const {
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = kPendingByte + 2;
    lock.l_len = 510;
    return ::fcntl(file_.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  }

 private:
  static constexpr off_t kPendingByte = 0x40000000;

  [[nodiscard]] bool Lock(short type) const {
    struct flock lock = {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = kPendingByte;
    lock.l_len = 1;
    return ::fcntl(file_.get(), F_OFD_SETLK, &lock) == 0;
  }

  base::UniqueFd file_;
};

TEST_F(SqliteBackendTest, WhoLooksKeepsNobodyFromLooking) {
  ASSERT_TRUE(Session(path_).Put(MakeVariable("a", 1)).ok());
  const Looker other(path_);
  const auto files = backend::OpenDatabaseFiles(path_, backend::DatabaseUse::kLook);
  ASSERT_TRUE(files) << files.error().message;
  const auto bytes = backend::ReadDatabase(*files);
  EXPECT_TRUE(bytes) << bytes.error().message;
}

TEST_F(SqliteBackendTest, ADaemonThatStartsWhileSomebodyLooksWaitsForTheEnd) {
  ASSERT_TRUE(Session(path_).Put(MakeVariable("a", 1)).ok());
  Looker other(path_);
  auto daemon = std::async(std::launch::async, [this] { return OpenError(path_); });
  while (!other.HasCompany() &&
         daemon.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    std::this_thread::yield();
  }
  other.End();
  EXPECT_EQ(daemon.get(), "");
}

TEST_F(SqliteBackendTest, ADaemonDoesNotWaitForWhoNeverEndsToLook) {
  ASSERT_TRUE(Session(path_).Put(MakeVariable("a", 1)).ok());
  const Looker other(path_);
  EXPECT_EQ(OpenError(path_), path_ + ": another process uses it");
}

// A reader's share, as an idle sqlite3 has it of a database with a log, in which others may write.
TEST_F(SqliteBackendTest, NobodyLooksWhileSomebodysOwnSqliteHasItOpen) {
  ASSERT_TRUE(Session(path_).Put(MakeVariable("a", 1)).ok());
  sqlite3* tool = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &tool), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(tool, "SELECT count(*) FROM variable", nullptr, nullptr, nullptr),
            SQLITE_OK);
  // In a process of its own: a lock of SQLite's own ends with any descriptor of its process.
  const auto can_look = [this] {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto files = backend::OpenDatabaseFiles(path_, backend::DatabaseUse::kLook);
      ::_exit(!files ? 2 : backend::ReadDatabase(*files) ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
  };
  EXPECT_EQ(can_look(), 1);
  sqlite3_close(tool);
  EXPECT_EQ(can_look(), 0);
}

TEST_F(SqliteBackendTest, AToolThatWritesFindsOutThenWhetherItCan) {
  ASSERT_TRUE(Session(path_).Put(MakeVariable("a", 1)).ok());
  for (const mode_t mode : {0400U, 0600U}) {
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    Lines log;
    const auto backend =
        backend::SqliteBackend::Open(path_, log, backend::SqliteBackend::FirstWrite::kWithCommit);
    if (mode == 0400U && ::geteuid() != 0) {
      ASSERT_FALSE(backend);
      EXPECT_EQ(backend.error().message, path_ + ": it is read-only");
      continue;
    }
    ASSERT_TRUE(backend) << backend.error().message;
    store::Store store;
    auto loaded = (*backend)->Load();
    ASSERT_TRUE(loaded && *loaded);
    for (store::Entry& entry : **loaded) {
      store.Append(std::move(entry));
    }
    store::StagedStore staged(store);
    staged.Put(MakeVariable("b", 2));
    const auto done = (*backend)->Commit(staged);
    EXPECT_EQ(done.ok(), mode == 0600U);
    EXPECT_TRUE(done || done.error().message == path_ + ": it is read-only");
  }
  EXPECT_EQ(Reopen(path_), (State{MakeVariable("b", 2), MakeVariable("a", 1)}));
}

TEST_F(SqliteBackendTest, VolatileEntriesAreNoRows) {
  {
    Session session(path_);
    ASSERT_TRUE(session
                    .Commit([](auto& staged) {
                      staged.Put(MakeVariable("SetupMode", 1, 1, 6));
                      staged.Put(MakeVariable("PK", 1000, 1, 0x27));
                    })
                    .ok());
  }
  EXPECT_EQ(Reopen(path_), State{MakeVariable("PK", 1000, 1, 0x27)});
}

TEST_F(SqliteBackendTest, WhatEveryStartResetsIsNoRow) {
  {
    Session session(path_);
    ASSERT_TRUE(session
                    .Commit([](auto& staged) {
                      for (const auto& known :
                           {efi::kMorControl, efi::kMorLock, efi::kPpiFlagsLock, efi::kPpiBuffer}) {
                        staged.Put(store::MakeEntry(
                            {std::string(known.name), known.vendor, 7, base::Bytes(1, 1), {}, {}}));
                      }
                    })
                    .ok());
  }
  const State kept = Reopen(path_);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_TRUE(efi::kPpiBuffer.Is(kept[0].name(), kept[0].vendor()));
}

TEST_F(SqliteBackendTest, AnEntryThatChangesItsVolatilityKeepsItsPlace) {
  State kept;
  {
    Session session(path_);
    ASSERT_TRUE(session.Put(MakeVariable("old", 1)).ok());
    ASSERT_TRUE(session.Put(MakeVariable("middle", 1, 0, 6)).ok());
    ASSERT_TRUE(session.Put(MakeVariable("new", 1)).ok());
    ASSERT_TRUE(session.Put(MakeVariable("middle", 1, 0, 7)).ok());
    ASSERT_TRUE(session.Put(MakeVariable("new", 1, 0, 6)).ok());
    kept = session.Kept();
    ASSERT_EQ(kept.size(), 2U);
  }
  EXPECT_EQ(Reopen(path_), kept);
}

TEST_F(SqliteBackendTest, TheFirstCommitOfAResumedStoreReplacesWhatTheFileHolds) {
  {
    Session session(path_);
    ASSERT_TRUE(session.Put(MakeVariable("stale", 1)).ok());
    ASSERT_TRUE(session.Put(MakeVariable("both", 1)).ok());
  }
  Lines log;
  {
    // Given a store that came from elsewhere, so that nobody asked the backend what it keeps.
    const auto backend = backend::SqliteBackend::Open(path_, log);
    ASSERT_TRUE(backend.ok());
    store::Store resumed;
    resumed.Append(MakeVariable("both", 5));
    resumed.Append(MakeVariable("volatile", 1, 0, 6));
    store::StagedStore staged(resumed);
    staged.Put(MakeVariable("new", 1));
    ASSERT_TRUE((*backend)->Commit(staged).ok());
  }
  EXPECT_EQ(Reopen(path_), (State{MakeVariable("new", 1), MakeVariable("both", 5)}));
}

TEST_F(SqliteBackendTest, NobodyElseMayReadTheFile) {
  const Session session(path_);
  for (const char* suffix : {"", "-wal"}) {
    struct stat status = {};
    ASSERT_EQ(::stat((path_ + suffix).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
  }
}

TEST_F(SqliteBackendTest, AnEndLeavesEverythingInOneFile) {
  {
    Session session(path_);
    ASSERT_TRUE(session.Put(MakeVariable("BootOrder", 2)).ok());
  }
  EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), 0U);
  std::filesystem::remove(path_ + "-wal");
  EXPECT_EQ(Reopen(path_).size(), 1U);
}

TEST_F(SqliteBackendTest, APathHasNoMeaningButAPath) {
  for (const char* name : {"file:a?mode=memory", "-a", ":memory:"}) {
    std::filesystem::current_path(folder_.path());
    ASSERT_TRUE(Session(name).Put(MakeVariable("BootOrder", 2)).ok()) << name;
    EXPECT_TRUE(std::filesystem::exists(folder_.File(name))) << name;
    EXPECT_EQ(Reopen(folder_.File(name)).size(), 1U) << name;
  }
}

TEST_F(SqliteBackendTest, AnAdministratorCanReadTheVariables) {
  ASSERT_TRUE(Session(path_).Put(MakeVariable("BootOrder", 2)).ok());
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open_v2(path_.c_str(), &reader, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
  std::string row;
  const auto take = [](void* target, int count, char** values, char** /*names*/) {
    for (int i = 0; i < count; ++i) {
      *static_cast<std::string*>(target) += std::string(values[i]) + "|";
    }
    return 0;
  };
  EXPECT_EQ(sqlite3_exec(reader, "SELECT name_text, vendor, attributes, hex(data) FROM variable",
                         take, &row, nullptr),
            SQLITE_OK);
  EXPECT_EQ(row, "BootOrder|8be4df61-93ca-11d2-aa0d-00e098032b8c|7|5A5A|");
  sqlite3_close(reader);
}

TEST_F(SqliteBackendTest, ARefusedImageIsALineInTheLog) {
  Session session(path_);
  EXPECT_TRUE(session.backend().ReportSecureBootFailure().ok());
  ASSERT_EQ(session.log().lines().size(), 1U);
  EXPECT_NE(session.log().lines()[0].find("refused an image"), std::string::npos);
}

}  // namespace
}  // namespace varstored::test
