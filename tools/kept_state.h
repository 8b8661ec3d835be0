#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/held_file.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/health/finding.h"
#include "varstored/health/state.h"
#include "varstored/store/backend.h"
#include "varstored/tool/place.h"

namespace varstored::tools {

/// What a place keeps, read as far as it can be.
struct KeptState {
  health::State state;
  /// What is known besides: target, is_vm, is_first_boot, secure_boot, and now.
  health::Context context;
};

/// A place, open to be read and written.
class KeptPlace {
 public:
  /// Reads what `options` name, as ReadKeptState does; that nothing can be read of a blob is no
  /// error here. A database stays locked. `log` outlives the place.
  [[nodiscard]] static base::Result<KeptPlace> Open(const tool::PlaceOptions& options,
                                                    base::Log& log);
  /// The same without looking at the bytes of a blob: kept().state is empty until Decode.
  [[nodiscard]] static base::Result<KeptPlace> Fetch(const tool::PlaceOptions& options,
                                                     base::Log& log);
  void Decode();
  /// Lets go of the toolstack or the database. Only kept() and Decode are of use then.
  void Close() { backend_.reset(); }

  [[nodiscard]] const KeptState& kept() const { return kept_; }
  [[nodiscard]] KeptState& kept() { return kept_; }
  /// All that is kept, for a backup: the toolstack's text or the file, byte for byte; of a database
  /// its variables as a `VARS` blob. Nothing when nothing was ever kept.
  [[nodiscard]] const std::optional<base::Bytes>& content() const { return content_; }
  /// The file with a blob, held since it was first looked at; null for another place.
  [[nodiscard]] const base::HeldFile* file() const { return file_ ? &*file_ : nullptr; }
  /// Whether a toolstack has the variables.
  [[nodiscard]] bool is_toolstack() const { return backend_ != nullptr && !is_database_; }

  /// Fails when somebody has changed what is kept since Open.
  [[nodiscard]] base::Result<void> CheckUnchanged();
  /// store::Backend::VmState; nothing for files.
  [[nodiscard]] base::Result<std::optional<std::string>> VmState();

  /// Keeps `state`, in the form that the place has, in one write: all of it or nothing.
  [[nodiscard]] base::Result<void> Write(const health::State& state);
  /// Keeps `content`, which content() gave once, in one write.
  [[nodiscard]] base::Result<void> Restore(const base::Bytes& content);

 private:
  [[nodiscard]] base::Result<void> ReadFrom(base::Log& log);
  [[nodiscard]] base::Result<void> WriteRows(const std::vector<store::Entry>& entries);

  KeptState kept_;
  std::optional<base::Bytes> content_;
  /// A toolstack or a database; else it is file_, with a blob.
  std::unique_ptr<store::Backend> backend_;
  bool is_database_ = false;
  std::optional<base::HeldFile> file_;
  tool::BlobForm form_;
};

/// Reads what `options` name: a VM's variables in the toolstack, a database, or a file with a
/// `VARS` blob, raw or in base64. A blob that cannot be read as a whole is no error, but one of
/// which nothing can be read is. A guest wrote it, so all rights are given up for good before it is
/// decoded.
[[nodiscard]] base::Result<KeptState> ReadKeptState(const tool::PlaceOptions& options,
                                                    base::Log& log);

}  // namespace varstored::tools
