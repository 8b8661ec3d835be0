#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/backend/kinds.h"
#include "varstored/base/bytes.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/store/backend.h"
#include "varstored/store/vars_blob.h"
#include "varstored/tool/command_line.h"

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

/// For a tool that from now on only looks at bytes that it has read: it becomes nobody, when it is
/// root and `rights` name no user, and can get no new privileges.
[[nodiscard]] base::Result<void> DropAllRights(Rights rights, base::Log& log);

/// Which variables a tool was called for.
struct PlaceOptions {
  /// --backend and --arg; empty: the operand says it.
  std::string backend;
  backend::BackendArguments arguments;
  /// A VM's uuid, whose variables the toolstack has; or the path of a file.
  std::string operand;
  std::optional<std::string> socket;
  /// The tool changes nothing: a database is looked at as bytes.
  bool only_looks = false;
  /// How long a toolstack that does not listen is waited for: a restart of it takes seconds.
  std::chrono::seconds wait = std::chrono::seconds(10);
};

/// The options -s, --backend, --arg and --wait, which set `place`.
[[nodiscard]] std::vector<Option> OptionsOf(PlaceOptions& place);

/// Takes the first of `operands` as the place, unless --backend names one already. Fails when there
/// is none, or not exactly `others` are left. A running VM, with `is_live`, is not in a backend.
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

/// Where a VM's variables are kept, open.
struct Place {
  /// Load gives the non-volatile entries, Commit keeps a change. A file with a blob is replaced as
  /// a whole, keeps its form, its owner, its mode and the entries that did not change, and gets
  /// volatile entries only if it has such.
  std::unique_ptr<store::Backend> backend;
  /// The blob of a save file, raw: the VM goes on from there.
  std::optional<base::Bytes> saved;
};

/// Opens what `options` name. A file is told by its first bytes: a database of the sqlite backend,
/// or a `VARS` blob. Nothing is made that is not there. A database that the VM's daemon has open is
/// an error, since the daemon locks it. `log` outlives the place.
[[nodiscard]] base::Result<Place> OpenPlace(const PlaceOptions& options, base::Log& log);

}  // namespace varstored::tool
