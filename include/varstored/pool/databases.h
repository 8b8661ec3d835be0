#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/pool/look.h"
#include "varstored/pool/walk.h"

/// All VMs of a host without a toolstack that keeps their variables.
namespace varstored::pool {

struct FolderOptions {
  /// Has UUID/variables.sqlite of each VM (docs/xl.md).
  std::string folder;
  /// Of the daemons' sockets, by which those are asked that run.
  std::string live_folder;
};

/// Both are called.
struct FolderVisitor {
  std::function<void(std::size_t done, std::size_t total)> begin;
  /// One that cannot be read has Vm::error.
  std::function<void(const Vm& vm)> vm;
};

/// Visits them in the order of their uuids. One VM is in memory at a time. Gives why it ended
/// early: a signal; empty at the end.
[[nodiscard]] base::Result<std::string> VisitFolder(const FolderOptions& options,
                                                    const StopSignals& signals,
                                                    const FolderVisitor& visitor, base::Log& log);

}  // namespace varstored::pool
