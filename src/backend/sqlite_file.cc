#include "sqlite_file.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "sqlite_schema.h"
#include "sqlite_vfs.h"
#include "varstored/backend/sqlite.h"
#include "varstored/base/bytes.h"
#include "varstored/base/file.h"

namespace varstored::backend {
namespace {

/// "VARS", the number that tells this program's databases from others (PRAGMA application_id).
constexpr std::uint32_t kApplicationId = 0x56415253;

/// The first bytes of every SQLite 3 file (https://www.sqlite.org/fileformat2.html, 1.3).
struct Header {
  static constexpr std::size_t kSizeBytes = 100;
  static constexpr std::string_view kMagic{"SQLite format 3\0", 16};
  static constexpr std::size_t kPageSize = 16;
  static constexpr std::size_t kWriteVersion = 18;
  static constexpr std::size_t kReadVersion = 19;
  static constexpr std::uint8_t kWriteAheadLog = 2;
  static constexpr std::size_t kUserVersion = 60;
  static constexpr std::size_t kApplicationId = 68;
};

/// The tree of all tables' descriptions begins behind that header (1.6).
struct SchemaPage {
  static constexpr std::size_t kType = Header::kSizeBytes;
  static constexpr std::uint32_t kLeaf = 0x0D;
  static constexpr std::size_t kRows = Header::kSizeBytes + 3;
  static constexpr std::size_t kSizeBytes = Header::kSizeBytes + 8;
};

/// The write-ahead log: its header, and one in front of each page (4.1).
struct Log {
  static constexpr std::size_t kHeaderBytes = 32;
  static constexpr std::uint32_t kMagic = 0x377F0682;  // and 1 more: sums are of big-endian words
  static constexpr std::size_t kPageSize = 8;
  static constexpr std::size_t kSummedBytes = 24;
  static constexpr std::size_t kSalt = 16;
  static constexpr std::size_t kSum = 24;
};
struct Frame {
  static constexpr std::size_t kHeaderBytes = 24;
  static constexpr std::size_t kSummedBytes = 8;
  static constexpr std::size_t kSalt = 8;
  static constexpr std::size_t kSum = 16;
};

/// All databases of this program have it, so it is a limit for a page that is no other's.
constexpr std::uint32_t kPageBytes = 4096;

std::uint32_t BigEndian(base::ByteSpan header, std::size_t offset, std::size_t bytes = 4) {
  std::uint32_t number = 0;
  for (const std::uint8_t byte : header.subspan(offset, bytes)) {
    number = number << 8U | byte;
  }
  return number;
}

base::Failure<base::Error> Refuse(const Connection& connection, const std::string& reason) {
  return base::Fail(connection.file_name() + ": " + reason);
}

base::Result<void> Migrate(const Connection& connection, std::uint32_t from, std::uint32_t to) {
  for (std::uint32_t version = from; version < to; ++version) {
    if (auto done = connection.Execute(kSteps.at(version)); !done) {
      return done;
    }
  }
  return connection.Execute("PRAGMA user_version = " + std::to_string(to));
}

base::Result<void> CheckVersion(const Connection& connection, std::int64_t version) {
  if (version > kVersion) {
    return Refuse(connection, "made by a newer varstored: its schema has version " +
                                  std::to_string(version) + ", this program knows version " +
                                  std::to_string(kVersion));
  }
  if (version < 1) {
    return Refuse(connection, "its schema has no version");
  }
  return {};
}

base::Failure<base::Error> RefuseAsTooLong(const Connection& connection, const char* what,
                                           std::int64_t bytes) {
  return Refuse(connection, what + std::to_string(bytes) + " bytes, the limit is " +
                                std::to_string(kMaxDatabaseBytes));
}

base::Failure<base::Error> RefusePageSize(const Connection& connection, std::int64_t bytes) {
  return Refuse(connection, "its pages have " + std::to_string(bytes) + " bytes instead of " +
                                std::to_string(kPageBytes) + ", as in no database of varstored");
}

base::Failure<base::Error> RefuseWithErrno(const Connection& connection, const char* what) {
  return Refuse(connection, what + (": " + base::ErrnoText()));
}

/// Looks at the lengths and at the database's header, before SQLite does.
base::Result<void> CheckHeader(const Connection& connection) {
  const StoredFile& file = connection.vfs()->database();
  const std::int64_t size = file.Size();
  const std::int64_t log_size = connection.vfs()->log().Size();
  if (size < 0 || log_size < 0) {
    return RefuseWithErrno(connection, "cannot read its size");
  }
  if (size == 0) {
    return Refuse(connection, "it is empty; for a first boot remove it");
  }
  constexpr auto kMost = static_cast<std::int64_t>(kMaxDatabaseBytes);
  if (size > kMost || log_size > kMost) {
    return size > kMost ? RefuseAsTooLong(connection, "", size)
                        : RefuseAsTooLong(connection, "its log has ", log_size);
  }
  std::array<std::uint8_t, Header::kSizeBytes> header{};
  const std::int64_t count = file.Read(header.data(), header.size(), 0);
  if (count < 0) {
    return RefuseWithErrno(connection, "cannot read");
  }
  if (!std::equal(Header::kMagic.begin(), Header::kMagic.end(), header.begin())) {
    return Refuse(connection, "no SQLite database");
  }
  if (count < std::int64_t{Header::kSizeBytes}) {
    return Refuse(connection, "cut off inside of its header");
  }
  if (BigEndian(header, Header::kApplicationId) != kApplicationId) {
    return Refuse(connection, "an SQLite database of another program");
  }
  if (const std::uint32_t bytes = BigEndian(header, Header::kPageSize, 2); bytes != kPageBytes) {
    return RefusePageSize(connection, bytes == 1 ? 65536 : bytes);
  }
  return CheckVersion(connection, BigEndian(header, Header::kUserVersion));
}

base::Failure<base::Error> RefuseTables(const Connection& connection) {
  return Refuse(connection, "its tables are not those of varstored");
}

/// Whether this first page has the descriptions of all tables on itself.
bool IsFlat(base::ByteSpan page) {
  constexpr std::uint32_t kMostRows = 64;
  return BigEndian(page, SchemaPage::kType, 1) == SchemaPage::kLeaf &&
         BigEndian(page, SchemaPage::kRows, 2) <= kMostRows;
}

/// The running sum of a log (4.2).
class LogSum {
 public:
  explicit LogSum(bool is_big_endian) : is_big_endian_(is_big_endian) {}

  void Add(base::ByteSpan bytes) {
    for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
      first_ += Word(bytes, 0) + second_;
      second_ += Word(bytes, 4) + first_;
    }
  }
  [[nodiscard]] bool Is(base::ByteSpan header, std::size_t offset) const {
    return BigEndian(header, offset) == first_ && BigEndian(header, offset + 4) == second_;
  }

 private:
  [[nodiscard]] std::uint32_t Word(base::ByteSpan bytes, std::size_t at) const {
    const std::uint32_t number = BigEndian(bytes, at);
    return is_big_endian_ ? number : __builtin_bswap32(number);
  }

  bool is_big_endian_;
  std::uint32_t first_ = 0;
  std::uint32_t second_ = 0;
};

bool ReadWhole(const StoredFile& file, std::span<std::uint8_t> bytes, std::size_t offset) {
  return file.Read(bytes.data(), bytes.size(), static_cast<std::int64_t>(offset)) ==
         static_cast<std::int64_t>(bytes.size());
}

/// SQLite reads the descriptions of all tables before anything else, and follows their tree
/// wherever it leads: pages that lead to the same pages again, level by level, would be walked for
/// years. A database of this program has them on the first page, of which the log may have newer
/// ones. Frames that SQLite does not believe, as a power cut leaves them, are none.
base::Result<void> CheckSchemaPages(const Connection& connection) {
  std::array<std::uint8_t, SchemaPage::kSizeBytes> first{};
  if (!ReadWhole(connection.vfs()->database(), first, 0) || !IsFlat(first)) {
    return RefuseTables(connection);
  }
  const StoredFile& log = connection.vfs()->log();
  std::array<std::uint8_t, Log::kHeaderBytes> header{};
  if (!ReadWhole(log, header, 0) || (BigEndian(header, 0) & ~1U) != Log::kMagic) {
    return {};
  }
  LogSum sum((BigEndian(header, 0) & 1U) != 0);
  sum.Add(base::ByteSpan(header).first(Log::kSummedBytes));
  if (!sum.Is(header, Log::kSum)) {
    return {};
  }
  if (const std::uint32_t bytes = BigEndian(header, Log::kPageSize); bytes != kPageBytes) {
    return RefusePageSize(connection, bytes);
  }
  std::array<std::uint8_t, Frame::kHeaderBytes + kPageBytes> frame{};
  for (std::size_t at = header.size(); ReadWhole(log, frame, at); at += frame.size()) {
    sum.Add(base::ByteSpan(frame).first(Frame::kSummedBytes));
    const base::ByteSpan page = base::ByteSpan(frame).subspan(Frame::kHeaderBytes);
    sum.Add(page);
    if (!std::equal(&frame[Frame::kSalt], &frame[Frame::kSum], &header[Log::kSalt]) ||
        !sum.Is(frame, Frame::kSum)) {
      return {};
    }
    if (BigEndian(frame, 0) == 1 && !IsFlat(page)) {
      return RefuseTables(connection);
    }
  }
  return {};
}

struct Setting {
  int number;
  int value;
};

constexpr std::array<Setting, 8> kSwitches = {{
    {SQLITE_DBCONFIG_DEFENSIVE, 1},
    {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
    {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
    {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
    {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
    {SQLITE_DBCONFIG_DQS_DDL, 0},
    {SQLITE_DBCONFIG_DQS_DML, 0},
    // What is refused is not changed by closing it.
    {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
}};

constexpr std::array<Setting, 11> kLimits = {{
    {SQLITE_LIMIT_LENGTH, 1280 * 1024},  // a row: store::kMaxBlobBytes and a name, three times
    {SQLITE_LIMIT_SQL_LENGTH, 4096},
    {SQLITE_LIMIT_COLUMN, 16},
    {SQLITE_LIMIT_EXPR_DEPTH, 16},
    {SQLITE_LIMIT_COMPOUND_SELECT, 2},
    {SQLITE_LIMIT_VDBE_OP, 4096},
    {SQLITE_LIMIT_FUNCTION_ARG, 4},
    {SQLITE_LIMIT_ATTACHED, 0},
    {SQLITE_LIMIT_VARIABLE_NUMBER, 16},
    {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
    {SQLITE_LIMIT_WORKER_THREADS, 0},
}};

/// All memory that SQLite may have in this process, in bytes, whatever a file says.
constexpr sqlite3_int64 kMaxHeapBytes = sqlite3_int64{8} * 1024 * 1024;

/// A hostile file gets little memory and little of SQLite to play with.
base::Result<void> Harden(const Connection& connection) {
  sqlite3_hard_heap_limit64(kMaxHeapBytes);
  for (const Setting& setting : kSwitches) {
    if (sqlite3_db_config(connection.get(), setting.number, setting.value, nullptr) != SQLITE_OK) {
      return connection.Failed();
    }
  }
  for (const Setting& setting : kLimits) {
    sqlite3_limit(connection.get(), setting.number, setting.value);
  }
  return connection.Execute(
      "PRAGMA locking_mode = EXCLUSIVE;"
      "PRAGMA temp_store = MEMORY;"
      "PRAGMA cell_size_check = ON;"
      "PRAGMA cache_size = 16;");
}

/// The schema as text, row by row.
base::Result<std::vector<std::string>> ReadSchema(const Connection& connection) {
  auto rows = connection.Prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema");
  if (!rows) {
    return rows.failure();
  }
  std::vector<std::string> schema;
  while (true) {
    const auto row = rows->Step();
    if (!row) {
      return row.failure();
    }
    if (!*row) {
      return schema;
    }
    for (int column = 0; column < 4; ++column) {
      schema.push_back(rows->Text(column));
    }
  }
}

/// SQLite takes half of a last page for a whole one, with zeros in the end. With a log beside it
/// the file may be so for a good reason: then the log has the page. The log may have a page size of
/// its own, too.
base::Result<void> CheckLength(const Connection& connection) {
  const auto pages =
      connection.Query("SELECT page_size, page_count FROM pragma_page_count, pragma_page_size");
  if (!pages) {
    return pages.failure();
  }
  if (pages->Number(0) != kPageBytes) {
    return RefusePageSize(connection, pages->Number(0));
  }
  const std::int64_t expected = pages->Number(0) * pages->Number(1);
  const std::int64_t size = connection.vfs()->database().Size();
  if (size != expected && connection.vfs()->log().Size() == 0) {
    return Refuse(connection, "damaged: it has " + std::to_string(size) +
                                  " bytes and should have " + std::to_string(expected));
  }
  return {};
}

/// The version of its schema, which may stand in the log.
base::Result<std::uint32_t> ReadVersion(const Connection& connection) {
  const auto version = connection.Query("PRAGMA user_version");
  if (!version) {
    return version.failure();
  }
  const std::int64_t number = version->Number(0);
  if (auto known = CheckVersion(connection, number); !known) {
    return known.failure();
  }
  return static_cast<std::uint32_t>(number);
}

/// Locks the file and looks whether it is what its header says.
base::Result<void> CheckContent(const Connection& connection) {
  const auto version = ReadVersion(connection);
  if (!version) {
    return version.failure();
  }
  auto reference = Connection::OpenInMemory();
  if (!reference) {
    return reference.failure();
  }
  if (auto made = Migrate(*reference, 0, *version); !made) {
    return made.failure();
  }
  const auto expected = ReadSchema(*reference);
  if (!expected) {
    return expected.failure();
  }
  const auto found = ReadSchema(connection);
  if (!found) {
    return found.failure();
  }
  if (*found != *expected) {
    return RefuseTables(connection);
  }
  if (auto whole = CheckLength(connection); !whole) {
    return whole.failure();
  }
  const auto verdict = connection.Query("PRAGMA integrity_check(1)");
  if (!verdict) {
    return verdict.failure();
  }
  if (const std::string text = verdict->Text(0); text != "ok") {
    return Refuse(connection, "damaged: " + text);
  }
  return {};
}

}  // namespace

base::Result<base::Bytes> EmptyDatabase() {
  auto connection = Connection::OpenInMemory();
  if (!connection) {
    return connection.failure();
  }
  if (auto set = connection->Execute("PRAGMA page_size = " + std::to_string(kPageBytes)); !set) {
    return set.failure();
  }
  if (auto made = Migrate(*connection, 0, kVersion); !made) {
    return made.failure();
  }
  struct Free {
    void operator()(unsigned char* memory) const noexcept { sqlite3_free(memory); }
  };
  sqlite3_int64 size = 0;
  const std::unique_ptr<unsigned char, Free> image(
      sqlite3_serialize(connection->get(), "main", &size, 0));
  if (image == nullptr) {
    return base::Fail("database in memory: out of memory");
  }
  base::Bytes bytes = base::ToBytes(base::ByteSpan(image.get(), static_cast<std::size_t>(size)));
  bytes.at(Header::kWriteVersion) = Header::kWriteAheadLog;
  bytes.at(Header::kReadVersion) = Header::kWriteAheadLog;
  return bytes;
}

base::Result<Connection> OpenDatabase(std::unique_ptr<Vfs> vfs) {
  auto opened = Connection::Open(std::move(vfs));
  if (!opened) {
    return opened;
  }
  if (auto known = CheckHeader(*opened); !known) {
    return known.failure();
  }
  if (auto flat = CheckSchemaPages(*opened); !flat) {
    return flat.failure();
  }
  if (auto hardened = Harden(*opened); !hardened) {
    return hardened.failure();
  }
  if (auto checked = CheckContent(*opened); !checked) {
    return checked.failure();
  }
  return opened;
}

namespace {

base::Result<std::string> JournalMode(const Connection& connection, const char* pragma) {
  const auto mode = connection.Query(pragma);
  return mode ? base::Result<std::string>(mode->Text(0)) : mode.failure();
}

base::Result<void> ChooseLog(const Connection& connection) {
  auto mode = JournalMode(connection, "PRAGMA journal_mode");
  if (mode && *mode != "wal") {
    // Somebody's own sqlite3 has changed it. To change it back is one sector of the header; SQLite
    // would like a journal in a file for that.
    mode = JournalMode(connection, "PRAGMA journal_mode = MEMORY");
  }
  if (mode) {
    mode = JournalMode(connection, "PRAGMA journal_mode = WAL");
  }
  if (!mode) {
    return mode.failure();
  }
  return *mode == "wal" ? base::Result<void>()
                        : Refuse(connection, "it cannot have a write-ahead log");
}

}  // namespace

/// Chooses the write-ahead log (docs/backends.md says why), and writes once: what cannot be written
/// is found out before anybody is told that variables can be kept.
base::Result<void> MakeWritable(const Connection& connection) {
  // Nobody's permissions stop root; that nobody has one is still somebody's will.
  if (!connection.vfs()->database().IsWritable()) {
    return Refuse(connection, "it is read-only");
  }
  const auto version = ReadVersion(connection);
  if (!version) {
    return version.failure();
  }
  if (auto chosen = ChooseLog(connection); !chosen) {
    return chosen;
  }
  if (auto set = connection.Execute("PRAGMA synchronous = FULL;"
                                    "PRAGMA secure_delete = OFF;"
                                    "PRAGMA wal_autocheckpoint = 32;"
                                    "PRAGMA journal_size_limit = 1048576;"
                                    // A database over the limit would not be opened again.
                                    "PRAGMA max_page_count = 512;");
      !set) {
    return set;
  }
  auto transaction = Transaction::Begin(connection);
  if (!transaction) {
    return transaction.failure();
  }
  if (auto migrated = Migrate(connection, *version, kVersion); !migrated) {
    return migrated;
  }
  return transaction->Commit();
}

}  // namespace varstored::backend
