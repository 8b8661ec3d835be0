#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "varstored/engine/variable_services.h"

namespace varstored::keys {

/// What is wrong with a host's files, a line for people each.
struct Judgement {
  /// A VM's first boot fails, or its Secure Boot is not what it seems, or certificates are missing.
  std::vector<std::string> wrong;
  /// What is worth knowing, and nothing is wrong with.
  std::vector<std::string> notes;
};

/// Whether a first boot takes the files (engine::CheckFirstBootKeys); whether each is signed for
/// its own variable, by PK, or db and dbx by KEK; private keys that everybody knows; certificates
/// of 2011 without their successors; and, as notes, what is not signed, what has expired (`now`,
/// seconds since 1970), and own certificates under Microsoft's owner.
[[nodiscard]] Judgement Judge(const engine::FirstBootKeys& keys, std::int64_t now);

/// What is in the files: of each its time, who signed it, and its certificates with their end,
/// their owner and their SHA-256; hashes are counted. Names are made for a terminal.
[[nodiscard]] std::string List(const engine::FirstBootKeys& keys);

}  // namespace varstored::keys
