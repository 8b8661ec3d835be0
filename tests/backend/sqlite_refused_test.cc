// Files that are refused: one clear error, and the file stays as it is.

#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sqlite_session.h"
#include "support/temporary_folder.h"
#include "varstored/base/bytes.h"
#include "varstored/base/file.h"

namespace varstored::test {
namespace {

base::Bytes Content(const std::string& path) {
  return *base::ReadFile(path, std::size_t{16} * 1024 * 1024);
}

void Write(const std::string& path, const base::Bytes& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  std::copy(content.begin(), content.end(), std::ostreambuf_iterator<char>(file));
}

testing::AssertionResult Says(const std::string& error, const std::string& reason) {
  return error.find(reason) != std::string::npos
             ? testing::AssertionSuccess()
             : testing::AssertionFailure() << '"' << error << "\", not " << reason;
}

constexpr std::size_t kPageBytes = 4096;

void PutBigEndian(base::Bytes& bytes, std::size_t offset, std::uint32_t number,
                  std::size_t size = 4) {
  for (std::size_t i = 0; i < size; ++i) {
    bytes.at(offset + i) = static_cast<std::uint8_t>(number >> (8 * (size - 1 - i)));
  }
}

/// A page of a table's tree that has the page `child` `count` times and then `last`, behind `front`
/// bytes of something else (https://www.sqlite.org/fileformat2.html, 1.6).
base::Bytes PageOf(std::uint32_t child, std::size_t count, std::uint32_t last,
                   std::size_t front = 0) {
  constexpr std::size_t kCellBytes = 5;
  base::Bytes page(kPageBytes, 0);
  page[front] = 0x05;
  const std::size_t content = kPageBytes - count * kCellBytes;
  PutBigEndian(page, front + 3, static_cast<std::uint32_t>(count), 2);
  PutBigEndian(page, front + 5, static_cast<std::uint32_t>(content), 2);
  PutBigEndian(page, front + 8, last);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t cell = content + i * kCellBytes;
    PutBigEndian(page, front + 12 + 2 * i, static_cast<std::uint32_t>(cell), 2);
    PutBigEndian(page, cell, child);
    page[cell + 4] = 1;
  }
  return page;
}

/// `database` with the descriptions of its tables on a page of their own, and behind that, three
/// levels further down, the one of its index, which SQLite takes as often as it comes.
base::Bytes WithEndlessTables(const base::Bytes& database) {
  constexpr std::size_t kFront = 100;
  constexpr std::size_t kTimes = 500;
  const auto next = static_cast<std::uint32_t>(database.size() / kPageBytes + 1);
  base::Bytes all = database;
  const auto add = [&all](const base::Bytes& page) {
    all.insert(all.end(), page.begin(), page.end());
  };
  base::Bytes leaf(database.begin(), database.begin() + kPageBytes);
  // Its header begins the page now; its rows stay where they are.
  std::copy(leaf.begin() + kFront, leaf.begin() + 2 * kFront, leaf.begin());
  add(leaf);
  for (std::uint32_t page = next + 2; page < next + 5; ++page) {
    add(PageOf(page, kTimes, page));
  }
  // The second of three rows alone.
  PutBigEndian(leaf, 3, 1, 2);
  std::copy(leaf.begin() + 10, leaf.begin() + 12, leaf.begin() + 8);
  add(leaf);
  const base::Bytes root = PageOf(next, 1, next + 1, kFront);
  std::copy(root.begin() + kFront, root.end(), all.begin() + kFront);
  PutBigEndian(all, 28, next + 4);
  return all;
}

/// A log that has all pages of `database`, one transaction (4.1 to 4.3), and says that they are of
/// `page_bytes`.
base::Bytes LogOf(const base::Bytes& database, std::uint32_t page_bytes = kPageBytes) {
  constexpr std::size_t kHeaderBytes = 32;
  constexpr std::size_t kFrameHeaderBytes = 24;
  std::array<std::uint32_t, 2> sums{};
  const auto sum = [&sums](const base::Bytes& bytes, std::size_t begin, std::size_t size) {
    const auto word = [&bytes](std::size_t at) {
      return static_cast<std::uint32_t>(bytes[at]) << 24U |
             static_cast<std::uint32_t>(bytes[at + 1]) << 16U |
             static_cast<std::uint32_t>(bytes[at + 2]) << 8U | bytes[at + 3];
    };
    for (std::size_t at = begin; at < begin + size; at += 8) {
      sums[0] += word(at) + sums[1];
      sums[1] += word(at + 4) + sums[0];
    }
  };
  base::Bytes log(kHeaderBytes, 0);
  PutBigEndian(log, 0, 0x377F0683);
  PutBigEndian(log, 4, 3007000);
  PutBigEndian(log, 8, page_bytes);
  sum(log, 0, 24);
  PutBigEndian(log, 24, sums[0]);
  PutBigEndian(log, 28, sums[1]);
  const std::size_t pages = database.size() / kPageBytes;
  for (std::size_t page = 0; page < pages; ++page) {
    const std::size_t frame = log.size();
    log.resize(frame + kFrameHeaderBytes);
    PutBigEndian(log, frame, static_cast<std::uint32_t>(page + 1));
    PutBigEndian(log, frame + 4, page + 1 == pages ? static_cast<std::uint32_t>(pages) : 0);
    const auto begin = database.begin() + static_cast<std::ptrdiff_t>(page * kPageBytes);
    log.insert(log.end(), begin, begin + kPageBytes);
    sum(log, frame, 8);
    sum(log, frame + kFrameHeaderBytes, kPageBytes);
    PutBigEndian(log, frame + 16, sums[0]);
    PutBigEndian(log, frame + 20, sums[1]);
  }
  return log;
}

class SqliteRefusedTest : public testing::Test {
 protected:
  /// A database of the program, with some variables.
  void MakeDatabase() {
    Session session(path_);
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(session.Put(MakeVariable("Boot" + std::to_string(i), 300)).ok());
    }
    ASSERT_TRUE(session.Put(MakeVariable("dbx", 9000)).ok());
  }

  /// What is wrong with its rows; empty when nothing is.
  static std::string LoadError(const std::string& path) {
    Lines log;
    const auto opened = backend::SqliteBackend::Open(path, log);
    if (!opened) {
      return opened.error().message;
    }
    const auto loaded = (*opened)->Load();
    return loaded ? std::string() : loaded.error().message;
  }

  void RemoveDatabase() {
    std::filesystem::remove(path_);
    std::filesystem::remove(path_ + "-wal");
  }

  /// What an administrator does to the file with a tool of his own.
  void Run(const std::string& sql) {
    sqlite3* tool = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &tool), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(tool, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(tool);
    sqlite3_close(tool);
  }

  /// The file is refused with one line that names it and holds `reason`, and is not changed.
  void ExpectRefused(const std::string& reason) {
    const base::Bytes before = Content(path_);
    const std::string error = OpenError(path_);
    EXPECT_TRUE(Says(error, path_));
    EXPECT_TRUE(Says(error, reason));
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
    EXPECT_EQ(Content(path_), before) << error;
  }

  TemporaryFolder folder_{FastParent()};
  std::string path_ = folder_.File("vm.db");
};

TEST_F(SqliteRefusedTest, AnEmptyFile) {
  Write(path_, {});
  ExpectRefused("it is empty");
}

TEST_F(SqliteRefusedTest, AFileThatIsNoDatabase) {
  Write(path_, base::Bytes(5000, 'x'));
  ExpectRefused("no SQLite database");
}

TEST_F(SqliteRefusedTest, ADatabaseOfAnotherProgram) {
  Run("CREATE TABLE variable (name TEXT); INSERT INTO variable VALUES ('mine')");
  ExpectRefused("another program");
}

TEST_F(SqliteRefusedTest, ADatabaseOfAnotherProgramWithALogBesideIt) {
  // Given one that was killed: its last changes are in the log only.
  const pid_t child = ::fork();
  if (child == 0) {
    sqlite3* other = nullptr;
    sqlite3_open(path_.c_str(), &other);
    sqlite3_exec(other, "PRAGMA journal_mode = WAL; CREATE TABLE t (c); INSERT INTO t VALUES (1)",
                 nullptr, nullptr, nullptr);
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const base::Bytes log = Content(path_ + "-wal");
  ASSERT_FALSE(log.empty());
  ExpectRefused("another program");
  EXPECT_EQ(Content(path_ + "-wal"), log);
}

TEST_F(SqliteRefusedTest, ANewerVersion) {
  MakeDatabase();
  Run("PRAGMA user_version = 4");
  ExpectRefused("newer varstored: its schema has version 4");
}

TEST_F(SqliteRefusedTest, ANewerVersionThatOnlyTheLogTells) {
  MakeDatabase();
  const pid_t child = ::fork();
  if (child == 0) {
    sqlite3* newer = nullptr;
    sqlite3_open(path_.c_str(), &newer);
    sqlite3_exec(newer, "PRAGMA user_version = 4", nullptr, nullptr, nullptr);
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const base::Bytes log = Content(path_ + "-wal");
  ASSERT_FALSE(log.empty());
  ExpectRefused("newer varstored: its schema has version 4");
  EXPECT_EQ(Content(path_ + "-wal"), log);
}

TEST_F(SqliteRefusedTest, NoVersion) {
  MakeDatabase();
  Run("PRAGMA user_version = 0");
  ExpectRefused("no version");
}

TEST_F(SqliteRefusedTest, OtherTables) {
  for (const char* change :
       {"CREATE TABLE more (c)", "DROP TABLE state", "ALTER TABLE variable ADD COLUMN more ANY",
        "ALTER TABLE state RENAME COLUMN kept TO stored", "CREATE INDEX more ON variable (data)",
        "CREATE VIEW more AS SELECT 1",
        "CREATE TRIGGER more AFTER DELETE ON variable BEGIN DELETE FROM state; END",
        "CREATE VIRTUAL TABLE more USING fts5(c)"}) {
    RemoveDatabase();
    MakeDatabase();
    Run(change);
    ExpectRefused("its tables are not those of varstored");
  }
}

// Each of three pages has the next one five hundred times, so that SQLite, which reads the tables'
// descriptions before all else, would read the last one 126 million times.
TEST_F(SqliteRefusedTest, ATreeOfTablesThatLeadsToTheSamePagesAgainAndAgain) {
  MakeDatabase();
  const base::Bytes good = Content(path_);
  const base::Bytes bad = WithEndlessTables(good);
  Write(path_, bad);
  ExpectRefused("its tables are not those of varstored");
  // The same, where only the log has the pages.
  Write(path_, good);
  Write(path_ + "-wal", LogOf(bad));
  ExpectRefused("its tables are not those of varstored");
  EXPECT_EQ(Content(path_ + "-wal"), LogOf(bad));
}

// Also the pages of a log alone: else they would not be where they are looked for.
TEST_F(SqliteRefusedTest, ALogWithAnotherPageSize) {
  MakeDatabase();
  Write(path_ + "-wal", LogOf(Content(path_), 512));
  ExpectRefused("its pages have 512 bytes instead of 4096");
}

TEST_F(SqliteRefusedTest, RowsThatAreNoVariables) {
  const std::string insert =
      "INSERT INTO variable (name, name_text, vendor, attributes, timestamp, signer, data) VALUES ";
  const std::string guid = "'8be4df61-93ca-11d2-aa0d-00e098032b8c'";
  struct Case {
    std::string values;
    std::string reason;
  };
  for (const auto& [values, reason] : {
           Case{"(zeroblob(0), '', " + guid + ", 7, zeroblob(16), zeroblob(32), x'00')",
                "its name has 0 bytes"},
           Case{"(zeroblob(4097), '', " + guid + ", 7, zeroblob(16), zeroblob(32), x'00')",
                "its name has 4097 bytes"},
           Case{"(x'6100', 'a', 'me', 7, zeroblob(16), zeroblob(32), x'00')",
                "its vendor is no GUID"},
           Case{"(x'6100', 'a', upper(" + guid + "), 7, zeroblob(16), zeroblob(32), x'00')",
                "its vendor is to be written 8be4df61-93ca-11d2-aa0d-00e098032b8c"},
           Case{"(x'6100', 'A', " + guid + ", 7, zeroblob(16), zeroblob(32), x'00')",
                "its name_text is not what its name says"},
           Case{"(x'61', 'a', " + guid + ", 7, zeroblob(16), zeroblob(32), x'00')",
                "its name_text is not what its name says"},
           Case{"(x'6100', 'a' || char(0), " + guid + ", 7, zeroblob(16), zeroblob(32), x'00')",
                "its name_text is not what its name says"},
           Case{"(x'6100', 'a', " + guid + ", 6, zeroblob(16), zeroblob(32), x'00')",
                "its attributes are 6"},
           Case{"(x'6100', 'a', " + guid + ", 4294967303, zeroblob(16), zeroblob(32), x'00')",
                "its attributes are 4294967303"},
           Case{"(x'6100', 'a', " + guid + ", -1, zeroblob(16), zeroblob(32), x'00')",
                "its attributes are -1"},
           Case{"(x'6100', 'a', " + guid + ", 7, zeroblob(15), zeroblob(32), x'00')",
                "its timestamp has not 16 bytes"},
           Case{"(x'6100', 'a', " + guid + ", 7, zeroblob(17), zeroblob(32), x'00')",
                "its timestamp has not 16 bytes"},
           Case{"(x'6100', 'a', " + guid + ", 7, zeroblob(16), zeroblob(33), x'00')",
                "its signer has not 32 bytes"},
           Case{"(x'6100', 'a', " + guid + ", 7, zeroblob(16), zeroblob(32), zeroblob(0))",
                "it has no data"},
           Case{"(x'6100', 'a', " + guid + ", 7, zeroblob(16), zeroblob(32), zeroblob(1048577))",
                "bytes of variables"},
       }) {
    RemoveDatabase();
    MakeDatabase();
    Run(insert + values);
    const base::Bytes before = Content(path_);
    EXPECT_TRUE(Says(LoadError(path_), path_ + ": damaged: ")) << values;
    EXPECT_TRUE(Says(LoadError(path_), reason)) << values;
    EXPECT_EQ(Content(path_), before) << values;
  }
}

TEST_F(SqliteRefusedTest, AStateThatIsNotOneRow) {
  for (const char* change : {"DELETE FROM state", "INSERT INTO state (kept) VALUES (1)",
                             "UPDATE state SET kept = 2", "UPDATE state SET kept = -1"}) {
    RemoveDatabase();
    MakeDatabase();
    Run(change);
    EXPECT_TRUE(Says(LoadError(path_), "its table state has to have one row, with kept 0 or 1"))
        << change;
  }
}

TEST_F(SqliteRefusedTest, AWishThatIsNotOneYesOrNo) {
  for (const char* change : {"INSERT INTO last_start (secure_boot) VALUES (2)",
                             "INSERT INTO last_start (secure_boot) VALUES (-1)",
                             "INSERT INTO last_start (secure_boot) VALUES (1), (1)"}) {
    RemoveDatabase();
    MakeDatabase();
    Run(change);
    EXPECT_TRUE(Says(LoadError(path_),
                     "its table last_start has to have one row at most, with secure_boot 0 or 1"))
        << change;
  }
}

// A page of another size is a limit of another size, for all that counts pages.
TEST_F(SqliteRefusedTest, AnotherPageSize) {
  for (const int bytes : {512, 1024, 2048, 8192, 65536}) {
    RemoveDatabase();
    MakeDatabase();
    Run("PRAGMA journal_mode = DELETE; PRAGMA page_size = " + std::to_string(bytes) + "; VACUUM");
    ExpectRefused("its pages have " + std::to_string(bytes) + " bytes instead of 4096");
  }
}

// What a journal says is not for us to do: whoever left the database may have written it.
TEST_F(SqliteRefusedTest, AJournalBesideIt) {
  MakeDatabase();
  const std::string journal = path_ + "-journal";
  const auto expect_refused = [&] {
    const base::Bytes before = Content(path_);
    EXPECT_TRUE(Says(OpenError(path_), journal + ": a journal beside the database"));
    for (const auto use : {backend::DatabaseUse::kLook, backend::DatabaseUse::kChange}) {
      const auto opened = backend::OpenDatabaseFiles(path_, use);
      ASSERT_FALSE(opened);
      EXPECT_TRUE(Says(opened.error().message, journal + ": a journal beside the database"));
    }
    EXPECT_EQ(Content(path_), before);
    EXPECT_TRUE(std::filesystem::exists(std::filesystem::symlink_status(journal)));
    std::filesystem::remove(journal);
  };
  Write(journal, {'x'});
  expect_refused();
  std::filesystem::create_symlink(folder_.File("nowhere"), journal);
  expect_refused();
  std::filesystem::create_directory(journal);
  expect_refused();
  ASSERT_EQ(::mkfifo(journal.c_str(), 0600), 0);
  expect_refused();
  // Where the database is gone too.
  RemoveDatabase();
  Write(journal, {'x'});
  EXPECT_TRUE(Says(OpenError(path_), journal + ": a journal beside the database"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SqliteRefusedTest, AnEmptyJournalIsNone) {
  MakeDatabase();
  Write(path_ + "-journal", {});
  EXPECT_EQ(OpenError(path_), "");
}

TEST_F(SqliteRefusedTest, ALogThatIsNoFile) {
  MakeDatabase();
  const std::string log = path_ + "-wal";
  const auto expect_refused = [&] {
    EXPECT_TRUE(Says(OpenError(path_), log));
    EXPECT_FALSE(backend::OpenDatabaseFiles(path_, backend::DatabaseUse::kLook));
    std::filesystem::remove(log);
  };
  std::filesystem::remove(log);
  Write(folder_.File("other"), {'x'});
  std::filesystem::create_symlink(folder_.File("other"), log);
  expect_refused();
  ASSERT_EQ(::mkfifo(log.c_str(), 0600), 0);
  expect_refused();
  std::filesystem::create_directory(log);
  expect_refused();
  EXPECT_EQ(Content(folder_.File("other")), base::Bytes{'x'});
}

TEST_F(SqliteRefusedTest, ALogThatIsTooLong) {
  MakeDatabase();
  Write(path_ + "-wal", base::Bytes(backend::kMaxDatabaseBytes + 1, 'x'));
  ExpectRefused("its log has 2097153 bytes, the limit is 2097152");
}

TEST_F(SqliteRefusedTest, ASecondNameWhereOthersMayWrite) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can give a folder away";
  }
  constexpr uid_t kOther = 65534;
  MakeDatabase();
  const std::string other = folder_.File("other");
  for (const char* end : {"", "-wal"}) {
    SCOPED_TRACE(end);
    if (*end != '\0') {
      MakeDatabase();
      std::filesystem::remove(path_ + end);
      Write(other, base::Bytes{'x'});
      std::filesystem::create_hard_link(other, path_ + end);
    } else {
      std::filesystem::create_hard_link(path_, other);
    }
    ASSERT_EQ(::chown(folder_.path().c_str(), kOther, kOther), 0);
    const auto files = backend::OpenDatabaseFiles(path_, backend::DatabaseUse::kChange);
    ASSERT_FALSE(files);
    EXPECT_TRUE(Says(files.error().message, "it has a second name elsewhere"));
    EXPECT_TRUE(backend::OpenDatabaseFiles(path_, backend::DatabaseUse::kLook));
    ASSERT_EQ(::chown(folder_.path().c_str(), 0, 0), 0);
    EXPECT_TRUE(backend::OpenDatabaseFiles(path_, backend::DatabaseUse::kChange));
    std::filesystem::remove(other);
  }
}

TEST_F(SqliteRefusedTest, VariablesThatNobodyKept) {
  MakeDatabase();
  Run("UPDATE state SET kept = 0");
  EXPECT_THROW({ const Session session(path_); }, std::runtime_error);
}

TEST_F(SqliteRefusedTest, MoreVariablesThanAStoreTakes) {
  MakeDatabase();
  // Two letters each.
  Run("WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1023)"
      " INSERT INTO variable (name, name_text, vendor, attributes, timestamp, signer, data)"
      " SELECT CAST(char(65 + i % 32, 0, 65 + i / 32, 0) AS BLOB), char(65 + i % 32, 65 + i / 32),"
      " '8be4df61-93ca-11d2-aa0d-00e098032b8c', 7, zeroblob(16), zeroblob(32), x'00' FROM n");
  EXPECT_TRUE(Says(LoadError(path_), "more than 1024 variables"));
}

TEST_F(SqliteRefusedTest, AFileThatIsCutOff) {
  MakeDatabase();
  const base::Bytes whole = Content(path_);
  std::filesystem::remove(path_ + "-wal");
  for (std::size_t size = 1; size < whole.size(); size += size < 128 ? 1 : 511) {
    Write(path_, base::Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
    ExpectRefused("");
    std::filesystem::remove(path_ + "-wal");
  }
}

TEST_F(SqliteRefusedTest, DamageIsFoundOrHarmless) {
  MakeDatabase();
  const std::vector<store::Entry> kept = Reopen(path_);
  const base::Bytes whole = Content(path_);
  std::filesystem::remove(path_ + "-wal");
  std::size_t refused = 0;
  for (std::size_t offset = 0; offset < whole.size(); offset += 13) {
    base::Bytes damaged = whole;
    damaged[offset] ^= static_cast<std::uint8_t>(1U << (offset % 8));
    Write(path_, damaged);
    try {
      // A bit of a variable's data may be another one; nothing may be missing.
      EXPECT_EQ(Reopen(path_).size(), kept.size()) << "offset " << offset;
    } catch (const std::runtime_error&) {
      EXPECT_EQ(Content(path_), damaged) << "offset " << offset;
      ++refused;
    }
    std::filesystem::remove(path_ + "-wal");
  }
  EXPECT_GT(refused, 0U);
}

TEST_F(SqliteRefusedTest, AFileThatIsTooLong) {
  MakeDatabase();
  std::filesystem::resize_file(path_, backend::kMaxDatabaseBytes + 1);
  ExpectRefused("the limit is 2097152");
}

TEST_F(SqliteRefusedTest, AFileThatIsReadOnly) {
  MakeDatabase();
  ASSERT_EQ(::chmod(path_.c_str(), 0400), 0);
  ExpectRefused("it is read-only");
}

TEST_F(SqliteRefusedTest, SomethingElseThanAFile) {
  EXPECT_TRUE(Says(OpenError(folder_.path()), folder_.path()));
  EXPECT_TRUE(Says(OpenError(""), "a path is empty"));
  EXPECT_TRUE(Says(OpenError(folder_.File("missing/vm.db")), "No such file or directory"));
  std::filesystem::create_symlink(folder_.File("nowhere"), path_);
  EXPECT_TRUE(Says(OpenError(path_), path_));
  ASSERT_EQ(::mkfifo(folder_.File("pipe").c_str(), 0600), 0);
  EXPECT_TRUE(Says(OpenError(folder_.File("pipe")), "pipe"));
}

// The log may hold the last changes of a database that was lost.
TEST_F(SqliteRefusedTest, L10ALogWhoseDatabaseIsGone) {
  Write(path_ + "-wal", base::Bytes(100, 'x'));
  EXPECT_TRUE(Says(OpenError(path_), path_ + "-wal: its database is gone"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SqliteRefusedTest, AFileInUse) {
  const auto opens_elsewhere = [this] {
    const pid_t child = ::fork();
    if (child == 0) {
      const std::string error = OpenError(path_);
      ::_exit(error.empty()                                                ? 0
              : error.find("another process uses it") != std::string::npos ? 1
                                                                           : 2);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
  };
  {
    Session session(path_);
    EXPECT_EQ(opens_elsewhere(), 1);
    ASSERT_TRUE(session.Put(MakeVariable("BootOrder", 2)).ok());
    EXPECT_EQ(opens_elsewhere(), 1);
    ASSERT_TRUE(session.Put(MakeVariable("BootOrder", 4)).ok());
  }
  EXPECT_EQ(opens_elsewhere(), 0);
  EXPECT_EQ(Reopen(path_), std::vector<store::Entry>{MakeVariable("BootOrder", 4)});
}

}  // namespace
}  // namespace varstored::test
