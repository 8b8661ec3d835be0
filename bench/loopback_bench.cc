// Drives varstored-loopback as a guest would, and prints docs/performance.md's tables.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <fstream>
#include <functional>
#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "counter.h"
#include "support/loopback_client.h"
#include "support/process.h"
#include "support/signing.h"
#include "support/temporary_folder.h"
#include "varstored/backend/sqlite.h"
#include "varstored/base/file.h"
#include "varstored/store/store.h"
#include "varstored/store/vars_blob.h"

namespace varstored::bench {
namespace {

using base::Bytes;
using test::Guid;
using test::LoopbackClient;
using test::Process;
using Clock = std::chrono::steady_clock;

constexpr Guid kVendor = {1, 2, 3};
constexpr Guid kSha256 = {0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40,
                          0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28};
constexpr Guid kX509 = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                        0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
const char* const kValgrind = "/usr/bin/valgrind";

void Require(bool condition, const std::string& what) {
  if (!condition) {
    throw std::runtime_error(what);
  }
}

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::u16string NameOf(std::size_t number) {
  const std::string digits = std::to_string(number);
  return u"Var" + std::u16string(digits.begin(), digits.end());
}

/// `count` variables as another daemon may have left them: more than a guest of today can store.
std::vector<store::Entry> KeptVariables(std::size_t count) {
  std::vector<store::Entry> entries;
  for (std::size_t number = 0; number < count; ++number) {
    store::LegacyRecord record;
    record.name = base::ToString(test::NameBytes(NameOf(number)));
    record.vendor.bytes = kVendor;
    record.attributes = 7;
    record.data.assign(100, 0x5A);
    entries.push_back(store::MakeEntry(std::move(record)));
  }
  return entries;
}

void WriteBlob(const std::string& path, std::size_t variables) {
  const std::vector<store::Entry> entries = KeptVariables(variables);
  std::vector<const store::Entry*> pointers;
  pointers.reserve(entries.size());
  for (const store::Entry& entry : entries) {
    pointers.push_back(&entry);
  }
  Require(base::WriteFileInPlace(path, store::EncodeVarsBlob({}, pointers)).ok(), path);
}

class Silence final : public base::Log {
 public:
  void Put(base::LogLevel /*level*/, std::string_view /*name*/,
           std::string_view /*text*/) override {}
};

void WriteDatabase(const std::string& path, std::size_t variables) {
  Silence log;
  const auto backend = backend::SqliteBackend::Open(path, log);
  Require(backend.ok() && (*backend)->Load().ok(), path);
  const store::Store empty;
  store::StagedStore staged(empty);
  for (store::Entry& entry : KeptVariables(variables)) {
    staged.Put(std::move(entry));
  }
  Require((*backend)->Commit(staged).ok(), path);
}

enum class Storage { kMemory, kSqlite };

/// A daemon in a folder of its own.
class Daemon {
 public:
  /// `wrapper` comes in front of the program's path.
  Daemon(Storage storage, std::size_t variables, std::vector<std::string> wrapper = {}) {
    std::vector<std::string> arguments = std::move(wrapper);
    arguments.insert(arguments.end(), {test::LoopbackProgram(), "--listen", socket_});
    if (storage == Storage::kMemory) {
      arguments.insert(arguments.end(), {"--backend", "memory"});
      if (variables != 0) {
        WriteBlob(folder_.File("blob"), variables);
        arguments.insert(arguments.end(), {"--arg", "init:" + folder_.File("blob")});
      }
    } else {
      arguments.insert(arguments.end(),
                       {"--backend", "sqlite", "--arg", "path:" + folder_.File("vm.db")});
      if (variables != 0) {
        WriteDatabase(folder_.File("vm.db"), variables);
      }
    }
    const auto begin = Clock::now();
    process_ = std::make_unique<Process>(arguments);
    process_->WaitFor(socket_, [&] {
      try {
        guest_.emplace(socket_);
      } catch (const std::system_error&) {
        return false;
      }
      // Here, because the end of the watch over the folder takes the kernel longer than all else.
      seconds_to_ready_ = SecondsSince(begin);
      return true;
    });
  }

  [[nodiscard]] LoopbackClient& guest() { return *guest_; }
  [[nodiscard]] pid_t pid() const { return process_->pid(); }
  [[nodiscard]] double seconds_to_ready() const { return seconds_to_ready_; }
  /// What it wrote to standard error, after an orderly end.
  [[nodiscard]] std::string End() { return process_->Stop().errors; }

 private:
  test::TemporaryFolder folder_;
  std::string socket_ = folder_.File("socket");
  std::optional<LoopbackClient> guest_;
  std::unique_ptr<Process> process_;
  double seconds_to_ready_ = 0;
};

/// What a guest does again and again.
class Task {
 public:
  virtual ~Task() = default;
  /// Once, before all others.
  virtual void Prepare(LoopbackClient& /*guest*/) {}
  /// One round. Gives the number of requests that it took.
  [[nodiscard]] virtual std::size_t Round(LoopbackClient& guest) = 0;
};

class Query final : public Task {
 public:
  [[nodiscard]] std::size_t Round(LoopbackClient& guest) override {
    Require(guest.QueryVariableInfo(7).status == test::kEfiSuccess, "QueryVariableInfo");
    return 1;
  }
};

class Get final : public Task {
 public:
  [[nodiscard]] std::size_t Round(LoopbackClient& guest) override {
    // The oldest one: the last that any search from the front would find.
    Require(guest.GetVariable(NameOf(99), kVendor).status == test::kEfiSuccess, "GetVariable");
    return 1;
  }
};

class Walk final : public Task {
 public:
  [[nodiscard]] std::size_t Round(LoopbackClient& guest) override {
    return guest.Walk().size() + 1;
  }
};

class Set final : public Task {
 public:
  Set(std::uint32_t attributes, std::size_t data_bytes)
      : attributes_(attributes), data_bytes_(data_bytes) {}

  [[nodiscard]] std::size_t Round(LoopbackClient& guest) override {
    const Bytes data(data_bytes_, ++fill_);
    Require(guest.SetVariable(u"Changing", kVendor, attributes_, data) == test::kEfiSuccess,
            "SetVariable");
    return 1;
  }

 private:
  std::uint32_t attributes_;
  std::size_t data_bytes_;
  std::uint8_t fill_ = 0;
};

/// Appends of one hash to db, each signed by KEK with RSA-2048.
class SignedAppend final : public Task {
 public:
  SignedAppend()
      : pk_(test::Identity::Make({.key_type = test::KeyType::kRsa2048})),
        kek_(test::Identity::Make({.key_type = test::KeyType::kRsa2048})) {
    for (std::uint16_t number = 0; number < kAppends; ++number) {
      test::VariableWrite write = {
          .name = u"db", .guid = test::kSecurityDatabaseGuid, .attributes = 0x67};
      Bytes hash(32, 0);
      hash[0] = static_cast<std::uint8_t>(number);
      hash[1] = static_cast<std::uint8_t>(number >> 8U);
      write.payload = test::SignatureListOf(kSha256, kVendor, {hash});
      write.payload = test::AuthPayload(write, kek_);
      writes_.push_back(std::move(write));
    }
  }

  void Prepare(LoopbackClient& guest) override {
    Enroll(guest, u"KEK", kek_);
    Enroll(guest, u"PK", pk_);
    next_ = 0;
  }

  [[nodiscard]] std::size_t Round(LoopbackClient& guest) override {
    Require(guest.SetVariable(writes_.at(next_++)) == test::kEfiSuccess, "append to db");
    return 1;
  }

  static constexpr std::uint16_t kAppends = 600;

 private:
  void Enroll(LoopbackClient& guest, std::u16string name, const test::Identity& identity) const {
    test::VariableWrite write = {.name = std::move(name), .guid = test::kGlobalGuid};
    write.payload = test::SignatureListOf(kX509, kVendor, {identity.certificate()});
    write.payload = test::AuthPayload(write, pk_);
    Require(guest.SetVariable(write) == test::kEfiSuccess, "enroll");
  }

  test::Identity pk_;
  test::Identity kek_;
  std::vector<test::VariableWrite> writes_;
  std::size_t next_ = 0;
};

using MakeTask = std::function<std::unique_ptr<Task>()>;

struct Row {
  const char* what;
  Storage storage;
  std::size_t variables;
  std::size_t rounds;          // in each measurement of the time
  std::size_t counted_rounds;  // in that of the instructions, where callgrind makes it
  MakeTask make;
};

template <class T, class... Arguments>
MakeTask Make(Arguments... arguments) {
  return [arguments...] { return std::make_unique<T>(arguments...); };
}

std::vector<Row> Rows() {
  constexpr auto kMemory = Storage::kMemory;
  constexpr auto kSqlite = Storage::kSqlite;
  return {
      {"QueryVariableInfo", kMemory, 100, 2000, 100, Make<Query>()},
      {"GetVariable, 100 bytes", kMemory, 100, 2000, 100, Make<Get>()},
      {"GetVariable, 100 bytes", kMemory, 1000, 2000, 100, Make<Get>()},
      {"GetNextVariableName, full walk", kMemory, 100, 20, 2, Make<Walk>()},
      {"GetNextVariableName, full walk", kMemory, 1000, 2, 1, Make<Walk>()},
      {"SetVariable, volatile, 100 bytes", kMemory, 100, 2000, 100, Make<Set>(6U, 100U)},
      {"SetVariable, non-volatile, 100 bytes", kMemory, 100, 2000, 100, Make<Set>(7U, 100U)},
      {"SetVariable, non-volatile, 100 bytes", kSqlite, 100, 300, 100, Make<Set>(7U, 100U)},
      {"SetVariable, non-volatile, 30000 bytes", kMemory, 100, 500, 50, Make<Set>(7U, 30000U)},
      {"SetVariable, non-volatile, 30000 bytes", kSqlite, 100, 100, 50, Make<Set>(7U, 30000U)},
      {"append to db, RSA-2048", kMemory, 0, 100, 20, Make<SignedAppend>()},
      {"append to db, RSA-2048", kSqlite, 0, 100, 20, Make<SignedAppend>()},
  };
}

std::size_t RunRounds(Task& task, LoopbackClient& guest, std::size_t rounds) {
  std::size_t requests = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    requests += task.Round(guest);
  }
  return requests;
}

/// Processor time of another process, the kernel's part included.
double CpuSeconds(pid_t pid) {
  clockid_t clock = 0;
  timespec time = {};
  Require(::clock_getcpuclockid(pid, &clock) == 0 && ::clock_gettime(clock, &time) == 0,
          "cannot read the processor time of the daemon");
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

struct Speed {
  double requests_per_second = 0;
  double cpu_microseconds = 0;         // of the daemon, each request
  std::optional<double> instructions;  // likewise, in user mode; nothing without a counter
};

Speed MeasureSpeed(const Row& row) {
  constexpr int kMeasurements = 5;
  Daemon daemon(row.storage, row.variables);
  const auto task = row.make();
  task->Prepare(daemon.guest());
  RunRounds(*task, daemon.guest(), row.rounds / 5 + 1);

  const auto counter = InstructionCounter::Attach(daemon.pid());
  const std::uint64_t instructions_before = counter ? counter->Read() : 0;
  const double cpu_before = CpuSeconds(daemon.pid());
  std::size_t all_requests = 0;
  std::vector<double> rates;
  for (int i = 0; i < kMeasurements; ++i) {
    const auto begin = Clock::now();
    const std::size_t requests = RunRounds(*task, daemon.guest(), row.rounds);
    rates.push_back(static_cast<double>(requests) / SecondsSince(begin));
    all_requests += requests;
  }
  const auto all = static_cast<double>(all_requests);
  Speed speed;
  speed.requests_per_second = Median(rates);
  speed.cpu_microseconds = 1e6 * (CpuSeconds(daemon.pid()) - cpu_before) / all;
  if (counter) {
    speed.instructions = static_cast<double>(counter->Read() - instructions_before) / all;
  }
  return speed;
}

/// What callgrind counted in a daemon's whole life, and how many requests there were.
std::pair<double, double> CountWithCallgrind(const Row& row, std::size_t rounds) {
  Daemon daemon(row.storage, row.variables,
                {kValgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null"});
  const auto task = row.make();
  task->Prepare(daemon.guest());
  const std::size_t requests = RunRounds(*task, daemon.guest(), rounds);
  // "==PID== Collected : N"; the helper process that announces readiness says so too.
  const std::string mark = "==" + std::to_string(daemon.pid()) + "== Collected : ";
  const std::string errors = daemon.End();
  const std::size_t found = errors.find(mark);
  Require(found != std::string::npos, "callgrind did not count: " + errors);
  return {std::stod(errors.substr(found + mark.size())), static_cast<double>(requests)};
}

/// The difference of a long life and a short one, so that start and end do not count.
double InstructionsWithCallgrind(const Row& row) {
  const auto [few, few_requests] = CountWithCallgrind(row, row.counted_rounds);
  const auto [many, many_requests] = CountWithCallgrind(row, 3 * row.counted_rounds);
  return (many - few) / (many_requests - few_requests);
}

const char* NameOf(Storage storage) { return storage == Storage::kMemory ? "memory" : "sqlite"; }

void PrintSpeeds(bool has_callgrind) {
  std::cout << "| request | backend | variables | requests/s | CPU µs | instructions |\n"
               "| --- | --- | --: | --: | --: | --: |\n";
  for (const Row& row : Rows()) {
    Speed speed = MeasureSpeed(row);
    if (!speed.instructions && has_callgrind) {
      speed.instructions = InstructionsWithCallgrind(row);
    }
    std::cout << "| " << row.what << " | " << NameOf(row.storage) << " | " << row.variables << " | "
              << std::fixed << std::setprecision(0) << speed.requests_per_second << " | "
              << std::setprecision(1) << speed.cpu_microseconds << " | ";
    if (speed.instructions) {
      std::cout << std::setprecision(0) << *speed.instructions;
    } else {
      std::cout << "?";
    }
    std::cout << " |" << std::endl;
  }
}

std::size_t AnonymousKilobytes(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string word; file >> word;) {
    if (word == "Anonymous:") {
      std::size_t kilobytes = 0;
      file >> kilobytes;
      return kilobytes;
    }
  }
  throw std::runtime_error("cannot read the memory of the daemon");
}

void PrintStarts() {
  constexpr int kStarts = 15;
  std::cout
      << "| start with | ready after, ms | Anonymous, kB | after 100 writes of 57344 bytes |\n"
         "| --- | --: | --: | --: |\n";
  for (const auto& [storage, variables] : {std::pair{Storage::kMemory, std::size_t{0}},
                                           {Storage::kMemory, std::size_t{1000}},
                                           {Storage::kSqlite, std::size_t{0}},
                                           {Storage::kSqlite, std::size_t{1000}}}) {
    std::vector<double> milliseconds;
    std::vector<double> kilobytes;
    for (int i = 0; i < kStarts; ++i) {
      const Daemon daemon(storage, variables);
      milliseconds.push_back(1000 * daemon.seconds_to_ready());
      kilobytes.push_back(static_cast<double>(AnonymousKilobytes(daemon.pid())));
    }
    std::cout << "| " << NameOf(storage) << ", " << variables << " variables | " << std::fixed
              << std::setprecision(1) << Median(milliseconds) << " | " << std::setprecision(0)
              << Median(kilobytes) << " | ";
    if (variables == 0) {
      Daemon daemon(storage, variables);
      Set large(7, 57344);
      RunRounds(large, daemon.guest(), 100);
      std::cout << AnonymousKilobytes(daemon.pid());
    } else {
      std::cout << "-";  // more than a guest may store, so nothing can be added
    }
    std::cout << " |" << std::endl;
  }
}

/// The first line of `file` that begins with `key`, behind the colon.
std::string ValueOf(const std::string& file, const std::string& key) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (line.rfind(key, 0) == 0) {
      return line.substr(line.find(':') + 2);
    }
  }
  return "?";
}

void PrintMachine(bool has_callgrind) {
  const bool has_counter = InstructionCounter::Attach(::getpid()).has_value();
  std::cout << "Machine: " << ValueOf("/proc/cpuinfo", "model name") << ", "
            << std::thread::hardware_concurrency() << " processors. Instructions: "
            << (has_counter     ? "the processor's counter"
                : has_callgrind ? "callgrind, because the processor's counter cannot be used"
                                : "not counted: no counter of the processor, no valgrind")
            << ".\n\n";
}

}  // namespace
}  // namespace varstored::bench

int main() {
  try {
    const bool has_callgrind = ::access(varstored::bench::kValgrind, X_OK) == 0;
    varstored::bench::PrintMachine(has_callgrind);
    varstored::bench::PrintSpeeds(has_callgrind);
    std::cout << "\n";
    varstored::bench::PrintStarts();
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << "bench: " << failure.what() << "\n";
    return 1;
  }
}
