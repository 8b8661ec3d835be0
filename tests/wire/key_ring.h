#pragma once

#include <map>
#include <string>
#include <vector>

#include "support/signing.h"
#include "support/stanzas.h"

namespace varstored::test {

/// The keys and certificates that vectors call by name. Each is made when it is first asked for, as
/// its stanza says (tests/vectors/README.md), and is another one in each run.
class KeyRing {
 public:
  explicit KeyRing(const std::vector<Stanza>& stanzas);

  /// Throws when no stanza has this name.
  [[nodiscard]] const Identity& operator[](const std::string& name);

 private:
  std::map<std::string, Stanza> stanzas_;
  std::map<std::string, Identity> made_;
};

}  // namespace varstored::test
