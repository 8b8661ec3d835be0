#include "observe.h"

#include <unistd.h>

#include <chrono>
#include <ctime>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

namespace varstored::bench {
namespace {

const char* const kValgrind = "/usr/bin/valgrind";
const char* const kStrace = "/usr/bin/strace";

double RunTask(Daemon& daemon, const MakeTask& make, std::size_t rounds) {
  const auto task = make();
  task->Prepare(daemon.guest());
  std::size_t requests = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    requests += task->Round(daemon.guest());
  }
  return static_cast<double>(requests);
}

}  // namespace

Memory MemoryOf(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  Memory memory;
  for (std::string word; file >> word;) {
    if (word == "Anonymous:") {
      file >> memory.anonymous_kb;
    } else if (word == "Pss:") {
      file >> memory.pss_kb;
    }
  }
  Require(memory.anonymous_kb != 0, "cannot read the memory of the daemon");
  return memory;
}

double CpuMicroseconds(pid_t pid) {
  clockid_t clock = 0;
  timespec time = {};
  Require(::clock_getcpuclockid(pid, &clock) == 0 && ::clock_gettime(clock, &time) == 0,
          "cannot read the processor time of the daemon");
  return 1e6 * static_cast<double>(time.tv_sec) + 1e-3 * static_cast<double>(time.tv_nsec);
}

bool HasCallgrind() { return ::access(kValgrind, X_OK) == 0; }
bool HasStrace() { return ::access(kStrace, X_OK) == 0; }

Life LiveBelowCallgrind(const Setup& setup, const MakeTask& make, std::size_t rounds,
                        const std::string& profile) {
  Setup below = setup;
  below.is_locked_in = false;
  // The helper process that announces readiness has a profile of its own.
  const std::string file = profile.empty() ? "/dev/null" : profile + ".%p";
  below.wrapper = {kValgrind, "--tool=callgrind", "--callgrind-out-file=" + file};
  Daemon daemon(below);
  Life life;
  life.requests = RunTask(daemon, make, rounds);
  const std::string pid = std::to_string(daemon.pid());
  const std::string errors = daemon.End().errors;
  // "==PID== Collected : N"; the helper process says so too.
  const std::string mark = "==" + pid + "== Collected : ";
  const std::size_t found = errors.find(mark);
  Require(found != std::string::npos, "callgrind did not count: " + errors);
  life.instructions = std::stod(errors.substr(found + mark.size()));
  if (!profile.empty()) {
    Require(std::rename((profile + "." + pid).c_str(), profile.c_str()) == 0, profile);
  }
  return life;
}

Life LiveBelowStrace(const Setup& setup, const MakeTask& make, std::size_t rounds) {
  const test::TemporaryFolder folder;
  const std::string counts = folder.File("counts");
  Setup below = setup;
  // With -D strace is not the parent but beside: the daemon is the process that was started.
  below.wrapper = {kStrace, "-D", "-c", "-o", counts};
  Daemon daemon(below);
  Life life;
  life.requests = RunTask(daemon, make, rounds);
  static_cast<void>(daemon.End());
  std::string line;
  for (int tries = 0; line.find(" total") == std::string::npos; ++tries) {
    Require(tries < 1000, "strace did not count");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::ifstream file(counts);
    life.calls.clear();
    // "% time seconds usecs/call calls [errors] name", a line of dashes, and the sum in the end.
    while (std::getline(file, line)) {
      std::istringstream words(line);
      std::string ignored;
      double number = 0;
      std::string name;
      if (words >> ignored >> ignored >> ignored >> number) {
        for (std::string word; words >> word;) {
          name = word;
        }
        if (name == "total") {
          break;
        }
        life.calls[name] = number;
      }
    }
  }
  return life;
}

}  // namespace varstored::bench
