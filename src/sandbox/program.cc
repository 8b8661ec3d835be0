#include "varstored/sandbox/program.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include "varstored/base/file.h"
#include "varstored/sandbox/sandbox.h"

namespace varstored::sandbox {
namespace {

constexpr uid_t kNobody = 65534;
constexpr int kCannotConfine = 99;

/// A flash image takes it a tenth of a second, and 100 MiB.
constexpr rlim_t kMaxSeconds = 10;
constexpr rlim_t kMaxMemoryBytes = rlim_t{4} << 30;
constexpr unsigned kMaxWaitSeconds = 60;

std::vector<FileUse> FilesOf(const ProgramRun& run) {
  using Kind = FileUse::Kind;
  std::vector<FileUse> files = {{run.folder, Kind::kFolder},
                                {run.path.substr(0, run.path.rfind('/') + 1), Kind::kPrograms},
                                {"/etc/ld.so.cache", Kind::kRead},
                                {"/dev/null", Kind::kFolder},
                                {"/dev/urandom", Kind::kRead}};
  for (const char* folder : {"/usr", "/bin", "/lib", "/lib64", "/opt"}) {
    files.push_back({folder, Kind::kPrograms});
  }
  return files;
}

bool Limit(__rlimit_resource resource, rlim_t most) {
  const rlimit limit = {.rlim_cur = most, .rlim_max = most};
  return ::setrlimit(resource, &limit) == 0;
}

/// The only order that works: each step takes away the right to do an earlier one.
bool GiveUp(const ProgramRun& run) {
  if (::geteuid() == 0) {
    ForgoCapabilities();
    if (!ChangeIds(kNobody, kNobody)) {
      return false;
    }
  }
  auto files = Confinement::Prepare(FilesOf(run));
  constexpr std::array<std::string_view, 1> kSections = {"program"};
  return files && DropCapabilities() && LimitFileSize(run.max_file_bytes) &&
         Limit(RLIMIT_CORE, 0) && Limit(RLIMIT_CPU, kMaxSeconds) &&
         Limit(RLIMIT_AS, kMaxMemoryBytes) && ForbidNewPrivileges() &&
         ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && files->Enter() &&
         AllowOnlyListedCalls(kSections, OnViolation::kRefuse);
}

[[noreturn]] void Run(const ProgramRun& run, char* const* words) {
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(nowhere, STDIN_FILENO);
  ::dup2(nowhere, STDOUT_FILENO);
  // Before the ids are changed: the folders on the way are the caller's.
  if (::chdir(run.folder.c_str()) == 0 && GiveUp(run)) {
    ::alarm(kMaxWaitSeconds);
    const std::array<char*, 1> no_environment = {nullptr};
    ::execve(run.path.c_str(), words, no_environment.data());
  }
  ::_exit(kCannotConfine);
}

}  // namespace

std::string FindProgram(const std::string& name) {
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): one thread
  std::string_view rest = path != nullptr ? path : "/usr/bin:/bin";
  for (;;) {
    const std::size_t end = rest.find(':');
    std::string found = std::string(rest.substr(0, end)) + "/" + name;
    if (found.front() == '/' && ::access(found.c_str(), X_OK) == 0) {
      return found;
    }
    if (end == std::string_view::npos) {
      errno = ENOENT;
      return {};
    }
    rest.remove_prefix(end + 1);
  }
}

base::Result<void> RunProgram(const ProgramRun& run) {
  std::string path = run.path;
  std::vector<std::string> arguments = run.arguments;
  std::vector<char*> words = {path.data()};
  for (std::string& argument : arguments) {
    words.push_back(argument.data());
  }
  words.push_back(nullptr);
  if (::geteuid() == 0 && ::chown(run.folder.c_str(), kNobody, kNobody) != 0) {
    return base::Fail(run.folder + ": cannot give it away: " + base::ErrnoText());
  }
  const pid_t child = ::fork();
  if (child == 0) {
    Run(run, words.data());
  }
  if (child < 0) {
    return base::Fail("cannot start " + path + ": " + base::ErrnoText());
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      return base::Fail("cannot wait for " + path + ": " + base::ErrnoText());
    }
  }
  if (WIFSIGNALED(status)) {
    return base::Fail("was ended by signal " + std::to_string(WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) != 0) {
    return base::Fail("failed");
  }
  return {};
}

}  // namespace varstored::sandbox
