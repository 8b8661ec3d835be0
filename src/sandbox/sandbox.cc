#include "varstored/sandbox/sandbox.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <vector>

#include "varstored/base/file.h"

namespace varstored::sandbox {
namespace {

base::Failure<base::Error> FailWithErrno(const std::string& what) {
  return base::Fail(what + ": " + base::ErrnoText());
}

struct Namespace {
  const char* name;
  int flag;
};

constexpr std::array<Namespace, 4> kNamespaces = {{
    {"mount", CLONE_NEWNS},
    {"IPC", CLONE_NEWIPC},
    {"network", CLONE_NEWNET},
    {"UTS", CLONE_NEWUTS},
}};

}  // namespace

base::Result<void> LeaveNamespaces() {
  std::string failed;
  for (const Namespace& row : kNamespaces) {
    if (::unshare(row.flag) != 0) {
      failed +=
          (failed.empty() ? "" : ", ") + std::string(row.name) + " (" + base::ErrnoText() + ")";
    }
  }
  if (!failed.empty()) {
    return base::Fail("cannot leave the host's namespaces: " + failed);
  }
  return {};
}

base::Result<void> ChangeRoot(const std::string& folder) {
  if (::chroot(folder.c_str()) != 0 || ::chdir("/") != 0) {
    return FailWithErrno(folder + ": cannot make it the root folder");
  }
  return {};
}

bool CanFilterCalls() {
  // The kernel says whether it would know the null pointer's filter (seccomp(2)).
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr, 0, 0) != 0 && errno == EFAULT;
}

void ForgoCapabilities() {
  // Capabilities are numbered from 0 on without a gap; this ends at the first that there is not.
  for (unsigned long capability = 0; ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0;
       ++capability) {
  }
}

base::Result<void> ChangeIds(std::optional<uid_t> uid, std::optional<gid_t> gid) {
  constexpr gid_t kGroupOfNobody = 65534;
  if (uid.value_or(0) != 0 && !gid) {
    gid = kGroupOfNobody;
  }
  // The user last: it takes the right to do the rest.
  if ((uid || gid) && ::setgroups(0, nullptr) != 0) {
    return FailWithErrno("cannot give up the groups");
  }
  if (gid && ::setresgid(*gid, *gid, *gid) != 0) {
    return FailWithErrno("cannot become group " + std::to_string(*gid));
  }
  if (uid && ::setresuid(*uid, *uid, *uid) != 0) {
    return FailWithErrno("cannot become user " + std::to_string(*uid));
  }
  return {};
}

base::Result<void> DropCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none = {};
  // The ambient ones go with the permitted ones (capabilities(7)). The C library has no wrapper.
  if (::syscall(SYS_capset, &header, none.data()) != 0) {
    return FailWithErrno("cannot give up capabilities");
  }
  return {};
}

base::Result<void> LimitFileSize(std::uint64_t bytes) {
  const rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};
  if (std::signal(SIGXFSZ, SIG_IGN) == SIG_ERR || ::setrlimit(RLIMIT_FSIZE, &limit) != 0) {
    return FailWithErrno("cannot limit the size of files");
  }
  return {};
}

base::Result<void> LimitResources([[maybe_unused]] std::uint64_t memory_bytes) {
  struct Limit {
    __rlimit_resource resource;
    rlim_t most;
  };
  const std::vector<Limit> limits = {
      {RLIMIT_NPROC, 0},
      {RLIMIT_CORE, 0},
#ifndef VARSTORED_INSTRUMENTED
      {RLIMIT_AS, memory_bytes},
#endif
  };
  for (const auto& [resource, most] : limits) {
    const rlimit limit = {.rlim_cur = most, .rlim_max = most};
    if (::setrlimit(resource, &limit) != 0) {
      return FailWithErrno("cannot limit processes, core dumps and memory");
    }
  }
  return {};
}

base::Result<void> ForbidNewPrivileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return FailWithErrno("cannot give up new privileges");
  }
  return {};
}

}  // namespace varstored::sandbox
