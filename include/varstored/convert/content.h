#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/efi/guid.h"
#include "varstored/store/store.h"
#include "varstored/store/variable.h"

/// A VM's variables in the files of other programs, and back (docs/tools/varstore-convert.md).
namespace varstored::convert {

/// What could not be carried, a line for people each: which variable, what of it, and why.
using Losses = std::vector<std::string>;

/// A VM's variables, whatever file they came from.
struct Content {
  /// In the order of the file; no two have the same name and GUID.
  std::vector<store::Entry> entries;
  /// Of a VM that was suspended.
  store::Ancillary ancillary = {};
  /// What the file holds and `entries` do not.
  Losses lost = {};
};

/// A file as it is to be written.
struct Written {
  base::Bytes bytes;
  /// What the variables have and the file does not.
  Losses lost = {};
};

/// "Boot0000 (8be4df61-93ca-11d2-aa0d-00e098032b8c)", the name as efi::EscapeName has it.
[[nodiscard]] std::string Describe(std::string_view name, const efi::Guid& vendor);
[[nodiscard]] std::string Describe(const store::Entry& entry);

/// The entries of `content` that a VM keeps while it is off. Volatile variables are one loss
/// together, and what only a suspended VM has is another. The volatile variables of the
/// specification (SecureBoot, BootCurrent and so on: UEFI 2.10, 3.3) are left out without a word:
/// firmware makes them anew at each start, and nobody stores them.
[[nodiscard]] std::vector<const store::Entry*> KeptEntries(const Content& content, Losses& lost);

/// Who makes the digest of a private variable's signer, each of other ingredients.
enum class DigestKind {
  kVarstored,  // the signer's common name and its own tbsCertificate
  kEdk2,       // the signer's common name and the tbsCertificate of the last issuer in the message
  kQemu,       // the signer's common name and the fingerprint of the message's last certificate
  kNone,       // the format has no place for it
};

/// What becomes of the signers of private variables on their way from one kind to the other. The
/// digests are carried as they are, so that they are right again after the way back; in between
/// nobody can sign a change unless both kinds agree on the signer.
[[nodiscard]] Losses LostSigners(const std::vector<store::Entry>& entries, DigestKind from,
                                 DigestKind to);

/// The most variables that are taken from a file, and the most lines about what is lost: many times
/// what any store holds. A file has room for a million.
inline constexpr std::size_t kMaxRecords = 16384;

/// Why a file with more of them is refused.
[[nodiscard]] base::Failure<base::Error> TooManyRecords();

/// Puts a Content together of records that another program stored.
class ContentBuilder {
 public:
  /// An entry of the record; a loss instead, when it has no name, no data, a name that is too long
  /// for every store, or the name and GUID of an earlier one.
  void Add(store::LegacyRecord record);
  void Lose(std::string what);
  /// Fails when there were more than kMaxRecords of either; what came behind them was dropped.
  [[nodiscard]] base::Result<Content> Take();

 private:
  bool has_too_many_ = false;
  Content content_;
  std::set<std::pair<std::string, efi::Guid>> seen_;
};

}  // namespace varstored::convert
