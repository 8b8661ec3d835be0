#include "launch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

extern "C" {
#include <sys/pidfd.h>  // of glibc 2.36, which forgets to say so
}

#include "pid_files.h"
#include "varstored/base/bytes.h"
#include "varstored/base/file.h"
#include "varstored/base/held_file.h"
#include "vm_folder.h"

namespace varstored::xl {
namespace {

using Clock = std::chrono::steady_clock;

// Together they stay below the minute that libxl gives a device model, and above the 25 s in which
// varstored tries to reach a toolstack.
constexpr std::chrono::seconds kTimeToEnd{12};
constexpr std::chrono::seconds kTimeToStart{35};
constexpr std::chrono::milliseconds kPause{10};
constexpr std::size_t kMaxCommandLine = 65536;

/// Whether the process ends within this time.
bool EndsWithin(const base::UniqueFd& process, std::chrono::milliseconds time) {
  const auto end = Clock::now() + time;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    pollfd entry = {process.get(), POLLIN, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::max<long>(left.count(), 0)));
    if (ready >= 0 || errno != EINTR) {
      return ready == 1;
    }
  }
}

/// Which domain the daemon with this process id serves.
std::optional<std::uint16_t> DomainServedBy(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/cmdline";
  const auto command_line = base::ReadFile(path, kMaxCommandLine);
  return command_line ? DomainOfDaemon(base::ToString(*command_line)) : std::nullopt;
}

/// libxl does not wait for the end of a VM's daemon, which notices the end of its domain after some
/// seconds only: a reboot or a restore finds it in its way.
base::Result<void> EndPredecessor(const Domains& domains, const base::HeldFolder& pid_files,
                                  const std::string& uuid, const Launch& launch) {
  const std::string name = std::filesystem::path(PidFileOf(uuid)).filename();
  const std::optional<pid_t> pid = LockedBy(pid_files, name);
  if (!pid) {
    return {};
  }
  const base::UniqueFd process(::pidfd_open(*pid, 0));
  if (!process.valid() || LockedBy(pid_files, name) != pid) {
    return {};  // it has just ended
  }
  const std::string who = "varstored with process id " + std::to_string(*pid);
  const auto served = DomainServedBy(*pid);
  const bool may_end =
      served && (*served == launch.domain ? launch.replaces : !domains.IsThere(*served, uuid));
  if (!may_end) {
    return base::Fail("the VM is served already, as domain " +
                      (served ? std::to_string(*served) : "(unknown)") + ", by " + who);
  }
  ::pidfd_send_signal(process.get(), SIGTERM, nullptr, 0);
  if (!EndsWithin(process, kTimeToEnd)) {
    return base::Fail(who + ", of the domain before, does not end");
  }
  return {};
}

/// The rest of the daemon's first moments, in its own process.
[[noreturn]] void Become(std::vector<std::string> command, int log, int report) {
  const pid_t self = ::getpid();
  if (::write(report, &self, sizeof self) != sizeof self) {
    ::_exit(1);
  }
  std::vector<char*> words;
  words.reserve(command.size() + 1);
  for (std::string& word : command) {
    words.push_back(word.data());
  }
  words.push_back(nullptr);

  // What the toolstack has opened for the device model is none of the daemon's business.
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  sigset_t none;
  ::sigemptyset(&none);
  if (null < 0 || ::dup2(log, STDERR_FILENO) < 0 || ::dup2(null, STDIN_FILENO) < 0 ||
      ::dup2(null, STDOUT_FILENO) < 0 || ::close_range(STDERR_FILENO + 1, ~0U, 0) != 0 ||
      ::chdir("/") != 0 || ::sigprocmask(SIG_SETMASK, &none, nullptr) != 0) {
    ::_exit(1);
  }
  ::execv(words.front(), words.data());
  std::perror(words.front());
  ::_exit(1);
}

/// Starts the command as nobody's child, in a session of its own.
base::Result<std::pair<pid_t, base::UniqueFd>> Spawn(const std::vector<std::string>& command,
                                                     int log) {
  std::array<int, 2> ends = {-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return base::Fail("cannot make a pipe: " + base::ErrnoText());
  }
  const base::UniqueFd from_daemon(ends[0]);
  base::UniqueFd report(ends[1]);
  const pid_t between = ::fork();
  if (between < 0) {
    return base::Fail("cannot start a process: " + base::ErrnoText());
  }
  if (between == 0) {
    ::setsid();
    const pid_t daemon = ::fork();
    if (daemon == 0) {
      Become(command, log, report.get());
    }
    ::_exit(daemon < 0 ? 1 : 0);
  }
  report.Reset();
  while (::waitpid(between, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_t pid = 0;
  if (::read(from_daemon.get(), &pid, sizeof pid) != sizeof pid) {
    return base::Fail("cannot start a process");
  }
  base::UniqueFd process(::pidfd_open(pid, 0));
  if (!process.valid()) {
    return base::Fail(command.front() + " ended at once");
  }
  return std::pair(pid, std::move(process));
}

/// varstored is installed beside the programs that start it.
base::Result<std::string> DaemonProgram() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  std::string program = self.parent_path() / "varstored";
  if (error || ::access(program.c_str(), X_OK) != 0) {
    return base::Fail(program + ": no such program");
  }
  return program;
}

/// For the tools. The VM needs its variables, and no name: a failure is a line in the log.
void KeepName(VmFolder& folder, const Domains& domains, const Launch& launch) {
  if (const auto kept = folder.KeepName(domains.NameOf(launch.domain).value_or("")); !kept) {
    const std::string line =
        "the tools do not find the VM by its name: " + kept.error().message + "\n";
    [[maybe_unused]] const ssize_t written = ::write(launch.log, line.data(), line.size());
  }
}

}  // namespace

base::Result<Daemon> Daemon::Start(const Domains& domains, const Settings& settings,
                                   const Launch& launch) {
  const auto uuid = domains.UuidOf(launch.domain);
  if (!uuid) {
    return uuid.failure();
  }
  const auto program = DaemonProgram();
  if (!program) {
    return program.failure();
  }
  const auto pid_files = OpenPidFiles(std::filesystem::path(PidFileOf(*uuid)).parent_path());
  if (!pid_files) {
    return pid_files.failure();
  }
  if (const auto ended = EndPredecessor(domains, *pid_files, *uuid, launch); !ended) {
    return base::Fail(ended.error().message);
  }
  RemoveEnded(*pid_files, [&domains](const std::string& vm) {
    return std::ranges::any_of(domains.All(), [&domains, &vm](std::uint16_t domain) {
      return domains.IsThere(domain, vm);
    });
  });

  std::optional<VmFolder> folder;
  auto start = Start::kBoot;
  if (!settings.HasOwnBackend()) {
    auto opened = VmFolder::Open(settings.folder, *uuid);
    if (!opened) {
      return opened.failure();
    }
    folder = std::move(*opened);
    if (launch.resumes) {
      const auto how = folder->HowToResume();
      if (!how) {
        return how.failure();
      }
      start = *how;
    }
    if (const auto given = folder->GiveTo(launch.domain); !given) {
      return base::Fail(given.error().message);
    }
    KeepName(*folder, domains, launch);
  }
  if (const auto said = domains.WantSecureBoot(launch.domain, settings.secure_boot); !said) {
    return base::Fail(said.error().message);
  }

  auto spawned = Spawn(DaemonCommand(settings, *program, launch.domain, *uuid, start), launch.log);
  if (!spawned) {
    return spawned.failure();
  }
  auto& [pid, process] = *spawned;
  Daemon daemon(std::move(process));
  const auto end = Clock::now() + kTimeToStart;
  while (domains.ReadyProcess(launch.domain) != std::to_string(pid)) {
    if (EndsWithin(daemon.process_, kPause)) {
      return base::Fail(*program + " has ended before it was ready; it says why");
    }
    if (Clock::now() > end) {
      daemon.End();
      return base::Fail(*program + " was not ready within " + std::to_string(kTimeToStart.count()) +
                        " s");
    }
  }
  if (folder) {
    if (const auto forgotten = folder->ForgetState(); !forgotten) {
      daemon.End();
      return base::Fail(forgotten.error().message);
    }
  }
  return daemon;
}

void Daemon::End() const {
  ::pidfd_send_signal(process_.get(), SIGTERM, nullptr, 0);
  EndsWithin(process_, kTimeToEnd);
}

}  // namespace varstored::xl
