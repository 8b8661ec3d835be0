#include "varstored/sandbox/program.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include "varstored/base/file.h"
#include "varstored/base/log.h"
#include "varstored/base/unique_fd.h"
#include "varstored/sandbox/sandbox.h"

namespace varstored::sandbox {
namespace {

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
  if (run.uses_network) {
    files.push_back({"/etc", Kind::kPrograms});
    files.push_back({"/run", Kind::kPrograms});
  }
  return files;
}

/// The user and the group of this run, when it is root's: nobody else's at the time, as the number
/// of the caller's process is in it. Nobody's, 65534, would have other processes, which could reach
/// the folder. The range is in no use (https://systemd.io/UIDS-GIDS), and no daemon's.
uid_t UserOfRun() {
  constexpr uid_t kFirst = 0x70000000;
  return kFirst + static_cast<uid_t>(::getpid());
}

bool Limit(__rlimit_resource resource, rlim_t most) {
  const rlimit limit = {.rlim_cur = most, .rlim_max = most};
  return ::setrlimit(resource, &limit) == 0;
}

/// The only order that works: each step takes away the right to do an earlier one.
bool GiveUp(const ProgramRun& run, uid_t user) {
  if (::geteuid() == 0) {
    ForgoCapabilities();
    if (!ChangeIds(user, user)) {
      return false;
    }
  }
  auto files = Confinement::Prepare(FilesOf(run), run.uses_network);
  std::vector<std::string_view> sections = {"program"};
  if (run.uses_network) {
    sections.emplace_back("network");
  }
  return files && DropCapabilities() && LimitFileSize(run.max_file_bytes) &&
         Limit(RLIMIT_CORE, 0) && Limit(RLIMIT_CPU, kMaxSeconds) &&
         Limit(RLIMIT_AS, kMaxMemoryBytes) && ForbidNewPrivileges() &&
         ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && files->Enter() &&
         AllowOnlyListedCalls(sections, OnViolation::kRefuse);
}

[[noreturn]] void Run(const ProgramRun& run, uid_t user, char* const* words, int errors) {
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(nowhere, STDIN_FILENO);
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(errors, STDERR_FILENO);
  // Before the ids are changed: the folders on the way are the caller's.
  // The alarm, too: the call is not in the list.
  ::alarm(kMaxWaitSeconds);
  if (::chdir(run.folder.c_str()) == 0 && GiveUp(run, user)) {
    const std::array<char*, 1> no_environment = {nullptr};
    ::execve(run.path.c_str(), words, no_environment.data());
  }
  ::_exit(kCannotConfine);
}

/// The first of what the program says, up to its end: some words of it are the image's, so that
/// they are shown as a line of a log is.
std::string ReadToEnd(int fd) {
  constexpr std::size_t kMost = 1000;
  std::array<char, kMost> chunk{};
  std::string said;
  for (;;) {
    const ssize_t count = ::read(fd, chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      break;
    }
    said.append(chunk.data(), std::min(static_cast<std::size_t>(count), kMost - said.size()));
  }
  if (said.ends_with('\n')) {
    said.pop_back();
  }
  return base::Printable(said);
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
  const uid_t user = UserOfRun();
  if (::geteuid() == 0 && ::chown(run.folder.c_str(), user, user) != 0) {
    return base::Fail(run.folder + ": cannot give it away: " + base::ErrnoText());
  }
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    return base::Fail("cannot start " + path + ": " + base::ErrnoText());
  }
  const base::UniqueFd from(pipe[0]);
  base::UniqueFd to(pipe[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    Run(run, user, words.data(), to.get());
  }
  if (child < 0) {
    return base::Fail("cannot start " + path + ": " + base::ErrnoText());
  }
  to.Reset();
  const std::string said = ReadToEnd(from.get());
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
    return base::Fail(said.empty() ? "failed" : "failed: " + said);
  }
  return {};
}

}  // namespace varstored::sandbox
