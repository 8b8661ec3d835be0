#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "varstored/base/result.h"

namespace varstored::sandbox {

/// Somebody else's program, which is to look at foreign bytes.
struct ProgramRun {
  std::string path;  // of the program
  std::vector<std::string> arguments;
  /// Where it works: what is there may be read and changed, and nothing else but the programs and
  /// libraries of the host may be read. Root gives the folder away for that, to a user of this run
  /// alone: with mode 0700 nobody else reaches it.
  std::string folder;
  /// No file grows over this.
  std::uint64_t max_file_bytes = 0;
  /// It may connect to other hosts: what the host's settings say of names and certificates may be
  /// read too, /etc and /run.
  bool uses_network = false;
};

/// The path of the program `name` on PATH; empty, with errno, when there is none.
[[nodiscard]] std::string FindProgram(const std::string& name);

/// Runs it to its end, below what a helper process has (helper.h), as far as a program can start
/// there: root becomes a user of this run alone, no capability and no new privilege, no child
/// process, bounds for memory, processor time and files, Landlock, and the system calls of
/// [program] in the list, and of [network] where it uses that, all others of which fail. Standard
/// input and output lead nowhere. The error says how it ended, and has the first of what it wrote
/// to standard error, without anything that a terminal acts upon.
[[nodiscard]] base::Result<void> RunProgram(const ProgramRun& run);

}  // namespace varstored::sandbox
