#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "varstored/engine/variable_services.h"
#include "varstored/store/store.h"

namespace varstored::engine {

/// How the keys of a VM differ from those of the host's files (docs/engine.md, "What a boot
/// found"). Whose an entry is (SignatureOwner) does not count.
enum class KeyDrift : std::uint8_t {
  kNone,   // nothing of the host's is missing; the VM may have more
  kOlder,  // something is missing, and what PK, KEK and db have is all in the host's files
  kOther,  // something is missing, and PK, KEK or db has what the host's files do not have
};

/// The stable spelling: "none", "older", "other".
[[nodiscard]] std::string_view DriftText(KeyDrift drift);

/// The keys with which a VM starts: the number of entries of each variable, as far as its lists can
/// be used.
struct KeysFound {
  bool is_secure_boot_on = false;
  std::size_t pk = 0;
  std::size_t kek = 0;
  std::size_t db = 0;
  std::size_t dbx = 0;
  KeyDrift drift = KeyDrift::kNone;
};

/// What is in `store`, compared with the host's files. A file that is missing or malformed is one
/// of which nothing is missing.
[[nodiscard]] KeysFound FindKeys(const store::Store& store, const FirstBootKeys& hosts);

/// One line, such as "Secure Boot on; entries: PK 1, KEK 2, db 4, dbx 431; drift: none".
[[nodiscard]] std::string ToText(const KeysFound& found);

}  // namespace varstored::engine
