#include "varstored/backend/sqlite.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

#include "sqlite_connection.h"
#include "sqlite_file.h"
#include "sqlite_history.h"
#include "sqlite_vfs.h"
#include "varstored/base/bytes.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/time.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"
#include "varstored/store/vars_blob.h"

namespace varstored::backend {
namespace {

/// These have the attribute NON_VOLATILE, but every start gives them their value anew.
constexpr std::array kResetAtStart = {efi::kMorControl, efi::kMorLock, efi::kPpiFlagsLock};

bool IsRow(const store::Entry* entry) {
  return entry != nullptr && entry->Has(efi::kNonVolatile) &&
         std::none_of(kResetAtStart.begin(), kResetAtStart.end(), [entry](const auto& known) {
           return known.Is(entry->name(), entry->vendor());
         });
}

bool TouchesRow(const store::StagedStore::Change& change) {
  return IsRow(change.before) || IsRow(change.after);
}

/// An entry that becomes non-volatile keeps its place in a walk, where a new row would come first.
bool MovesRow(const store::StagedStore::Change& change) {
  return change.before != nullptr && !IsRow(change.before) && IsRow(change.after);
}

/// Whether there is a PK in the store that `staged` was built on.
bool HadPk(const store::StagedStore& staged) {
  const store::Key pk = store::KeyOf(efi::kPk);
  const auto changes = staged.Changes();
  const auto change = std::find_if(changes.begin(), changes.end(), [&pk](const auto& one) {
    return store::KeyOf(one.before != nullptr ? *one.before : *one.after) == pk;
  });
  return (change != changes.end() ? change->before : staged.Find(pk)) != nullptr;
}

/// An entry as it stands in a row: each column has one form, and no other is written or taken. So
/// no two rows are of one key, and people read in a row what varstored does.
struct Row {
  base::Bytes name;
  std::string name_text;
  std::string vendor;
  std::int64_t attributes;
  base::Bytes timestamp;
};

Row RowOf(const store::Entry& entry) {
  base::Writer timestamp(efi::Time::kSizeBytes);
  efi::WriteTime(timestamp, entry.timestamp());
  return {base::ToBytes(entry.name()), efi::NameToUtf8(entry.name()), efi::ToText(entry.vendor()),
          std::int64_t{entry.raw_attributes()}, timestamp.Take()};
}

// The columns of the statement that reads all rows.
enum Column : std::uint8_t {
  kPosition,
  kName,
  kNameText,
  kVendor,
  kAttributes,
  kTimestamp,
  kSigner,
  kData
};
constexpr const char* kReadRows =
    "SELECT position, name, name_text, vendor, attributes, timestamp, signer, data"
    " FROM variable ORDER BY position DESC";

/// A row as an entry, or what is wrong with it.
base::Result<store::Entry> EntryOf(const Statement& row) {
  store::LegacyRecord record;
  record.name = row.Text(kName);
  const std::string vendor_text = row.Text(kVendor);
  const auto vendor = efi::ParseGuid(vendor_text);
  const std::int64_t attributes = row.Number(kAttributes);
  base::Reader timestamp(row.Blob(kTimestamp));
  base::Reader signer(row.Blob(kSigner));
  record.data = base::ToBytes(row.Blob(kData));
  if (record.name.empty() || record.name.size() > efi::kMaxNameBytes) {
    return base::Fail("its name has " + std::to_string(record.name.size()) + " bytes");
  }
  if (!vendor) {
    return base::Fail("its vendor is no GUID");
  }
  if (attributes < 0 || attributes > std::numeric_limits<std::uint32_t>::max() ||
      (attributes & efi::kNonVolatile) == 0) {
    return base::Fail("its attributes are " + std::to_string(attributes));
  }
  if (!efi::ReadTime(timestamp, record.timestamp) || !timestamp.empty()) {
    return base::Fail("its timestamp has not 16 bytes");
  }
  if (!signer.ReadArray(record.signer) || !signer.empty()) {
    return base::Fail("its signer has not 32 bytes");
  }
  if (record.data.empty()) {
    return base::Fail("it has no data");
  }
  record.vendor = *vendor;
  record.attributes = static_cast<std::uint32_t>(attributes);
  auto entry = store::MakeEntry(std::move(record));
  const Row canonical = RowOf(entry);
  if (vendor_text != canonical.vendor) {
    return base::Fail("its vendor is to be written " + canonical.vendor);
  }
  if (row.Text(kNameText) != canonical.name_text) {
    return base::Fail("its name_text is not what its name says");
  }
  return entry;
}

}  // namespace

/// The rows of an open database.
class SqliteBackend::Rows {
 public:
  [[nodiscard]] static base::Result<std::unique_ptr<Rows>> Of(Connection connection) {
    auto put = connection.Prepare(
        "INSERT INTO variable (name, name_text, vendor, attributes, timestamp, signer, data)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        " ON CONFLICT (name, vendor) DO UPDATE SET attributes = excluded.attributes,"
        " timestamp = excluded.timestamp, signer = excluded.signer, data = excluded.data");
    auto erase = connection.Prepare("DELETE FROM variable WHERE name = ?1 AND vendor = ?2");
    auto mark = connection.Prepare("UPDATE state SET kept = 1 WHERE kept = 0");
    for (const auto* statement : {&put, &erase, &mark}) {
      if (!*statement) {
        return statement->failure();
      }
    }
    return std::unique_ptr<Rows>(
        new Rows(std::move(connection), *std::move(put), *std::move(erase), *std::move(mark)));
  }

  [[nodiscard]] const Connection& connection() const { return connection_; }
  [[nodiscard]] SqliteHistory& history() { return history_; }

  /// From now on the log is folded into the database at the end; a file that is refused is not even
  /// touched by that.
  void AcceptFile() {
    sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  }

  /// SQLite folds the log behind a commit that succeeds. When that has failed for long, the log is
  /// as large as it may get, no commit succeeds any more, and nobody would fold it again.
  void FoldLog() {
    // A failure shows in the commit that follows, or does not matter.
    sqlite3_wal_checkpoint_v2(connection_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr,
                              nullptr);
  }

  /// Instead of what is there.
  [[nodiscard]] base::Result<void> PutWish(bool wants_secure_boot) {
    if (auto emptied = connection_.Execute("DELETE FROM last_start"); !emptied) {
      return emptied;
    }
    auto put = connection_.Prepare("INSERT INTO last_start (secure_boot) VALUES (?1)");
    if (!put) {
      return put.failure();
    }
    put->Bind(1, std::int64_t{wants_secure_boot ? 1 : 0});
    return put->Run();
  }

  /// Whether the host wanted Secure Boot at the last start. What is looked at may be of a version
  /// that has no such table yet.
  [[nodiscard]] base::Result<std::optional<bool>> ReadWish() const {
    const auto table =
        connection_.Query("SELECT count(*) FROM sqlite_schema WHERE name = 'last_start'");
    if (!table) {
      return table.failure();
    }
    if (table->Number(0) == 0) {
      return std::optional<bool>();
    }
    const auto wish = connection_.Query("SELECT count(*), min(secure_boot) FROM last_start");
    if (!wish) {
      return wish.failure();
    }
    if (wish->Number(0) == 0) {
      return std::optional<bool>();
    }
    if (wish->Number(0) != 1 || (wish->Number(1) != 0 && wish->Number(1) != 1)) {
      return Damaged("its table last_start has to have one row at most, with secure_boot 0 or 1");
    }
    return std::optional(wish->Number(1) == 1);
  }

  /// Nothing when nothing was ever kept.
  [[nodiscard]] base::Result<std::optional<std::vector<store::Entry>>> ReadAll() {
    const auto kept = connection_.Query("SELECT count(*), min(kept) FROM state");
    if (!kept) {
      return kept.failure();
    }
    if (kept->Number(0) != 1 || (kept->Number(1) != 0 && kept->Number(1) != 1)) {
      return Damaged("its table state has to have one row, with kept 0 or 1");
    }
    const bool is_first_boot = kept->Number(1) == 0;
    auto row = connection_.Prepare(kReadRows);
    if (!row) {
      return row.failure();
    }
    std::vector<store::Entry> entries;
    store::LoadLimits limits;
    while (true) {
      const auto stepped = row->Step();
      if (!stepped) {
        return stepped.failure();
      }
      if (!*stepped) {
        break;
      }
      auto entry = EntryOf(*row);
      if (!entry) {
        return Damaged("variable " + std::to_string(row->Number(kPosition)) + ": " +
                       entry.error().message);
      }
      if (const auto fits = limits.Add(store::KeyOf(*entry), entry->data().size()); !fits) {
        return Damaged(fits.error().message);
      }
      entries.push_back(*std::move(entry));
    }
    if (!is_first_boot) {
      return std::optional(std::move(entries));
    }
    if (!entries.empty()) {
      return Damaged("it has variables, but says that nothing was ever kept");
    }
    return std::optional<std::vector<store::Entry>>();
  }

  /// One row, made or changed. A new one comes first in a walk.
  [[nodiscard]] base::Result<void> Put(const store::Entry& entry) {
    const Row row = RowOf(entry);
    put_.Bind(1, row.name);
    put_.Bind(2, row.name_text);
    put_.Bind(3, row.vendor);
    put_.Bind(4, row.attributes);
    put_.Bind(5, row.timestamp);
    put_.Bind(6, entry.signer());
    put_.Bind(7, entry.data());
    return put_.Run();
  }

  [[nodiscard]] base::Result<void> Erase(const store::Entry& entry) {
    const Row row = RowOf(entry);
    erase_.Bind(1, row.name);
    erase_.Bind(2, row.vendor);
    return erase_.Run();
  }

  [[nodiscard]] base::Result<void> Apply(const std::vector<store::StagedStore::Change>& changes,
                                         const Author& author) {
    for (const auto& [before, after] : changes) {
      auto written = IsRow(after)    ? Put(*after)
                     : IsRow(before) ? Erase(*before)
                                     : base::Result<void>();
      if (!written) {
        return written;
      }
    }
    if (auto added = history_.Add(changes, author); !added) {
      return added;
    }
    return mark_.Run();
  }

  /// All rows anew: those of `staged` and no others. For the history they are compared with what is
  /// there, as far as it can be read, and not with what the process has had in its memory.
  [[nodiscard]] base::Result<void> Replace(const store::StagedStore& staged, const Author& author) {
    auto found = ReadAll();
    const auto before = found && *found ? **std::move(found) : std::vector<store::Entry>();
    if (auto added = history_.Add(before, staged, author); !added) {
      return added;
    }
    if (auto emptied = connection_.Execute("DELETE FROM variable"); !emptied) {
      return emptied;
    }
    std::vector<const store::Entry*> entries;
    staged.ForEach([&entries](const store::Entry& entry) {
      if (IsRow(&entry)) {
        entries.push_back(&entry);
      }
    });
    // The newest comes first in a walk, and last into the table.
    std::reverse(entries.begin(), entries.end());
    for (const store::Entry* entry : entries) {
      if (auto written = Put(*entry); !written) {
        return written;
      }
    }
    return mark_.Run();
  }

 private:
  Rows(Connection connection, Statement put, Statement erase, Statement mark)
      : connection_(std::move(connection)),
        put_(std::move(put)),
        erase_(std::move(erase)),
        mark_(std::move(mark)),
        history_(connection_) {}

  [[nodiscard]] base::Failure<base::Error> Damaged(const std::string& reason) const {
    return base::Fail(connection_.file_name() + ": damaged: " + reason);
  }

  Connection connection_;
  Statement put_;
  Statement erase_;
  /// State has been kept.
  Statement mark_;
  SqliteHistory history_;
};

SqliteBackend::SqliteBackend(std::unique_ptr<Rows> rows, base::Log& log)
    : rows_(std::move(rows)), log_(log) {}

SqliteBackend::~SqliteBackend() = default;

base::Result<std::unique_ptr<SqliteBackend>> SqliteBackend::OpenOver(std::unique_ptr<Vfs> vfs,
                                                                     base::Log& log) {
  auto connection = OpenDatabase(std::move(vfs));
  if (!connection) {
    return connection.failure();
  }
  auto rows = Rows::Of(*std::move(connection));
  if (!rows) {
    return rows.failure();
  }
  return std::unique_ptr<SqliteBackend>(new SqliteBackend(*std::move(rows), log));
}

base::Result<std::unique_ptr<SqliteBackend>> SqliteBackend::Open(DatabaseFiles files,
                                                                 base::Log& log,
                                                                 FirstWrite first_write) {
  auto backend =
      OpenOver(std::make_unique<Vfs>(std::move(files.name),
                                     std::make_unique<DescriptorFile>(std::move(files.database)),
                                     std::make_unique<DescriptorFile>(std::move(files.log))),
               log);
  if (backend && first_write == FirstWrite::kAtOnce) {
    if (auto writable = (*backend)->Prepare(); !writable) {
      return writable.failure();
    }
  }
  return backend;
}

base::Result<std::unique_ptr<SqliteBackend>> SqliteBackend::Open(const std::string& path,
                                                                 base::Log& log,
                                                                 FirstWrite first_write) {
  auto files = OpenDatabaseFiles(path, DatabaseUse::kMake);
  return files ? Open(*std::move(files), log, first_write)
               : base::Result<std::unique_ptr<SqliteBackend>>(files.failure());
}

base::Result<std::unique_ptr<SqliteBackend>> SqliteBackend::Look(DatabaseBytes bytes,
                                                                 base::Log& log) {
  return OpenOver(std::make_unique<Vfs>(std::move(bytes.name),
                                        std::make_unique<BytesFile>(std::move(bytes.database)),
                                        std::make_unique<BytesFile>(std::move(bytes.log))),
                  log);
}

base::Result<void> SqliteBackend::Prepare() {
  auto made = is_writable_ ? base::Result<void>() : MakeWritable(rows_->connection());
  is_writable_ = made.ok();
  return made;
}

base::Result<std::optional<std::vector<store::Entry>>> SqliteBackend::Load() {
  if (const auto wish = rows_->ReadWish(); !wish) {
    return wish.failure();
  }
  if (const auto history = History(); !history) {
    return history.failure();
  }
  auto entries = rows_->ReadAll();
  in_step_ = entries.ok();
  is_first_boot_ = entries.ok() && !entries->has_value();
  if (in_step_ && is_writable_) {
    rows_->AcceptFile();
  }
  return entries;
}

base::Result<void> SqliteBackend::Commit(const store::StagedStore& staged) {
  return Write(staged, {store::Actor::kGuest, HadPk(staged) ? "user-mode" : "setup-mode"});
}

base::Result<void> SqliteBackend::CommitAtBoot(const store::StagedStore& staged) {
  return Write(staged, is_first_boot_ ? Author{store::Actor::kFirstBoot, "no-state-was-kept"}
                                      : Author{store::Actor::kBootUpdate, "certificates-of-2011"});
}

base::Result<void> SqliteBackend::KeepResumed(const store::StagedStore& staged) {
  in_step_ = false;
  return Write(staged, {store::Actor::kResume, "saved-state"});
}

base::Result<void> SqliteBackend::KeepByTool(const store::StagedStore& staged,
                                             std::string_view program) {
  in_step_ = false;
  std::string word = base::Printable(program);
  std::replace(word.begin(), word.end(), ' ', '?');
  return Write(staged,
               {program == kRepairProgram ? store::Actor::kRepair : store::Actor::kTool, word});
}

base::Result<std::vector<store::HistoryEntry>> SqliteBackend::History() {
  return rows_->history().ReadAll();
}

base::Result<void> SqliteBackend::Write(const store::StagedStore& staged, const Author& author) {
  const auto changes = staged.Changes();
  if (in_step_ && std::none_of(changes.begin(), changes.end(), TouchesRow)) {
    return {};
  }
  if (auto writable = Prepare(); !writable) {
    return writable;
  }
  const bool anew = !in_step_ || std::any_of(changes.begin(), changes.end(), MovesRow);
  if (!in_step_) {
    rows_->FoldLog();
  }
  in_step_ = false;
  auto transaction = Transaction::Begin(rows_->connection());
  if (!transaction) {
    return transaction.failure();
  }
  auto written = anew ? rows_->Replace(staged, author) : rows_->Apply(changes, author);
  if (written) {
    written = transaction->Commit();
  }
  in_step_ = written.ok();
  if (in_step_) {
    rows_->AcceptFile();
  } else {
    rows_->history().Forget();
  }
  return written;
}

base::Result<void> SqliteBackend::KeepWishAtStart(bool wants_secure_boot) {
  const auto before = rows_->ReadWish();
  if (!before) {
    return before.failure();
  }
  if (*before == wants_secure_boot) {
    return {};
  }
  if (auto writable = Prepare(); !writable) {
    return writable;
  }
  auto transaction = Transaction::Begin(rows_->connection());
  if (!transaction) {
    return transaction.failure();
  }
  auto written = rows_->PutWish(wants_secure_boot);
  if (written) {
    written = rows_->history().AddWish(wants_secure_boot, {store::Actor::kStart, "host"});
  }
  if (written) {
    written = transaction->Commit();
  }
  if (!written) {
    rows_->history().Forget();
  }
  return written;
}

base::Result<std::optional<bool>> SqliteBackend::WantedSecureBootAtLastStart() {
  return rows_->ReadWish();
}

base::Result<void> SqliteBackend::ReportSecureBootFailure() {
  log_.Say(base::Event::kSecureBootRefusal,
           "the guest's firmware refused an image that Secure Boot does not allow");
  return {};
}

}  // namespace varstored::backend
