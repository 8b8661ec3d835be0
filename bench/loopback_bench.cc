// loopback_bench [--quick] [--times-only] [--static PROGRAM] [--profiles FOLDER]
//
// Drives varstored-loopback as a guest would and prints what it measures, a line for each: see
// bench/page.py, which makes docs/performance.md of it. PROGRAM is the same daemon from the static
// build, to be compared. Profiles of callgrind's are left in FOLDER. With --times-only neither
// instructions nor system calls are counted.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "daemon.h"
#include "null_server.h"
#include "observe.h"
#include "results.h"
#include "tasks.h"

namespace varstored::bench {
namespace {

using Clock = std::chrono::steady_clock;

double MillisecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

struct Build {
  std::string name;
  std::string program;
};

struct Plan {
  bool is_quick = false;
  bool has_callgrind = HasCallgrind();
  bool has_strace = HasStrace();
  std::vector<Build> builds;
  std::string profiles;

  /// As many as wanted, or few in a quick run.
  [[nodiscard]] int Rounds(int wanted) const { return is_quick ? 2 : wanted; }
  [[nodiscard]] std::size_t Count(std::size_t wanted) const {
    return is_quick ? std::min<std::size_t>(wanted, 10) : wanted;
  }
  /// A quick run looks at the ends only.
  [[nodiscard]] std::vector<std::size_t> Steps(std::vector<std::size_t> all) const {
    return is_quick ? std::vector<std::size_t>{all.front(), all.back()} : all;
  }
};

/// A daemon, or what stands in its place, and what its guest does.
class Runner {
 public:
  Runner(const Setup& setup, const MakeTask& make) : daemon_(setup), task_(make()) {
    task_->Prepare(daemon_.guest());
    static_cast<void>(Run(2));
  }

  struct Slice {
    double requests = 0;
    double microseconds = 0;
    double cpu_microseconds = 0;  // the daemon's
  };
  [[nodiscard]] Slice Run(std::size_t rounds) {
    Slice slice;
    const double cpu = CpuMicroseconds(daemon_.pid());
    const auto begin = Clock::now();
    for (std::size_t round = 0; round < rounds; ++round) {
      slice.requests += static_cast<double>(task_->Round(daemon_.guest()));
    }
    slice.microseconds = 1000 * MillisecondsSince(begin);
    slice.cpu_microseconds = CpuMicroseconds(daemon_.pid()) - cpu;
    return slice;
  }

 private:
  Daemon daemon_;
  std::unique_ptr<Task> task_;
};

/// The same for the null server, which is this program.
class NullRunner {
 public:
  /// Requests each second.
  [[nodiscard]] double Run(std::size_t rounds) {
    const auto begin = Clock::now();
    for (std::size_t round = 0; round < rounds; ++round) {
      static_cast<void>(task_->Round(guest_));
    }
    return 1000 * static_cast<double>(rounds) / MillisecondsSince(begin);
  }

 private:
  test::TemporaryFolder folder_;
  std::string socket_ = folder_.File("socket");
  test::Process server_{{"/proc/self/exe", "--null-server", socket_}};
  test::LoopbackClient guest_ = Connect(socket_, server_);
  std::unique_ptr<Task> task_ = Query()();
};

struct Row {
  const char* what;
  Storage storage;
  std::size_t variables;
  std::size_t slice;    // rounds in each measurement
  std::size_t counted;  // rounds in a short life, of which a long one has three times as many
  MakeTask make;
};

std::vector<Row> Rows() {
  constexpr auto kMemory = Storage::kMemory;
  constexpr auto kSqlite = Storage::kSqlite;
  return {
      {"QueryVariableInfo", kMemory, 100, 600, 100, Query()},
      {"GetVariable, 100 bytes", kMemory, 100, 600, 100, Get(99)},
      {"GetNextVariableName", kMemory, 100, 6, 2, Walk()},
      {"SetVariable, volatile, 100 bytes", kMemory, 100, 600, 100, Set(6, 100)},
      {"SetVariable, 100 bytes", kMemory, 100, 600, 100, Set(7, 100)},
      {"SetVariable, 100 bytes", kSqlite, 100, 20, 100, Set(7, 100)},
      {"SetVariable, 30000 bytes", kMemory, 100, 300, 50, Set(7, 30000)},
      {"SetVariable, 30000 bytes", kSqlite, 100, 20, 50, Set(7, 30000)},
      {"append to db, RSA-2048", kMemory, 0, 20, 20, SignedAppend()},
      {"append to db, RSA-2048", kSqlite, 0, 20, 20, SignedAppend()},
  };
}

/// Instructions and system calls of one request: the difference of a long life and a short one, so
/// that start and end do not count.
void CountRequest(const Plan& plan, const Subject& subject, const Setup& setup,
                  const MakeTask& make, std::size_t rounds) {
  const auto profile = [&](std::size_t requests) {
    return plan.profiles.empty() ? std::string()
                                 : plan.profiles + "/" + subject.build + "," + subject.what + "," +
                                       subject.backend + "," + std::to_string(requests);
  };
  if (plan.has_callgrind) {
    const Life few = LiveBelowCallgrind(setup, make, rounds, profile(rounds));
    const Life many = LiveBelowCallgrind(setup, make, 3 * rounds, profile(3 * rounds));
    Record(subject, "instructions",
           {(many.instructions - few.instructions) / (many.requests - few.requests)});
  }
  if (plan.has_strace) {
    const Life few = LiveBelowStrace(setup, make, rounds);
    Life many = LiveBelowStrace(setup, make, 3 * rounds);
    for (const auto& [name, count] : few.calls) {
      many.calls[name] -= count;
    }
    for (const auto& [name, count] : many.calls) {
      // What happens now and then is not of the request.
      const double each = count / (many.requests - few.requests);
      if (each > 0.04) {
        Record(subject, "call " + name, {each});
      }
    }
  }
}

void MeasureRequests(const Plan& plan) {
  NullRunner null;
  std::vector<double> null_rates;
  for (const Build& build : plan.builds) {
    Say("requests, " + build.name);
    const std::vector<Row> rows = Rows();
    std::vector<std::unique_ptr<Runner>> runners;
    for (const Row& row : rows) {
      runners.push_back(std::make_unique<Runner>(
          Setup{.program = build.program, .storage = row.storage, .variables = row.variables},
          row.make));
    }
    std::vector<std::vector<double>> rates(rows.size());
    std::vector<std::vector<double>> ratios(rows.size());
    std::vector<std::vector<double>> times(rows.size());
    // All take turns, so that what else the machine does meets all of them.
    for (int round = 0; round < plan.Rounds(11); ++round) {
      double before = null.Run(plan.Count(400));
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto slice = runners[i]->Run(plan.Count(rows[i].slice));
        const double after = null.Run(plan.Count(400));
        rates[i].push_back(1e6 * slice.requests / slice.microseconds);
        ratios[i].push_back(rates[i].back() / ((before + after) / 2));
        times[i].push_back(slice.cpu_microseconds / slice.requests);
        null_rates.push_back(after);
        before = after;
      }
    }
    runners.clear();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Row& row = rows[i];
      const Subject subject = {"requests", build.name, row.what, NameOf(row.storage),
                               row.variables};
      Record(subject, "requests/s", rates[i]);
      Record(subject, "of null", ratios[i]);
      Record(subject, "cpu us", times[i]);
      CountRequest(plan, subject,
                   {.program = build.program, .storage = row.storage, .variables = row.variables},
                   row.make, plan.Count(row.counted));
    }
  }
  // Enough of them for a median, and no more than of the others.
  null_rates.resize(std::min<std::size_t>(null_rates.size(), 21));
  Record({"requests", "dynamic", "none", "null", 0}, "requests/s", null_rates);
}

struct Growing {
  Subject subject;
  Setup setup;
  MakeTask make;
  std::size_t slice;
};

/// All take turns.
void MeasureGrowth(const Plan& plan, const std::vector<Growing>& all) {
  std::vector<std::vector<double>> times(all.size());
  std::vector<std::vector<double>> cpu_times(all.size());
  std::vector<std::unique_ptr<Runner>> runners;
  for (const Growing& one : all) {
    runners.push_back(std::make_unique<Runner>(one.setup, one.make));
  }
  for (int round = 0; round < plan.Rounds(7); ++round) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto slice = runners[i]->Run(plan.Count(all[i].slice));
      times[i].push_back(slice.microseconds / slice.requests);
      cpu_times[i].push_back(slice.cpu_microseconds / slice.requests);
    }
  }
  runners.clear();
  for (std::size_t i = 0; i < all.size(); ++i) {
    Record(all[i].subject, "us", times[i]);
    Record(all[i].subject, "cpu us", cpu_times[i]);
    if (plan.has_callgrind) {
      const std::size_t rounds = all[i].slice >= 20 ? 20 : 2;
      const Life few = LiveBelowCallgrind(all[i].setup, all[i].make, rounds);
      const Life many = LiveBelowCallgrind(all[i].setup, all[i].make, 2 * rounds);
      Record(all[i].subject, "instructions",
             {(many.instructions - few.instructions) / (many.requests - few.requests)});
    }
  }
}

void MeasureGrowthWithNumber(const Plan& plan) {
  const std::string& program = plan.builds.back().program;
  const std::string& build = plan.builds.back().name;
  Say("growth with the number of variables");
  std::vector<Growing> all;
  for (const std::size_t number : plan.Steps({10, 100, 300, 1000})) {
    const Setup memory = {.program = program, .variables = number, .variable_bytes = 10};
    Setup sqlite = memory;
    sqlite.storage = Storage::kSqlite;
    const auto subject = [&](const char* what, Storage storage) {
      return Subject{"growth-number", build, what, NameOf(storage), number};
    };
    // Of 1000, which are more than fit, one may be changed and none added.
    const MakeTask overwrite = Set(7, 10, NameOfVariable(0));
    const std::size_t walks = 2000 / number + 1;
    all.push_back({subject("GetVariable", Storage::kMemory), memory, Get(number - 1), 200});
    all.push_back({subject("GetNextVariableName", Storage::kMemory), memory, Walk(), walks});
    all.push_back({subject("SetVariable", Storage::kMemory), memory, overwrite, 200});
    all.push_back({subject("SetVariable", Storage::kSqlite), sqlite, overwrite, 20});
  }
  MeasureGrowth(plan, all);
}

void MeasureGrowthWithSize(const Plan& plan) {
  const std::string& program = plan.builds.back().program;
  const std::string& build = plan.builds.back().name;
  Say("growth with the size of a variable");
  std::vector<Growing> all;
  for (const std::size_t size : plan.Steps({10, 1000, 10000, 30000, 57344})) {
    const Setup memory = {.program = program};
    const Setup sqlite = {.program = program, .storage = Storage::kSqlite};
    const auto subject = [&](const char* what, Storage storage) {
      return Subject{"growth-size", build, what, NameOf(storage), size};
    };
    all.push_back({subject("GetVariable", Storage::kMemory), memory, GetOfSize(size), 100});
    all.push_back({subject("SetVariable", Storage::kMemory), memory, Set(7, size), 100});
    all.push_back({subject("SetVariable", Storage::kSqlite), sqlite, Set(7, size), 20});
  }
  MeasureGrowth(plan, all);
}

/// Start, save and resume with more and more variables.
void MeasureLongStarts(const Plan& plan) {
  Say("start, save and resume with variables");
  const std::string& program = plan.builds.back().program;
  const std::string& build = plan.builds.back().name;
  const test::TemporaryFolder folder(test::FastParent());
  const auto steps = plan.Steps({10, 100, 300, 1000});
  std::vector<std::vector<double>> memory(steps.size());
  std::vector<std::vector<double>> sqlite(steps.size());
  std::vector<std::vector<double>> saves(steps.size());
  std::vector<std::vector<double>> resumes(steps.size());
  for (int round = 0; round < plan.Rounds(9); ++round) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      Setup setup = {.program = program, .variables = steps[i], .variable_bytes = 10};
      setup.storage = Storage::kSqlite;
      sqlite[i].push_back(Daemon(setup).milliseconds_to_ready());
      setup.storage = Storage::kMemory;
      setup.save_path = folder.File("state");
      Daemon daemon(setup);
      memory[i].push_back(daemon.milliseconds_to_ready());
      const auto begin = Clock::now();
      Require(daemon.End().exit_code == 0, "save");
      saves[i].push_back(MillisecondsSince(begin));
      resumes[i].push_back(
          Daemon({.program = program, .resume_path = setup.save_path}).milliseconds_to_ready());
    }
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    Record({"growth-start", build, "start", "memory", steps[i]}, "ms", memory[i]);
    Record({"growth-start", build, "start", "sqlite", steps[i]}, "ms", sqlite[i]);
    Record({"growth-start", build, "end with save", "memory", steps[i]}, "ms", saves[i]);
    Record({"growth-start", build, "resume", "memory", steps[i]}, "ms", resumes[i]);
  }
}

void MeasureStarts(const Plan& plan) {
  Say("starts");
  struct Start {
    Build build;
    Storage storage;
    std::vector<double> milliseconds{};
    std::vector<double> anonymous{};
    std::vector<double> pss{};
    std::vector<double> anonymous_after{};
  };
  std::vector<Start> starts;
  for (const Build& build : plan.builds) {
    starts.push_back({build, Storage::kMemory});
    starts.push_back({build, Storage::kSqlite});
  }
  for (int round = 0; round < plan.Rounds(21); ++round) {
    for (Start& start : starts) {
      Daemon daemon({.program = start.build.program, .storage = start.storage});
      start.milliseconds.push_back(daemon.milliseconds_to_ready());
      const Memory memory = MemoryOf(daemon.pid());
      start.anonymous.push_back(memory.anonymous_kb);
      start.pss.push_back(memory.pss_kb);
      if (round < 3) {
        const auto large = Set(7, 57344)();
        for (int write = 0; write < 40; ++write) {
          static_cast<void>(large->Round(daemon.guest()));
        }
        start.anonymous_after.push_back(MemoryOf(daemon.pid()).anonymous_kb);
      }
    }
  }
  for (const Start& start : starts) {
    const Subject subject = {"start", start.build.name, "start", NameOf(start.storage), 0};
    Record(subject, "ms", start.milliseconds);
    Record(subject, "anonymous kB", start.anonymous);
    Record(subject, "pss kB", start.pss);
    Record(subject, "anonymous kB after large writes", start.anonymous_after);
    const Setup setup = {.program = start.build.program, .storage = start.storage};
    if (plan.has_callgrind) {
      const std::string profile =
          plan.profiles.empty()
              ? std::string()
              : plan.profiles + "/" + start.build.name + ",start," + NameOf(start.storage) + ",1";
      Record(subject, "instructions",
             {LiveBelowCallgrind(setup, Query(), 0, profile).instructions});
    }
    if (plan.has_strace) {
      double calls = 0;
      for (const auto& [name, count] : LiveBelowStrace(setup, Query(), 0).calls) {
        calls += count;
      }
      Record(subject, "calls", {calls});
    }
  }
}

/// Many daemons, all of them written to at once.
void MeasureFleet(const Plan& plan, const Build& build, std::size_t count) {
  Say("fleet of " + std::to_string(count) + ", " + build.name);
  const Subject subject = {"fleet", build.name, "daemon", "sqlite", count};
  std::vector<std::unique_ptr<Daemon>> daemons;
  std::vector<double> starts;
  while (daemons.size() < count) {
    daemons.push_back(
        std::make_unique<Daemon>(Setup{.program = build.program, .storage = Storage::kSqlite}));
    starts.push_back(daemons.back()->milliseconds_to_ready());
  }
  std::vector<double> anonymous;
  std::vector<double> pss;
  for (const auto& daemon : daemons) {
    const Memory memory = MemoryOf(daemon->pid());
    anonymous.push_back(memory.anonymous_kb);
    pss.push_back(memory.pss_kb);
  }
  Record(subject, "ms", starts);
  Record(subject, "anonymous kB", anonymous);
  Record(subject, "pss kB", pss);

  const auto begin = Clock::now();
  const auto end = begin + std::chrono::milliseconds(plan.is_quick ? 300 : 4000);
  std::vector<std::vector<double>> latencies(count);
  std::vector<std::exception_ptr> errors(count);
  {
    std::vector<std::jthread> guests;
    for (std::size_t i = 0; i < count; ++i) {
      guests.emplace_back([&, i] {
        try {
          const auto task = Set(7, 200)();
          while (Clock::now() < end) {
            const auto start = Clock::now();
            static_cast<void>(task->Round(daemons[i]->guest()));
            latencies[i].push_back(MillisecondsSince(start));
          }
        } catch (const std::exception&) {
          errors[i] = std::current_exception();
        }
      });
    }
  }
  const double seconds = MillisecondsSince(begin) / 1000;
  std::vector<double> all;
  for (std::size_t i = 0; i < count; ++i) {
    if (errors[i]) {
      std::rethrow_exception(errors[i]);
    }
    all.insert(all.end(), latencies[i].begin(), latencies[i].end());
  }
  std::ranges::sort(all);
  const auto quantile = [&all](double part) {
    return all[static_cast<std::size_t>(part * static_cast<double>(all.size() - 1))];
  };
  Record(subject, "writes/s", {static_cast<double>(all.size()) / seconds});
  Record(subject, "write ms p50", {quantile(0.5)});
  Record(subject, "write ms p99", {quantile(0.99)});
  Record(subject, "write ms max", {all.back()});
}

/// How long the disk takes for the least that a write can be: one page and a sync.
class BareFile {
 public:
  BareFile() : file_(::open(folder_.File("file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) {
    Write();
  }
  double Write() {
    const auto begin = Clock::now();
    const std::vector<char> page(4096, 'x');
    Require(::pwrite(file_.get(), page.data(), page.size(), 0) == ssize_t{4096} &&
                ::fdatasync(file_.get()) == 0,
            "write a file");
    return MillisecondsSince(begin);
  }

 private:
  test::TemporaryFolder folder_;
  base::UniqueFd file_;
};

double MillisecondsOfRound(Daemon& daemon, Task& task) {
  const auto begin = Clock::now();
  static_cast<void>(task.Round(daemon.guest()));
  return MillisecondsSince(begin);
}

void MeasureLatency(const Plan& plan) {
  Say("latency of writes");
  const std::string& program = plan.builds.back().program;
  const std::string& build = plan.builds.back().name;
  {
    BareFile bare;
    Daemon daemon({.program = program, .storage = Storage::kSqlite, .variables = 100});
    const auto task = Set(7, 100)();
    static_cast<void>(task->Round(daemon.guest()));
    std::vector<double> bare_times;
    std::vector<double> times;
    for (std::size_t i = 0; i < plan.Count(200); ++i) {
      bare_times.push_back(bare.Write());
      times.push_back(MillisecondsOfRound(daemon, *task));
    }
    Record({"latency", build, "a page and a sync", "file", 0}, "ms", bare_times);
    Record({"latency", build, "SetVariable", "sqlite", 0}, "ms", times);
  }
  for (const std::size_t delay : plan.Steps({0, 1, 10, 100})) {
    Daemon daemon({.program = program, .storage = Storage::kXapi, .toolstack_delay_ms = delay});
    const Subject subject = {"latency", build, "SetVariable", "xapidb", delay};
    const auto task = Set(7, 100)();
    static_cast<void>(task->Round(daemon.guest()));
    const std::size_t calls = daemon.toolstack_calls();
    // A VM may make 100 calls at once, and after that two a second (docs/toolstack.md, "XML-RPC").
    const std::size_t writes = plan.Count(80);
    std::vector<double> times;
    while (times.size() < writes) {
      times.push_back(MillisecondsOfRound(daemon, *task));
    }
    Record(subject, "ms", times);
    Record(subject, "calls",
           {static_cast<double>(daemon.toolstack_calls() - calls) / static_cast<double>(writes)});
    if (delay == 1 && !plan.is_quick) {
      std::vector<double> later;
      for (int write = 0; write < 30; ++write) {
        later.push_back(MillisecondsOfRound(daemon, *task));
      }
      later.erase(later.begin(), later.end() - 8);
      Record({"latency", build, "SetVariable, without a pause", "xapidb", delay}, "ms", later);
    }
  }
}

void MeasureAll(const Plan& plan) {
  MeasureRequests(plan);
  MeasureGrowthWithNumber(plan);
  MeasureGrowthWithSize(plan);
  MeasureLongStarts(plan);
  MeasureStarts(plan);
  for (const Build& build : plan.builds) {
    for (const std::size_t count :
         plan.is_quick ? std::vector<std::size_t>{1, 3} : std::vector<std::size_t>{1, 50, 200}) {
      MeasureFleet(plan, build, count);
    }
  }
  MeasureLatency(plan);
}

}  // namespace
}  // namespace varstored::bench

int main(int argc, char** argv) {
  try {
    const std::vector<std::string_view> arguments(argv + 1, argv + argc);
    varstored::bench::Plan plan;
    plan.builds.push_back({"dynamic", varstored::test::LoopbackProgram()});
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const auto value = [&] {
        varstored::bench::Require(++i < arguments.size(), "an option has no value");
        return std::string(arguments[i]);
      };
      if (arguments[i] == "--null-server") {
        varstored::bench::ServeNothing(value());
        return 0;
      }
      if (arguments[i] == "--quick") {
        plan.is_quick = true;
      } else if (arguments[i] == "--times-only") {
        plan.has_callgrind = plan.has_strace = false;
      } else if (arguments[i] == "--static") {
        plan.builds.push_back({"static", value()});
      } else if (arguments[i] == "--profiles") {
        plan.profiles = value();
      } else {
        throw std::runtime_error("no option '" + std::string(arguments[i]) + "'");
      }
    }
    varstored::bench::MeasureAll(plan);
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << "loopback_bench: " << failure.what() << "\n";
    return 1;
  }
}
