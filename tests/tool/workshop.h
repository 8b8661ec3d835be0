#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "support/process.h"
#include "support/temporary_folder.h"
#include "varstored/base/bytes.h"
#include "varstored/store/variable.h"

namespace varstored::tool {

/// Two GUIDs of nobody's, and the one of BootOrder.
inline constexpr std::string_view kVendorText = "12345678-1234-1234-1234-123456789abc";
inline constexpr std::string_view kGlobalText = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// A variable as a blob holds it.
[[nodiscard]] store::Entry MakeEntry(std::string_view guid, std::string_view name,
                                     std::uint32_t attributes, std::string_view data);

/// The entries of every good file in a workshop: in the order of a walk, one of each kind.
[[nodiscard]] std::vector<store::Entry> UsualEntries();

/// The blob of these entries with a MOR and PPI part that is not zero.
[[nodiscard]] base::Bytes BlobOf(const std::vector<store::Entry>& entries);

/// A folder with files of every kind that a tool may be called for:
///
///   kept.vars       UsualEntries as a raw blob
///   kept.b64        the same in base64, with a newline; wrapped.b64 with many and none at the end
///   odd.vars        the same and a record with a name of odd length
///   saved.vars      the same as the save file of a VM that runs, with volatile variables
///   vm.db           the same as a database
///   new.db          a database in which nothing was ever kept
///   data            "hello"
///   keys/           PK.auth, KEK.auth, db.auth and dbx.auth of a host; no-pk/ lacks the first
///   lists/          lists of variables that a clone does not have; bad-lists/ has a mistake
///   empty, folder, cut.vars, cut.b64, huge, text, version9.vars, pipe, secret (no permission at
///   all), other.db        an SQLite database of another program
class Workshop {
 public:
  Workshop();

  [[nodiscard]] std::string File(std::string_view name) const { return folder_.File(name); }
  [[nodiscard]] base::Bytes Content(std::string_view name) const;

  /// Runs a tool with these words; '@' in front of one stands for the folder and a slash. What it
  /// says has '@' in its place as well. It has no right to override the permissions of files.
  [[nodiscard]] test::Ended Run(const std::vector<std::string>& words) const;
  /// The same, of words with blanks between them; one in quotes ('') may hold blanks.
  [[nodiscard]] test::Ended Run(std::string_view words) const;

 private:
  test::TemporaryFolder folder_{test::FastParent()};
};

}  // namespace varstored::tool
