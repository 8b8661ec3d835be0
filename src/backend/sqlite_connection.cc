#include "sqlite_connection.h"

#include <cerrno>
#include <system_error>
#include <utility>

namespace varstored::backend {
namespace {

/// The operating system's own word for the failure of a read or a write, of the log first, where
/// almost all of them are.
std::string SystemError(sqlite3* connection) {
  sqlite3_file* log = nullptr;
  int number = 0;
  sqlite3_file_control(connection, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (log != nullptr && log->pMethods != nullptr) {
    log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &number);
  }
  if (number == 0) {
    sqlite3_file_control(connection, "main", SQLITE_FCNTL_LAST_ERRNO, &number);
  }
  return number == 0 ? std::string() : ": " + std::generic_category().message(number);
}

std::string FileName(sqlite3* connection) {
  const char* name = sqlite3_db_filename(connection, "main");
  return name == nullptr ? std::string() : std::string(name);
}

base::Failure<base::Error> FailureOf(sqlite3* connection) {
  const std::string file = FileName(connection) + ": ";
  switch (sqlite3_errcode(connection) & 0xFF) {
    case SQLITE_BUSY:
      return base::Fail(file + std::string(kDatabaseInUse));
    case SQLITE_IOERR:
      return base::Fail(file + sqlite3_errmsg(connection) + SystemError(connection));
    default:
      return base::Fail(file + sqlite3_errmsg(connection));
  }
}

/// Before the library is used. Memory for the cached pages is taken one by one, as they come, and
/// not for all at the first. It is refused, and of no consequence, when the library is in use
/// already.
void ConfigureLibrary() {
  static_cast<void>(sqlite3_config(SQLITE_CONFIG_PAGECACHE, nullptr, 0, 0));
}

}  // namespace

void Statement::Bind(int parameter, std::int64_t number) {
  const int code = sqlite3_bind_int64(statement_.get(), parameter, number);
  bind_code_ = bind_code_ == SQLITE_OK ? code : bind_code_;
}

void Statement::Bind(int parameter, std::string_view text) {
  // Without an address it would be NULL.
  const char* const address = text.empty() ? "" : text.data();
  const int code =
      sqlite3_bind_text64(statement_.get(), parameter, address, text.size(), nullptr, SQLITE_UTF8);
  bind_code_ = bind_code_ == SQLITE_OK ? code : bind_code_;
}

void Statement::Bind(int parameter, base::ByteSpan blob) {
  const void* const address = blob.empty() ? static_cast<const void*>("") : blob.data();
  const int code = sqlite3_bind_blob64(statement_.get(), parameter, address, blob.size(), nullptr);
  bind_code_ = bind_code_ == SQLITE_OK ? code : bind_code_;
}

base::Result<bool> Statement::Step() {
  const int code = bind_code_ == SQLITE_OK ? sqlite3_step(statement_.get()) : bind_code_;
  if (code != SQLITE_ROW && code != SQLITE_DONE) {
    return FailureOf(sqlite3_db_handle(statement_.get()));
  }
  return code == SQLITE_ROW;
}

base::Result<void> Statement::Run() {
  const auto stepped = Step();
  Reset();
  return stepped ? base::Result<void>() : stepped.failure();
}

void Statement::Reset() {
  // What it returns is the failure of the last step, which has been reported.
  sqlite3_reset(statement_.get());
  bind_code_ = SQLITE_OK;
}

std::int64_t Statement::Number(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

base::ByteSpan Statement::Blob(int column) const {
  const auto* bytes =
      static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_.get(), column));
  // Null when there is no memory for it, or no byte in it.
  const int size = bytes == nullptr ? 0 : sqlite3_column_bytes(statement_.get(), column);
  return {bytes, static_cast<std::size_t>(size)};
}

std::string Statement::Text(int column) const { return base::ToString(Blob(column)); }

base::Result<Connection> Connection::Open(std::unique_ptr<Vfs> vfs) {
  ConfigureLibrary();
  sqlite3* opened = nullptr;
  const int code = vfs->Open(&opened);
  Connection connection(std::move(vfs), opened);
  if (code != SQLITE_OK) {
    return base::Fail(connection.vfs()->name() + ": cannot open: " + sqlite3_errstr(code));
  }
  return connection;
}

base::Result<Connection> Connection::OpenInMemory() {
  ConfigureLibrary();
  const auto lock = Vfs::LockList();
  sqlite3* opened = nullptr;
  const int code =
      sqlite3_open_v2(":memory:", &opened,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  Connection connection(nullptr, opened);
  if (code != SQLITE_OK) {
    return base::Fail(std::string("database in memory: ") + sqlite3_errstr(code));
  }
  return connection;
}

std::string Connection::file_name() const { return FileName(get()); }

base::Result<void> Connection::Execute(const std::string& sql) const {
  if (sqlite3_exec(get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return Failed();
  }
  return {};
}

base::Result<Statement> Connection::Prepare(const char* sql) const {
  sqlite3_stmt* prepared = nullptr;
  if (sqlite3_prepare_v3(get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared, nullptr) !=
      SQLITE_OK) {
    return Failed();
  }
  return Statement(prepared);
}

base::Result<Statement> Connection::Query(const char* sql) const {
  auto statement = Prepare(sql);
  if (!statement) {
    return statement;
  }
  const auto row = statement->Step();
  if (!row) {
    return row.failure();
  }
  if (!*row) {
    return base::Fail(file_name() + ": " + sql + " gives nothing");
  }
  return statement;
}

base::Failure<base::Error> Connection::Failed() const { return FailureOf(get()); }

base::Result<Transaction> Transaction::Begin(const Connection& connection) {
  // An undo that found no memory has left the last transaction open.
  if (sqlite3_get_autocommit(connection.get()) == 0) {
    if (auto undone = connection.Execute("ROLLBACK"); !undone) {
      return undone.failure();
    }
  }
  if (auto begun = connection.Execute("BEGIN IMMEDIATE"); !begun) {
    return begun.failure();
  }
  return Transaction(connection.get());
}

base::Result<void> Transaction::Commit() {
  if (sqlite3_exec(connection_.get(), "COMMIT", nullptr, nullptr, nullptr) != SQLITE_OK) {
    return FailureOf(connection_.get());
  }
  // Nothing is left to undo; the connection belongs to another.
  [[maybe_unused]] sqlite3* const done = connection_.release();
  return {};
}

void Transaction::Rollback::operator()(sqlite3* connection) const noexcept {
  // Some failures have undone it already, and then there is nothing that could fail.
  if (sqlite3_get_autocommit(connection) == 0) {
    sqlite3_exec(connection, "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

}  // namespace varstored::backend
