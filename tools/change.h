#pragma once

#include <functional>
#include <string>
#include <vector>

#include "repair.h"
#include "varstored/tool/command_line.h"

/// What the commands `varstore edit` and `varstore boot` have in common: a change of what is kept
/// that an administrator asks for, made with the care of a repair.
namespace varstored::tools {

/// A change, and how it is seen. Both are for the helper process.
struct Change {
  std::function<base::Result<health::State>(health::State state)> apply;
  /// A state in lines: those that go and those that come are shown.
  std::function<base::Result<std::vector<std::string>>(const health::State& state)> lines;
};

/// The options of such a command.
struct ChangeOptions {
  tool::Rights rights;
  tool::PlaceOptions place;
  RepairOptions repair;
  bool dry_run = false;
};

[[nodiscard]] std::vector<tool::Option> OptionsOf(ChangeOptions& options);

/// The lines of what is kept; nothing is changed.
[[nodiscard]] base::Result<std::string> ShowPlace(const ChangeOptions& options,
                                                  const Change& change, base::Log& log);

/// Makes the change, unless it changes nothing, behind a backup; with dry_run it is only shown.
/// Gives what is said of it: lines that go and come, what becomes of PCR 7, findings that are new.
/// A change that what is kept has no room for is an error, as is one of a VM that was never
/// started, or of which something cannot be read.
[[nodiscard]] base::Result<std::string> ChangePlace(const ChangeOptions& options,
                                                    const Change& change, base::Log& log);

}  // namespace varstored::tools
