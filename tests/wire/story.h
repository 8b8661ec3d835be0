#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/stanzas.h"
#include "wire/key_ring.h"
#include "wire/machine.h"

namespace varstored::test {

/// A stanza that tells what happens to one VM: how it starts, what its guest asks for, and what the
/// answers must be. The words are explained in tests/vectors/README.md.
class Story {
 public:
  /// `keys` outlives this object.
  explicit Story(KeyRing& keys) : keys_(keys) {}

  /// Tells the whole stanza. An answer that is not the expected one is a failure of the running
  /// test, at the line of the vectors' file; a stanza that cannot be understood throws.
  void Tell(const Stanza& stanza);

 private:
  /// The words of a step before "->" as arguments, and those behind it.
  struct Step {
    std::vector<std::string> arguments;
    std::vector<std::string> expected;

    /// The argument at this place.
    [[nodiscard]] const std::string& At(std::size_t place) const;
    /// The value of the argument KEY=value.
    [[nodiscard]] std::optional<std::string> Find(std::string_view key) const;
    [[nodiscard]] std::string Get(std::string_view key, std::string_view otherwise) const;
    /// Whether the word alone is among the arguments.
    [[nodiscard]] bool Has(std::string_view word) const;
  };
  /// A SetVariable as it was sent.
  struct Request {
    VariableWrite write;  // with the data as its payload
    bool at_runtime = false;
  };

  /// What happened, in the words of the vectors.
  using Outcome = std::vector<std::string>;

  static Step ParseStep(const std::string& text);

  bool Prepare(const std::string& key, const std::string& value);
  void Enroll(const std::string& name, const std::string& keys);
  Machine& machine();
  Outcome Take(const std::string& verb, const Step& step);

  Outcome Set(const Step& step);
  Outcome Send(const Request& request);
  Outcome Get(const Step& step);
  Outcome Next(const Step& step);
  Outcome Walk(const Step& step);
  Outcome Query(const Step& step);
  Outcome Restart(const std::string& verb, const Step& step);

  static Guid GuidOf(const Step& step);
  [[nodiscard]] Bytes DataOf(const VariableWrite& write, const Step& step);
  [[nodiscard]] SignOptions SignOptionsOf(const Step& step);

  KeyRing& keys_;
  MachineOptions options_;
  std::vector<store::LegacyRecord> records_;
  std::optional<Machine> machine_;
  std::optional<Request> last_;
};

}  // namespace varstored::test
