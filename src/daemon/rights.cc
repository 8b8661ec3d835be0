#include "rights.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/sandbox/sandbox.h"
#include "varstored/store/vars_blob.h"

namespace varstored::daemon {
namespace {

using sandbox::FileUse;

/// Enough for the state of any input that is read, and for a database of it.
constexpr std::uint64_t kMaxWrittenFileBytes = 2 * store::kMaxLoadedBytes;

/// The program and its libraries take 47 MiB of addresses, the largest state and a toolstack's
/// largest answer together less than 20.
constexpr std::uint64_t kMaxMemoryBytes = std::uint64_t{128} << 20;

/// What is read before the process serves. Then there is nothing more to open: a database and the
/// file of save: are open already.
std::vector<FileUse> FilesOfStart(const Options& options) {
  std::vector<FileUse> files;
  if (options.resume_path) {
    files.push_back({*options.resume_path, FileUse::Kind::kRead});
  }
  if (const auto init = options.backend_arguments.find("init");
      init != options.backend_arguments.end()) {
    files.push_back({init->second, FileUse::Kind::kRead});
  }
  return files;
}

}  // namespace

// The only order that works: each step takes away the right to do an earlier one.
base::Result<void> DropRights(const Options& options, base::Log& log) {
  if (options.depriv) {
    if (const auto left = sandbox::LeaveNamespaces(); !left) {
      log.Say(base::Event::kNamespacesShared, left.error().message);
    }
  }
  if (options.chroot_path) {
    if (auto changed = sandbox::ChangeRoot(*options.chroot_path); !changed) {
      return changed;
    }
  }
  if (options.depriv) {
    sandbox::ForgoCapabilities();
  }
  if (auto changed = sandbox::ChangeIds(options.uid, options.gid); !changed) {
    return changed;
  }
  if (auto limited = sandbox::LimitFileSize(kMaxWrittenFileBytes); !limited) {
    return limited;
  }
  if (!options.depriv) {
    return {};
  }
  if (auto dropped = sandbox::DropCapabilities(); !dropped) {
    return dropped;
  }
  if (auto limited = sandbox::LimitResources(kMaxMemoryBytes); !limited) {
    return limited;
  }
  // Without it the kernel allows nothing of what LockIn does.
  return sandbox::ForbidNewPrivileges();
}

base::Result<sandbox::Confinement> LockIn(const Program& program, const Options& options,
                                          bool has_live_socket, base::Log& log) {
  if (!options.depriv) {
    return sandbox::Confinement();
  }
  auto start = sandbox::Confinement::Prepare(FilesOfStart(options));
  if (!start) {
    return start;
  }
  auto service = sandbox::Confinement::Prepare({});
  if (!service) {
    return service;
  }
  if (!start->is_possible()) {
    log.Say(base::Event::kNoLandlock,
            "the kernel has no Landlock: files are protected by their permissions alone");
  }
  if (auto entered = start->Enter(); !entered) {
    return entered.failure();
  }
  if (!sandbox::HasListOfCalls()) {
    log.Say(base::Event::kSystemCallsUnlimited,
            "this build has no list of system calls: none is forbidden");
  }
  const bool is_loopback = program.door == Program::Door::kLoopback;
  std::vector<std::string_view> sections = {"always", is_loopback ? "loopback" : "xen",
                                            options.backend};
  if (has_live_socket) {
    sections.emplace_back("live");
  }
  const auto on_violation =
      is_loopback ? sandbox::OnViolation::kSayAndExit : sandbox::OnViolation::kKill;
  if (auto allowed = sandbox::AllowOnlyListedCalls(sections, on_violation); !allowed) {
    return allowed.failure();
  }
  return service;
}

}  // namespace varstored::daemon
