#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "varstored/backend/pool.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/base/unique_fd.h"
#include "varstored/sandbox/helper.h"

/// All VMs of a pool, one after the other.
namespace varstored::pool {

/// SIGINT, SIGTERM and SIGHUP as a descriptor, from Block on: the VM at hand is finished first.
class StopSignals {
 public:
  /// They stay blocked when the object is gone.
  [[nodiscard]] static base::Result<StopSignals> Block();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool HaveCome() const;

  /// What a shell says of a program that such a signal has ended, 128 and its number; 0 when none
  /// waits.
  [[nodiscard]] static int ExitCode();

 private:
  base::UniqueFd fd_;
};

/// What the VM at hand may still take after a signal; a second with what comes behind it.
inline constexpr std::chrono::milliseconds kMostAtTheEnd(200);

struct ToolstackOptions {
  /// XAPI's socket, if it is not the usual one.
  std::optional<std::string> socket;
  /// How long a toolstack that does not listen is waited for.
  std::chrono::seconds wait{};
};

/// What is done on the way. All are called.
struct Visitor {
  std::function<void(std::size_t done, std::size_t total)> begin;
  std::function<void(const backend::PoolVm& vm)> vm;
  /// The toolstack does not give one of them.
  std::function<void(const std::string& why)> failed;
};

/// Visits all VMs, snapshots and templates of XAPI's pool, by their references, so in the same
/// order each time. A helper process that can connect and nothing else talks to XAPI; what comes
/// from it is a VM's word still. One VM is in memory at a time. Gives why it ended early: a signal,
/// or three VMs in a row that cannot be read; empty at the end.
[[nodiscard]] base::Result<std::string> VisitToolstack(const ToolstackOptions& options,
                                                       const StopSignals& signals,
                                                       const Visitor& visitor, base::Log& log);

/// What is said of `left` VMs that were not looked at, because of `why`.
[[nodiscard]] std::string EndedEarly(const std::string& why, std::size_t left);

}  // namespace varstored::pool
