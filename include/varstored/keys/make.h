#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/keys/ingredients.h"

namespace varstored::keys {

/// Whose keys a host's VMs are to have (docs/keys.md, "Three commands").
enum class Profile : std::uint8_t {
  kMicrosoft,  // KEK and db are Microsoft's; PK is new, and nobody has its private key
  kManaged,    // the same, and the private key of PK is kept
  kOwn,        // PK, KEK and db are new, and their private keys are kept
};

/// "microsoft", "managed", "own"; the error lists them.
[[nodiscard]] base::Result<Profile> ParseProfile(std::string_view name);

/// A file that was read or is to be written.
struct NamedFile {
  std::string name;  // in its folder
  base::Bytes bytes;
};

/// The names of the files that a profile keeps its private keys in, and their certificates: PK.key,
/// PK.pem and so on. None for kMicrosoft.
[[nodiscard]] std::vector<std::string> PrivateFiles(Profile profile);

struct Made {
  /// PK.auth, KEK.auth, db.auth, and dbx.auth where there are revocations: all signed with PK's
  /// key.
  std::vector<NamedFile> auth;
  /// Of PrivateFiles those that are new. Whoever has the bytes clears them.
  std::vector<NamedFile> secret;
};

/// Makes the files of a profile, of the time `now` (seconds since 1970). Private keys that are in
/// `kept`, under the names of PrivateFiles, are used again; a key without its certificate, and the
/// other way round, is an error. Missing certificates of Microsoft's that are not optional are an
/// error for the profiles that need them. Each file is tried by the engine's own rules.
[[nodiscard]] base::Result<Made> MakeFiles(Profile profile, const Ingredients& ingredients,
                                           const std::vector<NamedFile>& kept, std::int64_t now);

}  // namespace varstored::keys
