#include "stop_signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "varstored/base/file.h"

namespace varstored::daemon {
namespace {

constexpr std::array kStopSignals = {SIGTERM, SIGINT, SIGHUP};

sigset_t StopSet() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : kStopSignals) {
    ::sigaddset(&set, number);
  }
  return set;
}

void ExitAtOnce(int /*number*/) { ::_exit(0); }

}  // namespace

StopSignals::StopSignals() {
  // These calls fail only for signals that do not exist.
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  for (const int number : kStopSignals) {
    static_cast<void>(std::signal(number, ExitAtOnce));
  }
  // Whoever started the process may have blocked them.
  const sigset_t set = StopSet();
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

base::Result<void> StopSignals::OpenDescriptor() {
  const sigset_t set = StopSet();
  fd_.Reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_.valid()) {
    return base::Fail("cannot read signals from a descriptor: " + base::ErrnoText());
  }
  return {};
}

base::Result<void> StopSignals::ReadFromDescriptor() {
  const sigset_t set = StopSet();
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) {
    return base::Fail("cannot block signals: " + base::ErrnoText());
  }
  return {};
}

}  // namespace varstored::daemon
