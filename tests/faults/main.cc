// fault-table --document docs/faults.md [--write]: lets everything go wrong that can, one thing at
// a time, and compares what comes of it with the document; --write makes the document.

#include <algorithm>
#include <fstream>
#include <future>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "faults/table.h"

namespace varstored::test {
namespace {

constexpr const char* kHead = R"(# What comes of a fault

Made by `tests/faults`: `fault-table --document docs/faults.md --write`. The test
`faults.are_as_documented` fails when this page says something else than what happens. Each row stands
for all places of an operation at which the fault can happen: the test tries every one of them. Where
several things are told or kept, it depends on the place.

- **told**: what the guest is told, or how the program ends.
- **kept**: what a start finds if the daemon is killed right then: the state from before the operation
  (old), or the one that it makes (new). For the database it is one of the two, whatever is told. A save
  file is written in place, so a disk that fails in the middle leaves it empty, and a daemon that says so.
- **next**: the next operation without a fault.
)";

std::string Joined(const std::set<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : " or ") + word;
  }
  return text;
}

void Write(std::ostream& out, const char* heading, const char* text, const Rows& rows) {
  out << "\n## " << heading << "\n\n"
      << text << "\n| operation | fault | told | kept | next |\n| --- | --- | --- | --- | --- |\n";
  for (const Row& row : rows) {
    out << "| " << row.operation << " | " << row.fault << " | " << Joined(row.outcome.told) << " | "
        << Joined(row.outcome.kept) << " | " << Joined(row.outcome.after) << " |\n";
  }
}

/// What only a hypervisor shows comes from a case of tests/xen, which compares its rows by itself.
constexpr std::string_view kHypervisorHeading = "\n## The hypervisor\n";
constexpr std::string_view kHypervisorText = R"(
Every system call on the hypervisor's devices and on xenstore fails once, with the real Xen below. The test
`xen.calls_on_the_hypervisor_may_fail` compares these rows with what happens. A vCPU that waits is
answered by the next daemon. Where the pages of a request cannot be mapped there is no place for an
answer: the guest finds its request as it was.

)";

constexpr std::string_view kTail = R"(
## Shown elsewhere

| fault | what comes of it | test |
| --- | --- | --- |
| the daemon is killed, at every system call | the old state or the new one | `SqliteKillTest.L28AKillAnywhereLeavesTheOldStateOrTheNewOne` |
| the power fails, and the disk forgets | the old state or the new one | `PowerCutTest.L28LeavesTheOldStateOrTheNewOneAtEveryCut` |
| the disk is full, for longer | DEVICE_ERROR until there is room | `SqliteFaultTest.AFullDiskIsAnErrorUntilThereIsRoom` |
| the storage fails, in every call of a VM's life | DEVICE_ERROR, and nothing has changed | `L14.ACallWhoseCommitFailsChangesNothingAndWorksOnceTheStorageDoes` |
| the toolstack fails, in each way at each call | [xapi-faults.md](xapi-faults.md) | `xapi.faults_are_as_documented` |
| pages that the guest does not have, as those of a request | no answer, a line in the log, and the next request is served | `ServiceTest.ACommandWithoutPagesHasNoAnswerAndIsSurvived`, `xen.hostile_port_use_is_survived` |
| a door that breaks while it serves | the state is saved, exit 1 | `RunTest.ADoorThatBreaksIsAnErrorButTheStateIsSaved` |
| xenstored is killed, or the clock of dom0 jumps | nothing: who serves needs neither | `xen.xenstored_and_clock_may_fail` |
| floods, and pages that change, from a guest | an honest call is answered in its usual time | `xen.hostile_floods_are_survived` |
| all of these come and go, for long | memory and descriptors stay as they are | `load.faults_that_come_and_go_leave_nothing_behind` |
)";

/// The rows of that section in `document`, as they are.
std::string HypervisorRows(const std::string& document) {
  const auto heading = document.find(kHypervisorHeading);
  const auto begin = document.find("\n| ", heading);
  const auto end = document.find(kTail.substr(0, kTail.find('\n', 1) + 1), heading);
  return heading == std::string::npos || begin >= end ? ""
                                                      : document.substr(begin + 1, end - begin - 1);
}

/// The document anew; `before` is what it was.
std::string Document(const std::string& before) {
  // Each is a thread, as far as there are processors: most of the time a traced process is awaited.
  auto calls = std::async(std::launch::async, CallFaults);
  auto signals = std::async(std::launch::async, SignalFaults);
  const Rows memory = MemoryFaults();
  std::ostringstream out;
  out << kHead;
  Write(out, "Memory",
        "Every allocation fails once: those of the program, of OpenSSL and SQLite. A "
        "write that\n"
        "is answered with SUCCESS all the same did not need that memory. OpenSSL takes a want of "
        "memory\n"
        "for a signature that it cannot verify at some places; the guest gets SECURITY_VIOLATION "
        "then.\n",
        memory);
  Write(out, "The disk",
        "Every system call on the database and on the save file fails once. A log that cannot be "
        "folded into\n"
        "the database is no failure: it grows, and is folded later\n"
        "(`SqliteFaultTest.ALogThatCouldNotBeFoldedForLongIsFoldedOnceItCan`).\n",
        calls.get());
  Write(out, "Signals",
        "At every system call. A start that a signal ends has changed nothing; a request that has "
        "begun is\n"
        "finished and answered; nothing keeps a save file from being finished.\n",
        signals.get());
  out << kHypervisorHeading << kHypervisorText << HypervisorRows(before) << kTail;
  return out.str();
}

std::string Content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The lines of `text` that `other` lacks.
void PrintDifference(const std::string& text, const std::string& other, char sign) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (other.find(line + "\n") == std::string::npos) {
      std::cerr << sign << line << '\n';
    }
  }
}

int Run(const std::vector<std::string_view>& arguments) {
  if (arguments.size() < 2 || arguments[0] != "--document") {
    std::cerr << "usage: fault-table --document FILE [--write]\n";
    return 2;
  }
  UseFailingAllocators();
  const std::string path(arguments[1]);
  const std::string expected = Content(path);
  const std::string now = Document(expected);
  if (arguments.size() == 3) {
    std::ofstream(path) << now;
    return 0;
  }
  if (now != expected) {
    std::cerr << path << " is out of date; --write makes it anew\n";
    PrintDifference(expected, now, '-');
    PrintDifference(now, expected, '+');
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace varstored::test

int main(int argc, char** argv) {
  try {
    return varstored::test::Run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "fault-table: " << error.what() << '\n';
    return 1;
  }
}
