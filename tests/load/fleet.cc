// fleet [DAEMONS [SECONDS]]: so many daemons at once, each with a database of its own, and a guest
// for each that writes without a pause. Prints what each got of the machine and what memory it
// takes; the exit status is 1 when one of them starved.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "load/process_size.h"
#include "support/loopback_client.h"
#include "support/process.h"
#include "support/temporary_folder.h"

namespace varstored::test {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr Guid kVendor = {1, 2, 3};

/// A daemon and its guest.
class Vm {
 public:
  Vm()
      : process_(StartLoopback(folder_.File("socket"),
                               {"--backend", "sqlite", "--arg", "path:" + folder_.File("vm.db")})),
        guest_(folder_.File("socket")) {}

  void WriteUntil(Clock::time_point end) {
    std::uint8_t fill = 0;
    for (auto now = Clock::now(); now < end;) {
      if (guest_.SetVariable(u"Changing", kVendor, 7, Bytes(200, ++fill)) != kEfiSuccess) {
        ++failures_;
      }
      const auto then = Clock::now();
      slowest_ = std::max(slowest_, Seconds(then - now).count());
      now = then;
      ++writes_;
    }
  }

  [[nodiscard]] std::size_t writes() const { return writes_; }
  [[nodiscard]] std::size_t failures() const { return failures_; }
  [[nodiscard]] double slowest() const { return slowest_; }
  [[nodiscard]] ProcessSize size() const { return SizeOf(process_.pid()); }

 private:
  TemporaryFolder folder_;
  Process process_;
  LoopbackClient guest_;
  std::size_t writes_ = 0;
  std::size_t failures_ = 0;
  double slowest_ = 0;
};

template <class T, class Get>
void PrintRow(const char* what, const std::vector<std::unique_ptr<Vm>>& vms, const char* unit,
              const Get& get) {
  std::vector<T> values;
  for (const auto& vm : vms) {
    values.push_back(get(*vm));
  }
  std::ranges::sort(values);
  std::printf("| %s | %.6g | %.6g | %.6g | %s |\n", what, static_cast<double>(values.front()),
              static_cast<double>(values[values.size() / 2]), static_cast<double>(values.back()),
              unit);
}

int Run(std::size_t count, int seconds) {
  std::vector<std::unique_ptr<Vm>> vms;
  const auto begin = Clock::now();
  while (vms.size() < count) {
    vms.push_back(std::make_unique<Vm>());
  }
  std::printf("%zu daemons, started in %.1f s, all written to for %d s\n\n", count,
              Seconds(Clock::now() - begin).count(), seconds);

  const auto end = Clock::now() + std::chrono::seconds(seconds);
  std::vector<std::exception_ptr> errors(count);
  {
    std::vector<std::jthread> guests;
    for (std::size_t i = 0; i < count; ++i) {
      guests.emplace_back([&, i] {
        try {
          vms[i]->WriteUntil(end);
        } catch (const std::exception&) {
          errors[i] = std::current_exception();
        }
      });
    }
  }
  for (const std::exception_ptr& error : errors) {
    if (error) {
      std::rethrow_exception(error);
    }
  }

  std::printf("| of each daemon | least | median | most | |\n| --- | --- | --- | --- | --- |\n");
  PrintRow<std::size_t>("writes", vms, "", [](const Vm& vm) { return vm.writes(); });
  PrintRow<std::size_t>("writes that failed", vms, "", [](const Vm& vm) { return vm.failures(); });
  PrintRow<double>("slowest write", vms, "s", [](const Vm& vm) { return vm.slowest(); });
  PrintRow<std::size_t>("resident memory", vms, "kB",
                        [](const Vm& vm) { return vm.size().resident_kb; });
  PrintRow<std::size_t>("of it not shared", vms, "kB",
                        [](const Vm& vm) { return vm.size().private_kb; });
  PrintRow<std::size_t>("descriptors", vms, "", [](const Vm& vm) { return vm.size().descriptors; });

  std::vector<std::size_t> writes(count);
  std::ranges::transform(vms, writes.begin(), [](const auto& vm) { return vm->writes(); });
  std::ranges::sort(writes);
  const bool fails = std::ranges::any_of(vms, [](const auto& vm) { return vm->failures() != 0; });
  // A scheduler that is fair comes nowhere near this, whatever else the machine does.
  if (fails || writes.front() * 8 < writes[count / 2]) {
    std::fprintf(stderr, "fleet: %s\n", fails ? "a write has failed" : "a daemon has starved");
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace varstored::test

int main(int argc, char** argv) {
  try {
    return varstored::test::Run(argc > 1 ? std::stoul(argv[1]) : 200,
                                argc > 2 ? std::stoi(argv[2]) : 60);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fleet: %s\n", error.what());
    return 1;
  }
}
