#pragma once

#include <string>
#include <vector>

#include "kept_state.h"
#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/health/state.h"

namespace varstored::tools {

/// A file of --after, into which nobody has looked.
struct Proposed {
  std::string key;  // of KEY=FILE; empty: what the file is says it
  std::string path;
  base::Bytes bytes;
};

/// Reads the files of --after. A word is a path, or a key and a path with = between them.
[[nodiscard]] base::Result<std::vector<Proposed>> ReadProposed(
    const std::vector<std::string>& words);

// For a helper process:

/// `state` after these changes, one after the other; of what is kept only the form counts. A signed
/// update is written as varstore-set does it, so that it adds or replaces as it says. All else is
/// added, as `varstore edit --add` does.
///
/// Which key a file is for, in this order: KEY=; what the file is (whose key its signature covers;
/// the key for which Microsoft has made a certificate of 2023; dbx for Microsoft's list, and where
/// an entry is a hash of a certificate or a minimum version); and its name (db.auth,
/// DBXUpdate2024.bin). Where none of them says it, it is an error.
[[nodiscard]] base::Result<health::State> WithProposed(health::State state, const tool::Kept& kept,
                                                       const std::vector<Proposed>& files);

}  // namespace varstored::tools
