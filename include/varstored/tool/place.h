#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/backend/kinds.h"
#include "varstored/backend/sqlite.h"
#include "varstored/base/bytes.h"
#include "varstored/base/held_file.h"
#include "varstored/base/log.h"
#include "varstored/base/reader.h"
#include "varstored/base/result.h"
#include "varstored/base/writer.h"
#include "varstored/sandbox/helper.h"
#include "varstored/store/backend.h"
#include "varstored/store/vars_blob.h"
#include "varstored/tool/command_line.h"
#include "varstored/tool/format.h"

namespace varstored::tool {

/// What a tool gives up before it looks at a VM's variables, when it is told to.
struct Rights {
  bool depriv = false;  // leave the host's namespaces, and forbid new privileges
  std::optional<std::string> root;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
};

/// The options -d, -r, -u and -g, which set `rights`.
[[nodiscard]] std::vector<Option> OptionsOf(Rights& rights);

/// Namespaces first, ids last, so that each step still has the right to be done. Afterwards paths
/// are inside of the new root folder.
[[nodiscard]] base::Result<void> DropRights(const Rights& rights, base::Log& log);

/// Which variables a tool was called for.
struct PlaceOptions {
  /// --backend and --arg; empty: the operand says it.
  std::string backend;
  backend::BackendArguments arguments;
  /// A VM's uuid, name or number, a file's path, or "-": KindOf says which (vm_name.h).
  std::string operand;
  std::optional<std::string> socket;
  /// The tool changes nothing: of a VM that runs it may have what the daemon has in memory.
  bool only_looks = false;
  /// How long a toolstack that does not listen is waited for: a restart of it takes seconds.
  std::chrono::seconds wait = std::chrono::seconds(10);
};

/// The options -s, --backend, --arg and --wait, which set `place`.
[[nodiscard]] std::vector<Option> OptionsOf(PlaceOptions& place);

/// Takes the first of `operands` as the place, unless --backend names one already. Fails without
/// one, when not exactly `others` are left, or of "-" to write to. `is_live`: not in a backend.
[[nodiscard]] base::Result<void> TakePlace(PlaceOptions& place, std::vector<std::string>& operands,
                                           std::size_t others, bool is_live = false);

/// How a file holds a `VARS` blob: what it has to be written back as.
struct BlobForm {
  bool is_base64 = false;
  bool ends_in_newline = false;  // base64 only
  /// It holds all of a VM that was suspended, volatile variables too; else what is kept of a VM
  /// that is off.
  bool is_save_file = false;
};

struct BlobFile {
  BlobForm form;
  store::VarsBlob blob;
};

/// The largest file that is looked at, in bytes: the largest blob in base64, with room for line
/// ends.
inline constexpr std::size_t kMaxFileBytes = 2 * store::kMaxLoadedBytes;

/// Reads the content of a file: a `VARS` blob, raw or in base64. The error says what is wrong, and
/// at which offset.
[[nodiscard]] base::Result<BlobFile> DecodeBlobFile(base::ByteSpan content);

/// The reverse. The blob is written as version 2.
[[nodiscard]] base::Bytes EncodeBlobFile(const BlobForm& form, const store::Ancillary& ancillary,
                                         const std::vector<const store::Entry*>& entries);

/// What is kept of a VM's variables, as bytes that nobody has looked into. A guest wrote them.
struct Kept {
  enum class Form : std::uint8_t {
    kFile,  // a file with a `VARS` blob, raw or in base64
    kText,  // a toolstack's: base64 of a `VARS` blob
    kRows,  // a database's rows, as a raw `VARS` blob
  };
  Form form = Form::kFile;
  std::string path;  // kFile, for messages
  /// Nothing when nothing was ever kept.
  std::optional<base::Bytes> bytes;
  /// Of a file in another program's format: which. Then `bytes` are its variables as a file with a
  /// `VARS` blob has them, and nothing can be kept there.
  std::optional<Format> foreign = {};
};

/// What a copy of the file or folder at `path` in a format that can be changed is to be called, in
/// the folder where one is.
[[nodiscard]] std::string NameOfCopy(const std::string& path);

/// What is to be kept instead.
struct NewBytes {
  base::Bytes bytes;  // in the form of what was kept
  /// For a toolstack, where the change may be one of certificates: whether those of KEK and db are
  /// up to date.
  std::optional<bool> are_certificates_up_to_date;
};

/// How they come back from a helper process: all that is left of its answer. What is larger than a
/// file may be is an error.
void WriteNewBytes(base::Writer& writer, const NewBytes& changed);
[[nodiscard]] base::Result<NewBytes> ReadNewBytes(base::Reader& reader);

/// A text on the same way: its length in 4 bytes, and its bytes. Reading is false where it ends too
/// early.
void WriteText(base::Writer& writer, std::string_view text);
[[nodiscard]] bool ReadText(base::Reader& reader, std::string& text);
/// A byte on the same way: 1 for true, 0 for false, and anything else for nothing.
void WriteWish(base::Writer& writer, std::optional<bool> wish);
[[nodiscard]] bool ReadWish(base::Reader& reader, std::optional<bool>& wish);

/// The conversation with a toolstack, in a helper process.
class ToolstackHelper;
/// What the daemon of a running VM says (live.h).
struct LiveAnswer;

/// The place where a VM's variables are kept, open. It reads and replaces bytes, and looks into
/// none: that is for a helper process (sandbox::InHelper).
class Place {
 public:
  /// Opens what `given` names. A file is told by its first bytes: a database of the sqlite
  /// backend, a `VARS` blob, or something else. Into that, and into a folder, a helper process
  /// looks: what is in another program's format can be looked at only. Nothing is made that is not
  /// there. A database that the VM's daemon has open is locked: a tool that `only_looks` gets what
  /// the daemon has in memory, when it is known which VM's it is; else that is an error. With
  /// `stop` a toolstack is given up when it says so.
  [[nodiscard]] static base::Result<Place> Open(const PlaceOptions& given, base::Log& log,
                                                sandbox::Stop* stop = nullptr);
  ~Place();
  Place(Place&& other) noexcept;
  Place& operator=(Place&&) = delete;
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  [[nodiscard]] const Kept& kept() const { return kept_; }
  /// The operand; of a VM's name or number its uuid, and of "-" "standard input".
  [[nodiscard]] const std::string& operand() const { return operand_; }
  /// Where the VM runs, and its daemon was asked instead: its answer; else null.
  [[nodiscard]] const LiveAnswer* running() const { return running_.get(); }
  /// The file, or null.
  [[nodiscard]] const base::HeldFile* file() const { return file_ ? &*file_ : nullptr; }

  /// Fails where nothing can be kept: in another program's format. The error says what to do.
  [[nodiscard]] base::Result<void> CheckMayKeep() const;
  /// Fails when somebody has changed what is kept since Open.
  [[nodiscard]] base::Result<void> CheckUnchanged(base::Log& log);
  /// store::Backend::VmState; nothing but from a toolstack.
  [[nodiscard]] base::Result<std::optional<std::string>> VmState(base::Log& log);
  /// store::Backend::WantsSecureBoot, likewise.
  [[nodiscard]] base::Result<std::optional<bool>> WantsSecureBoot(base::Log& log);
  /// store::Backend::WantedSecureBootAtLastStart; nothing but from a database.
  [[nodiscard]] const std::optional<bool>& wanted_secure_boot_at_last_start() const {
    return wanted_secure_boot_;
  }
  /// What changed, as store::EncodeHistory has it, which nobody has looked into; nothing but from a
  /// database.
  [[nodiscard]] const std::optional<base::Bytes>& history() const { return history_; }

  /// Keeps `changed` instead of what is kept, in one write: all of it or nothing. A file keeps its
  /// owner and its mode.
  [[nodiscard]] base::Result<void> Keep(const NewBytes& changed, base::Log& log);

  /// Lets go of the toolstack. Only kept() is of use then.
  void Close();

 private:
  Place();

  /// What is in a file; true when it is a database's.
  [[nodiscard]] base::Result<bool> OpenPath(const std::string& path, base::Log& log);
  [[nodiscard]] base::Result<std::optional<base::Bytes>> Read(base::Log& log);
  /// Asks the daemon that has locked the database at `path`.
  [[nodiscard]] base::Result<void> AskDaemon(const std::string& path, base::Log& log);

  Kept kept_;
  std::string operand_;
  std::optional<bool> wanted_secure_boot_;
  std::optional<base::Bytes> history_;
  // What it is kept in:
  std::optional<base::HeldFile> file_;
  std::optional<base::HeldFile> database_;
  std::unique_ptr<ToolstackHelper> toolstack_;
  std::unique_ptr<LiveAnswer> running_;
};

/// The variables in what is kept, in the process that looks at them. Load gives the non-volatile
/// entries; Commit makes the bytes that are to be kept instead. What is kept in a file keeps its
/// form and the entries that did not change, and gets volatile entries only if it has such.
class KeptVariables : public store::Backend {
 public:
  [[nodiscard]] static base::Result<std::unique_ptr<KeptVariables>> Decode(const Kept& kept);

  /// The blob of a save file, raw: the VM goes on from there.
  [[nodiscard]] virtual const std::optional<base::Bytes>& saved() const = 0;
  /// What the last Commit made.
  [[nodiscard]] const std::optional<NewBytes>& changed() const { return changed_; }

  [[nodiscard]] base::Result<void> ReportSecureBootFailure() override { return {}; }

 protected:
  std::optional<NewBytes> changed_;
};

/// What a database holds.
struct Rows {
  /// The variables as a raw `VARS` blob; nothing when nothing was ever kept.
  std::optional<base::Bytes> blob;
  /// Whether the host wanted Secure Boot when the VM was last started, where that is known.
  std::optional<bool> wanted_secure_boot;
  /// store::EncodeHistory of what changed.
  base::Bytes history = {};
};

/// The rows of the database `file`. That another process uses the database is an error.
[[nodiscard]] base::Result<Rows> ReadRows(base::HeldFile& file, base::Log& log);
/// Makes the variables of `blob` all rows of the database `file`, whose rows are `before` still;
/// else nothing is written. The history has it as this program's. It is made when there is none and
/// `use` says so.
[[nodiscard]] base::Result<void> WriteRows(base::HeldFile& file, backend::DatabaseUse use,
                                           const std::optional<base::Bytes>& before,
                                           base::ByteSpan blob, base::Log& log);

/// Whether the certificates that these variables hold, in KEK and db, are up to date.
[[nodiscard]] bool AreCertificatesUpToDate(const store::StagedStore& variables);
[[nodiscard]] bool AreCertificatesUpToDate(const std::vector<store::Entry>& entries);

}  // namespace varstored::tool
