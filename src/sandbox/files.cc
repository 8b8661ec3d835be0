#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <system_error>

#include "varstored/base/file.h"
#include "varstored/base/unique_fd.h"
#include "varstored/sandbox/sandbox.h"

namespace varstored::sandbox {
namespace {

// What Debian 12's headers do not know yet.
constexpr std::uint64_t kTruncate = 1ULL << 14;  // LANDLOCK_ACCESS_FS_TRUNCATE
constexpr std::uint64_t kIoctlDev = 1ULL << 15;  // LANDLOCK_ACCESS_FS_IOCTL_DEV
constexpr std::uint64_t kTcp = 3;                // LANDLOCK_ACCESS_NET_BIND_TCP, _CONNECT_TCP
constexpr std::uint64_t kConnectTcp = 2;         // of these, the second
constexpr std::uint64_t kSignalsAndNames = 3;    // LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, _SIGNAL

/// struct landlock_ruleset_attr as of ABI 6; older kernels know the beginning of it.
struct Attributes {
  std::uint64_t files;
  std::uint64_t network;
  std::uint64_t scope;
};

constexpr std::uint64_t kReading = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t kWriting = LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;
constexpr std::uint64_t kFolder = kReading | kWriting | LANDLOCK_ACCESS_FS_MAKE_REG |
                                  LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE;

/// All that the kernel of this Landlock version can forbid and this program knows of.
Attributes AllOf(long version) {
  std::uint64_t files = LANDLOCK_ACCESS_FS_REFER - 1;  // every right of version 1 is below this one
  files |= version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
  files |= version >= 3 ? kTruncate : 0;
  files |= version >= 5 ? kIoctlDev : 0;
  return {files, version >= 4 ? kTcp : 0, version >= 6 ? kSignalsAndNames : 0};
}

std::size_t SizeOfAttributes(long version) { return version >= 6 ? 24 : version >= 4 ? 16 : 8; }

bool IsFolder(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

/// False with errno when there is nothing at `path`, among others.
bool Allow(int rules, const std::string& path, std::uint64_t access) {
  const base::UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd.valid()) {
    return false;
  }
  landlock_path_beneath_attr rule = {};
  rule.allowed_access = access;
  rule.parent_fd = fd.get();
  return ::syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

}  // namespace

int LandlockVersion() {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 1 ? 0 : static_cast<int>(version);
}

base::Result<Confinement> Confinement::Prepare(const std::vector<FileUse>& files,
                                               bool may_connect) {
  Confinement confinement;
  const int version = LandlockVersion();
  if (version < 1) {
    return confinement;
  }
  Attributes all = AllOf(version);
  all.network &= may_connect ? ~kConnectTcp : ~std::uint64_t{0};
  confinement.rules_.Reset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &all, SizeOfAttributes(version), 0)));
  const int rules = confinement.rules_.get();
  if (rules < 0) {
    return base::Fail("cannot confine the process to its files: " + base::ErrnoText());
  }
  // What cannot be allowed, because it is not there or out of reach, fails when it is used, and
  // then with words of its own.
  for (const auto& [path, use] : files) {
    switch (use) {
      case FileUse::Kind::kRead:
        // A folder in its place is to be known for one, and what is in it none of our business.
        static_cast<void>(
            Allow(rules, path, IsFolder(path) ? LANDLOCK_ACCESS_FS_READ_DIR : kReading));
        break;
      case FileUse::Kind::kFolder:
        static_cast<void>(
            Allow(rules, path, (IsFolder(path) ? kFolder : kReading | kWriting) & all.files));
        break;
      case FileUse::Kind::kPrograms:
        static_cast<void>(Allow(
            rules, path, kReading | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE));
        break;
    }
  }
  return confinement;
}

base::Result<void> Confinement::Enter() {
  if (is_possible() && ::syscall(SYS_landlock_restrict_self, rules_.get(), 0) != 0) {
    return base::Fail("cannot confine the process to its files: " + base::ErrnoText());
  }
  rules_.Reset();
  return {};
}

}  // namespace varstored::sandbox
