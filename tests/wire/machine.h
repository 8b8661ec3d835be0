#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/loopback_client.h"
#include "support/process.h"
#include "support/temporary_folder.h"
#include "varstored/store/variable.h"

namespace varstored::test {

/// What a VM starts with.
struct MachineOptions {
  std::vector<std::string> platform = {};  // such as "secureboot=true"
  /// A `VARS` blob that the last boot left behind; without it this is a first boot.
  std::optional<Bytes> kept = {};
  /// What Machine::Save gave: the VM goes on from there, and `kept` counts for nothing.
  std::optional<Bytes> saved = {};
  std::vector<std::string> arguments = {};  // more of the program's options
};

/// A VM: varstored-loopback in a process of its own, and the guest that talks to it.
class Machine {
 public:
  explicit Machine(const MachineOptions& options = {});

  [[nodiscard]] LoopbackClient& guest() { return *guest_; }

  /// Ends the VM as the toolstack does when it suspends it, and gives the save file.
  [[nodiscard]] Bytes Save();
  /// Ends the VM, and gives the variables that are kept for the next boot, as MachineOptions::kept.
  [[nodiscard]] Bytes ShutDown();
  /// Ends the VM, and gives everything that the program has logged.
  [[nodiscard]] std::string LogAtTheEnd();

 private:
  TemporaryFolder folder_;
  Process process_;
  std::optional<LoopbackClient> guest_;
};

/// A `VARS` blob of these variables.
[[nodiscard]] Bytes BlobOf(const std::vector<store::LegacyRecord>& records);

/// One variable of a blob. The timestamp is all zero.
[[nodiscard]] store::LegacyRecord RecordOf(const std::u16string& name, const Guid& guid,
                                           std::uint32_t attributes, Bytes data);

}  // namespace varstored::test
