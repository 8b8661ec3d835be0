#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/result.h"
#include "varstored/base/unique_fd.h"

/// What the process gives up for good before it looks at a stored byte or one of a guest's, in the
/// order in which it is given up: each step takes away what an earlier one needs. Each function
/// names in its error what could not be done. docs/security.md, "The sandbox", has the whole.
namespace varstored::sandbox {

/// Leaves the host's mount, IPC, network and UTS namespaces for empty or private ones. All four are
/// tried; the error names those that could not be left, and the others are left all the same. Needs
/// CAP_SYS_ADMIN. Sockets and files that are open stay usable, and so do paths.
[[nodiscard]] base::Result<void> LeaveNamespaces();

/// Makes `folder` the root of the file system and the current folder. Needs CAP_SYS_CHROOT.
[[nodiscard]] base::Result<void> ChangeRoot(const std::string& folder);

/// No program that is executed later gets a capability, whatever its file says. Without CAP_SETPCAP
/// nothing happens: then ForbidNewPrivileges has to be enough.
void ForgoCapabilities();

/// Becomes another user and another group, in every sense (real, effective, saved) and without
/// further groups; what is not given stays as it is, but for the group of a user who is not root:
/// then it is nobody's (65534), so that root's is not kept.
[[nodiscard]] base::Result<void> ChangeIds(std::optional<uid_t> uid, std::optional<gid_t> gid);

/// The process has no capability any more, as root neither.
[[nodiscard]] base::Result<void> DropCapabilities();

/// No file grows over `bytes`: a write over it fails with EFBIG. Ignores the signal that would come
/// with it.
[[nodiscard]] base::Result<void> LimitFileSize(std::uint64_t bytes);

/// No child process, no core dump, and an address space of `memory_bytes`: more memory is denied,
/// which is answered as want of memory is. A sanitizer needs more of it and is not limited.
[[nodiscard]] base::Result<void> LimitResources(std::uint64_t memory_bytes);

/// No program that is executed later has more rights than the process, and nobody but root can
/// trace it or make it dump core. To be called after ChangeIds, which the kernel takes for a reason
/// to reset the second.
[[nodiscard]] base::Result<void> ForbidNewPrivileges();

/// A path, and what the process will do with it.
struct FileUse {
  enum class Kind : std::uint8_t {
    kRead,
    kFolder,  // all files below this folder: read, written, made and removed; a file: the first two
    kPrograms,  // all files below this folder: read and executed
  };
  std::string path;
  Kind kind;
};

/// The files that are left to the process (Landlock). From Enter on no file can be opened, made or
/// removed but for these uses, no TCP port used, and no signal sent to a process from before. What
/// is open stays so. One confinement can follow another and leaves what both allow.
class Confinement {
 public:
  /// Looks up the files; no more is done. One that is missing or out of reach fails when it is
  /// used. With `may_connect` connections of TCP stay possible.
  [[nodiscard]] static base::Result<Confinement> Prepare(const std::vector<FileUse>& files,
                                                         bool may_connect = false);

  /// False when the kernel has no Landlock: then Enter does nothing. An old one does less.
  [[nodiscard]] bool is_possible() const { return rules_.valid(); }

  /// To be called once, after ForbidNewPrivileges.
  [[nodiscard]] base::Result<void> Enter();

 private:
  base::UniqueFd rules_;
};

/// The version of Landlock that the running kernel has; 0: none.
[[nodiscard]] int LandlockVersion();

/// Whether the running kernel can filter system calls (seccomp).
[[nodiscard]] bool CanFilterCalls();

/// What happens at a system call that is not in the list.
enum class OnViolation : std::uint8_t {
  kKill,        // the process ends with SIGSYS; the kernel's log has the number of the call
  kSayAndExit,  // the number goes to standard error, and the exit code is 159; for tests
  kRefuse,      // it fails as one that the kernel does not know; for programs that are not ours
};

/// From here on only the calls of src/sandbox/system_calls.txt can be made: those of these
/// sections. To be called last, without other threads, after ForbidNewPrivileges.
[[nodiscard]] base::Result<void> AllowOnlyListedCalls(std::span<const std::string_view> sections,
                                                      OnViolation on_violation);

/// Whether this build has the list: it is for x86-64, and a sanitizer makes calls of its own.
/// Without it AllowOnlyListedCalls does nothing.
[[nodiscard]] bool HasListOfCalls();

/// The list as it was compiled, for the tests: a line each of line number, section, call, and
/// conditions as "2&~3" (argument 2 has no bit but those of 3), "1=8" or "0=self".
[[nodiscard]] std::string ListOfCalls();

}  // namespace varstored::sandbox
