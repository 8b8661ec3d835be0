// The host's disk: each system call on the database and on the save file fails once, in each of the
// ways that a disk has. And signals, at each system call of a daemon's life.

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "faults/database.h"
#include "faults/table.h"
#include "faults/traced_process.h"
#include "support/loopback_client.h"
#include "support/temporary_folder.h"
#include "varstored/base/file.h"

namespace varstored::test {
namespace {

const Guid kVendor = {1, 2, 3};
constexpr char16_t kName[] = u"Changing";

struct Fault {
  int error;
  const char* name;
};
constexpr std::array<Fault, 5> kFaults = {
    {{EIO, "EIO"}, {ENOSPC, "ENOSPC"}, {EDQUOT, "EDQUOT"}, {EROFS, "EROFS"}, {EINTR, "EINTR"}}};

/// What the door of the tests, the log and the memory of the process ask for.
bool IsOfTheDisk(const TracedProcess::Call& call) {
  constexpr std::array kOthers = {
      SYS_accept4,   SYS_brk,      SYS_connect,       SYS_exit_group,     SYS_futex,  SYS_getpid,
      SYS_getrandom, SYS_madvise,  SYS_mmap,          SYS_mprotect,       SYS_mremap, SYS_munmap,
      SYS_poll,      SYS_recvfrom, SYS_rt_sigaction,  SYS_rt_sigprocmask, SYS_sendto, SYS_shutdown,
      SYS_socket,    SYS_wait4,    SYS_clock_gettime, SYS_gettimeofday};
  const bool is_log = call.number == SYS_write && call.descriptor == STDERR_FILENO;
  return !is_log && std::ranges::find(kOthers, call.number) == kOthers.end();
}

/// A daemon that is run call by call, and its guest.
class Daemon {
 public:
  Daemon(const std::string& folder, std::vector<std::string> arguments)
      : socket_(folder + "/socket"), process_(WithProgram(socket_, std::move(arguments))) {}

  [[nodiscard]] TracedProcess& process() { return process_; }

  /// Runs until it serves. False when it ends instead.
  [[nodiscard]] bool RunUntilItServes() {
    while (const auto call = process_.Next()) {
      if (call->WaitsForRequests()) {
        guest_.emplace(socket_);
        return true;
      }
    }
    return false;
  }
  void RunToTheEnd() {
    while (process_.Next()) {
    }
  }

  /// A request, with `at_call` called before each system call. Gives the status, or nothing when
  /// the process has ended without an answer.
  template <class AtCall>
  [[nodiscard]] std::optional<std::uint64_t> Request(const Bytes& request, const AtCall& at_call) {
    Bytes message(16 + kPagesBytes);
    std::ranges::copy(request, message.begin() + 16);
    guest_->SendRaw(message);
    bool is_sent = false;
    while (const auto call = process_.Next()) {
      if (call->WaitsForRequests() && is_sent) {
        break;
      }
      is_sent = is_sent || (call->number == SYS_sendto && call->descriptor > STDERR_FILENO);
      at_call(*call);
    }
    return Answer();
  }
  [[nodiscard]] std::optional<std::uint64_t> Request(const Bytes& request) {
    return Request(request, [](const TracedProcess::Call& /*call*/) {});
  }

 private:
  static std::vector<std::string> WithProgram(const std::string& socket,
                                              std::vector<std::string> arguments) {
    std::filesystem::remove(socket);
    arguments.insert(arguments.begin(), {LoopbackProgram(), "--listen", socket});
    return arguments;
  }
  [[nodiscard]] std::optional<std::uint64_t> Answer() {
    const auto reply = guest_->ReceiveRaw(4 + kPagesBytes);
    if (!reply) {
      return std::nullopt;
    }
    std::uint64_t status = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      status |= std::uint64_t{reply->at(4 + i)} << (8 * i);
    }
    return status;
  }

  std::string socket_;
  TracedProcess process_;
  std::optional<LoopbackClient> guest_;
};

Bytes Write(const Bytes& data) {
  return SetVariableRequest(NameBytes(kName), kVendor, 7, data, false);
}

/// The data of the variable, as a killed daemon leaves it; empty when there is none.
Bytes KeptData(const std::string& path) {
  const auto kept = Kept(path).value_or(std::vector<store::Entry>());
  const std::string name = base::ToString(NameBytes(kName));
  const auto found = std::ranges::find_if(
      kept, [&name](const store::Entry& entry) { return entry.name() == name; });
  return found == kept.end() ? Bytes() : found->data();
}

/// Outcomes by system call and error.
class Outcomes {
 public:
  Outcome& of(const std::string& call, const char* error) { return by_[{call, error}]; }

  /// One row for each system call and outcome.
  void AddTo(Rows& rows, const std::string& operation) const {
    std::map<std::string, std::vector<std::pair<Outcome, std::vector<std::string>>>> by_call;
    for (const auto& [key, outcome] : by_) {
      auto& groups = by_call[key.first];
      auto same =
          std::ranges::find(groups, outcome, &std::pair<Outcome, std::vector<std::string>>::first);
      if (same == groups.end()) {
        same = groups.insert(groups.end(), {outcome, {}});
      }
      same->second.push_back(key.second);
    }
    for (const auto& [call, groups] : by_call) {
      for (const auto& [outcome, errors] : groups) {
        std::string fault = "`" + call + "`: ";
        // In the order of the table.
        for (const Fault& known : kFaults) {
          if (std::ranges::find(errors, known.name) != errors.end()) {
            fault += (fault.ends_with(": ") ? "" : ", ") + std::string(known.name);
          }
        }
        rows.push_back({operation, fault, outcome});
      }
    }
  }

 private:
  std::map<std::pair<std::string, std::string>, Outcome> by_;
};

/// The test's folder, and the options of a daemon with a database in it.
class Place {
 public:
  [[nodiscard]] const std::string& folder() const { return folder_.path(); }
  [[nodiscard]] std::string database() const { return folder_.File("vm.db"); }
  [[nodiscard]] std::string save_file() const { return folder_.File("save"); }
  [[nodiscard]] std::vector<std::string> Sqlite() const {
    return {"--backend", "sqlite", "--arg", "path:" + database()};
  }
  [[nodiscard]] std::vector<std::string> SqliteAndSave() const {
    auto arguments = Sqlite();
    arguments.insert(arguments.end(), {"--arg", "save:" + save_file()});
    return arguments;
  }
  [[nodiscard]] std::vector<std::string> MemoryAndSave() const {
    return {"--backend", "memory", "--arg", "save:" + save_file()};
  }

  /// A database in which the variable has been written a few times; its daemon was killed, so that
  /// there is a log.
  [[nodiscard]] DatabaseFiles MakeDatabase() const {
    Daemon daemon(folder(), Sqlite());
    if (!daemon.RunUntilItServes()) {
      throw std::runtime_error("the daemon of the test does not start");
    }
    for (std::uint8_t fill = 0; fill < 3; ++fill) {
      if (daemon.Request(Write(Bytes(100, fill))) != kEfiSuccess) {
        throw std::runtime_error("the database of the test cannot be made");
      }
    }
    return DatabaseFiles(database());
  }

 private:
  TemporaryFolder folder_{FastParent()};
};

/// A daemon on a new database that has served `warm_up` writes, so that its log is so long.
class WarmDaemon {
 public:
  WarmDaemon(const Place& place, std::size_t data_bytes, std::size_t warm_up)
      : daemon_(Fresh(place), place.Sqlite()), data_(data_bytes, 0) {
    bool works = daemon_.RunUntilItServes();
    for (std::size_t i = 0; i < warm_up; ++i) {
      data_.assign(data_bytes, static_cast<std::uint8_t>(i));
      works = works && daemon_.Request(Write(data_)) == kEfiSuccess;
    }
    if (!works) {
      throw std::runtime_error("the daemon of the test does not start");
    }
  }
  [[nodiscard]] Daemon& daemon() { return daemon_; }
  /// What was written last.
  [[nodiscard]] const Bytes& data() const { return data_; }

 private:
  static const std::string& Fresh(const Place& place) {
    DatabaseFiles().Put(place.database());
    return place.folder();
  }

  Daemon daemon_;
  Bytes data_;
};

/// How many writes come before one that folds the log into the database, which takes more than one
/// sync.
std::size_t WritesBeforeAFold(const Place& place, std::size_t data_bytes) {
  for (std::size_t warm_up = 1;; ++warm_up) {
    WarmDaemon warm(place, data_bytes, warm_up);
    std::size_t syncs = 0;
    const auto status = warm.daemon().Request(Write(Bytes(data_bytes, 0xEE)),
                                              [&syncs](const TracedProcess::Call& call) {
                                                syncs += call.number == SYS_fdatasync ? 1U : 0U;
                                              });
    if (status != kEfiSuccess) {
      throw std::runtime_error("a write of the test fails");
    }
    if (syncs > 1) {
      return warm_up;
    }
  }
}

/// A write behind `warm_up` others, of which each system call fails in its turn.
void FailWrites(const Place& place, std::size_t data_bytes, std::size_t warm_up,
                const std::string& what, Rows& rows) {
  Outcomes outcomes;
  const Bytes next(data_bytes, 0xEE);
  for (const Fault& fault : kFaults) {
    for (std::size_t number = 0;; ++number) {
      WarmDaemon warm(place, data_bytes, warm_up);
      std::string failed;
      std::size_t count = 0;
      const auto status = warm.daemon().Request(Write(next), [&](const TracedProcess::Call& call) {
        if (IsOfTheDisk(call) && count++ == number) {
          failed = CallName(call.number);
          warm.daemon().process().FailCall(fault.error);
        }
      });
      if (failed.empty()) {
        break;
      }
      Outcome& outcome = outcomes.of(failed, fault.name);
      outcome.told.insert(status ? StatusWordOf(*status) : "no answer");
      const Bytes kept = KeptData(place.database());
      outcome.kept.insert(kept == warm.data() ? "old" : kept == next ? "new" : "neither");
      const Bytes last(data_bytes, 0xDD);
      const bool works =
          warm.daemon().Request(Write(last)) == kEfiSuccess && KeptData(place.database()) == last;
      outcome.after.insert(works ? "works" : "fails");
    }
  }
  outcomes.AddTo(rows, what);
}

/// What a start that was disturbed has left behind. Files that it has not touched are known to
/// work.
void LookAtStart(const DatabaseFiles& files, const Bytes& old, const Place& place,
                 Outcome& outcome) {
  if (DatabaseFiles(place.database()) == files) {
    outcome.kept.insert("old");
    outcome.after.insert("works");
    return;
  }
  outcome.kept.insert(KeptData(place.database()) == old ? "old" : "other");
  Daemon next(place.folder(), place.Sqlite());
  const bool works = next.RunUntilItServes() && next.Request(Write(Bytes(10, 9))) == kEfiSuccess;
  outcome.after.insert(works ? "works" : "fails");
}

/// Starts, each with another system call failing, from the first that has to do with the database.
void FailStarts(const DatabaseFiles& files, const std::string& what, const Place& place,
                Rows& rows) {
  files.Put(place.database());
  const Bytes old = KeptData(place.database());
  Outcomes outcomes;
  for (const Fault& fault : kFaults) {
    bool reached = true;
    for (std::size_t number = 0; reached; ++number) {
      files.Put(place.database());
      std::string failed;
      std::string told = "served";
      {
        Daemon daemon(place.folder(), place.Sqlite());
        bool is_database = false;
        std::size_t count = 0;
        for (;;) {
          const auto call = daemon.process().Next();
          if (!call) {
            told = "not ready, exit " + std::to_string(daemon.process().exit_code());
            break;
          }
          if (call->WaitsForRequests()) {
            break;
          }
          is_database = is_database || call->path.find("vm.db") != std::string::npos;
          if (is_database && IsOfTheDisk(*call) && count++ == number) {
            failed = CallName(call->number);
            daemon.process().FailCall(fault.error);
          }
        }
      }
      reached = !failed.empty();
      if (!reached) {
        break;
      }
      Outcome& outcome = outcomes.of(failed, fault.name);
      outcome.told.insert(told);
      LookAtStart(files, old, place, outcome);
    }
  }
  outcomes.AddTo(rows, what);
}

const Bytes kOldSave = {'o', 'l', 'd'};

void PutOldSave(const Place& place) {
  if (!base::WriteFileInPlace(place.save_file(), kOldSave)) {
    throw std::runtime_error("cannot write " + place.save_file());
  }
}

/// Whether the save file is the old one, one that can be resumed from, or neither.
std::string Saved(const Place& place) {
  const auto content = base::ReadFile(place.save_file(), 1 << 20);
  if (!content || *content == kOldSave) {
    return content ? "old" : "none";
  }
  Daemon daemon(place.folder(),
                {"--backend", "memory", "--resume", "--arg", "resume:" + place.save_file()});
  if (!daemon.RunUntilItServes()) {
    return content->empty() ? "empty" : "not whole";
  }
  const auto found = daemon.Request(GetVariableRequest(NameBytes(kName), kVendor, 1000, false));
  return found == kEfiSuccess ? "new" : "without the variable";
}

/// Ends, each with another system call on the save file failing.
void FailSaves(Rows& rows) {
  const Place place;
  Outcomes outcomes;
  for (const Fault& fault : kFaults) {
    bool reached = true;
    for (std::size_t number = 0; reached; ++number) {
      PutOldSave(place);
      Daemon daemon(place.folder(), place.MemoryAndSave());
      if (!daemon.RunUntilItServes() || daemon.Request(Write(Bytes(10, 1))) != kEfiSuccess) {
        throw std::runtime_error("the daemon of the test does not start");
      }
      daemon.process().Signal(SIGTERM);
      bool is_saving = false;
      std::string failed;
      std::size_t count = 0;
      while (const auto call = daemon.process().Next()) {
        is_saving = is_saving || call->number == SYS_ftruncate;
        if (is_saving && IsOfTheDisk(*call) && count++ == number) {
          failed = CallName(call->number);
          daemon.process().FailCall(fault.error);
        }
      }
      reached = !failed.empty();
      if (reached) {
        Outcome& outcome = outcomes.of(failed, fault.name);
        outcome.told.insert("exit " + std::to_string(daemon.process().exit_code()));
        outcome.kept.insert(Saved(place));
        outcome.after.insert("-");
      }
    }
  }
  outcomes.AddTo(rows, "the end: the save file is written");
}

/// SIGTERM at each system call of a start.
Outcome SignalStarts(int number_of_signal) {
  const Place place;
  const DatabaseFiles files = place.MakeDatabase();
  const Bytes old = KeptData(place.database());
  Outcome outcome;
  bool is_served = false;
  for (std::size_t number = 0; !is_served; ++number) {
    files.Put(place.database());
    PutOldSave(place);
    {
      Daemon daemon(place.folder(), place.SqliteAndSave());
      for (std::size_t count = 0; count < number && !is_served; ++count) {
        const auto call = daemon.process().Next();
        is_served = !call || call->WaitsForRequests();
      }
      daemon.process().Signal(number_of_signal);
      daemon.RunToTheEnd();
      if (is_served) {
        break;
      }
      const int code = daemon.process().exit_code();
      // Before main it is the signal that ends the process.
      outcome.told.insert("exit " + std::to_string(code == 128 + number_of_signal ? 0 : code));
    }
    LookAtStart(files, old, place, outcome);
    // Once the signal is read from a descriptor, the start is finished first.
    const std::string saved = Saved(place);
    outcome.kept.insert(saved == "new" ? "old, and saved" : saved);
  }
  return outcome;
}

/// SIGTERM at each system call of a write.
Outcome SignalWrites() {
  const Place place;
  Outcome outcome;
  bool reached = true;
  for (std::size_t number = 0; reached; ++number) {
    PutOldSave(place);
    std::filesystem::remove(place.database());
    std::filesystem::remove(place.database() + "-wal");
    Daemon daemon(place.folder(), place.SqliteAndSave());
    if (!daemon.RunUntilItServes()) {
      throw std::runtime_error("the daemon of the test does not start");
    }
    reached = false;
    std::size_t count = 0;
    const Bytes data(100, 1);
    const auto status = daemon.Request(Write(data), [&](const TracedProcess::Call& call) {
      // Before the request has been read there is nothing to finish.
      const bool is_begun = count != 0 || IsOfTheDisk(call);
      if (is_begun && count++ == number) {
        reached = true;
        daemon.process().Signal(SIGTERM);
      }
    });
    if (!reached) {
      break;
    }
    daemon.RunToTheEnd();
    outcome.told.insert((status ? StatusWordOf(*status) : "no answer") + ", exit " +
                        std::to_string(daemon.process().exit_code()));
    outcome.kept.insert(KeptData(place.database()) == data ? "new" : "old");
    outcome.kept.insert(Saved(place));
    outcome.after.insert("works");
  }
  return outcome;
}

/// A second SIGTERM at each system call behind the first.
Outcome SignalEnds() {
  const Place place;
  Outcome outcome;
  bool reached = true;
  for (std::size_t number = 0; reached; ++number) {
    PutOldSave(place);
    Daemon daemon(place.folder(), place.MemoryAndSave());
    if (!daemon.RunUntilItServes() || daemon.Request(Write(Bytes(10, 1))) != kEfiSuccess) {
      throw std::runtime_error("the daemon of the test does not start");
    }
    daemon.process().Signal(SIGTERM);
    std::size_t count = 0;
    reached = false;
    while (daemon.process().Next()) {
      if (count++ == number) {
        reached = true;
        daemon.process().Signal(SIGTERM);
      }
    }
    outcome.told.insert("exit " + std::to_string(daemon.process().exit_code()));
    outcome.kept.insert(Saved(place));
    outcome.after.insert("-");
  }
  return outcome;
}

}  // namespace

Rows CallFaults() {
  Rows rows;
  {
    const Place place;
    FailWrites(place, 100, 3, "SetVariable: 100 bytes", rows);
    FailWrites(place, 57344, WritesBeforeAFold(place, 57344),
               "SetVariable: 57344 bytes, and the log is folded into the database", rows);
  }
  {
    const Place place;
    FailStarts({}, "the start: a first boot makes the database", place, rows);
  }
  {
    const Place place;
    const DatabaseFiles files = place.MakeDatabase();
    FailStarts(files, "the start: after a daemon that was killed", place, rows);
  }
  FailSaves(rows);
  return rows;
}

Rows SignalFaults() {
  return {{"the start", "SIGTERM", SignalStarts(SIGTERM)},
          {"SetVariable", "SIGTERM", SignalWrites()},
          {"the end: the save file is written", "another SIGTERM", SignalEnds()}};
}

}  // namespace varstored::test
