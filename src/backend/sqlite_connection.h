#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "sqlite_vfs.h"
#include "varstored/base/bytes.h"
#include "varstored/base/result.h"

namespace varstored::backend {

/// A prepared statement. Bound bytes and text belong to the caller until the next Reset.
class Statement {
 public:
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  // Parameters are counted from 1. A failure is reported by Step.
  void Bind(int parameter, std::int64_t number);
  void Bind(int parameter, std::string_view text);
  void Bind(int parameter, base::ByteSpan blob);

  /// True: there is a row, which can be read until the next call of Step or Reset.
  [[nodiscard]] base::Result<bool> Step();
  /// Runs a statement that gives no row, and resets it.
  [[nodiscard]] base::Result<void> Run();
  void Reset();

  // Columns are counted from 0. Views are valid until the next call of Step or Reset.
  [[nodiscard]] std::int64_t Number(int column) const;
  [[nodiscard]] base::ByteSpan Blob(int column) const;
  /// The empty string for NULL.
  [[nodiscard]] std::string Text(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bind_code_ = SQLITE_OK;
};

/// An open database.
class Connection {
 public:
  /// The database of `vfs`, for reading and writing. Nothing has been read or locked yet.
  [[nodiscard]] static base::Result<Connection> Open(std::unique_ptr<Vfs> vfs);
  Connection(Connection&&) noexcept = default;
  Connection& operator=(Connection&&) = delete;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() = default;

  /// An empty database that lives in memory.
  [[nodiscard]] static base::Result<Connection> OpenInMemory();

  [[nodiscard]] sqlite3* get() const { return connection_.get(); }
  /// The database and its log; null for one in memory.
  [[nodiscard]] Vfs* vfs() const { return vfs_.get(); }
  /// What the database is called in messages.
  [[nodiscard]] std::string file_name() const;

  /// Runs statements that take no parameter; rows are thrown away.
  [[nodiscard]] base::Result<void> Execute(const std::string& sql) const;
  /// Prepares one statement, to be used many times. It must not outlive the connection.
  [[nodiscard]] base::Result<Statement> Prepare(const char* sql) const;
  /// Runs a statement whose first row is all that is wanted of it, and stands on that row.
  [[nodiscard]] base::Result<Statement> Query(const char* sql) const;
  /// The failure of the last call, naming the file.
  [[nodiscard]] base::Failure<base::Error> Failed() const;

 private:
  struct Close {
    // A statement that is still there keeps the connection alive, so that nothing dangles.
    void operator()(sqlite3* connection) const noexcept { sqlite3_close_v2(connection); }
  };

  Connection(std::unique_ptr<Vfs> vfs, sqlite3* connection)
      : vfs_(std::move(vfs)), connection_(connection) {}

  // Is needed until the connection is closed.
  std::unique_ptr<Vfs> vfs_;
  std::unique_ptr<sqlite3, Close> connection_;
};

/// A transaction that writes; it is undone unless Commit succeeds.
class Transaction {
 public:
  [[nodiscard]] static base::Result<Transaction> Begin(const Connection& connection);
  Transaction(Transaction&&) noexcept = default;
  Transaction& operator=(Transaction&&) = delete;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() = default;

  /// On success everything is on the disk.
  [[nodiscard]] base::Result<void> Commit();

 private:
  struct Rollback {
    void operator()(sqlite3* connection) const noexcept;
  };

  explicit Transaction(sqlite3* connection) : connection_(connection) {}

  std::unique_ptr<sqlite3, Rollback> connection_;
};

}  // namespace varstored::backend
