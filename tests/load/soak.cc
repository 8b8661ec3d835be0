// soak [MINUTES]: random guests on one daemon of each backend, while the host's faults come and go:
// no memory, no room in files, no descriptors, a toolstack that fails, a guest that hangs up.
// Prints what each daemon holds, again and again; the exit status is 1 when that has grown, or when
// an honest call is not answered as it should be once the faults are over.

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <mutex>
#include <optional>
#include <random>
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

constexpr Guid kVendor = {1, 2, 3};
constexpr int kRequestsPerRound = 400;
/// More than this is a leak, and no whim of the allocator.
constexpr std::size_t kMaxGrowthKb = 256;

enum class Backend { kMemory, kSqlite, kXapi };

/// A daemon, its toolstack if it has one, and its guest.
class Vm {
 public:
  Vm(Backend backend, std::uint32_t seed) : backend_(backend), random_(seed) {
    std::vector<std::string> arguments = {"--log-level", "error"};
    const auto add = [&arguments](std::initializer_list<std::string> more) {
      arguments.insert(arguments.end(), more);
    };
    if (backend == Backend::kMemory) {
      add({"--backend", "memory"});
    } else if (backend == Backend::kSqlite) {
      add({"--backend", "sqlite", "--arg", "path:" + folder_.File("vm.db")});
    } else {
      const std::string socket = folder_.File("toolstack");
      toolstack_.emplace(std::vector<std::string>{"/usr/bin/env", "python3", XAPI_PEER, "--socket",
                                                  socket, "--folder", folder_.path()});
      toolstack_->WaitFor(folder_.File("listening"),
                          [this] { return std::filesystem::exists(folder_.File("listening")); });
      // What the guest's virtual CPU waits for is not what is looked at here.
      add({"--backend", "xapidb", "--arg", "socket:" + socket, "--arg",
           "uuid:01234567-89ab-cdef-0123-456789abcdef", "--request-budget", "2"});
    }
    process_.emplace(StartLoopback(folder_.File("socket"), arguments));
    Connect();
  }

  [[nodiscard]] const char* name() const {
    return backend_ == Backend::kMemory ? "memory"
                                        : (backend_ == Backend::kSqlite ? "sqlite" : "xapidb");
  }
  [[nodiscard]] const std::vector<ProcessSize>& sizes() const { return sizes_; }
  [[nodiscard]] std::size_t requests() const { return requests_; }

  /// Faults, then none, an honest call, and what the daemon holds then. Throws when the daemon
  /// ends.
  void Round() {
    try {
      TryRound();
    } catch (const std::exception& error) {
      throw std::runtime_error(std::string(name()) + ": " + error.what() + "\n" +
                               process_->Errors());
    }
  }

 private:
  void TryRound() {
    SetFaults();
    for (int i = 0; i < kRequestsPerRound; ++i) {
      RandomRequest();
    }
    ClearFaults();
    for (int i = 0; i < kRequestsPerRound; ++i) {
      RandomRequest();
    }
    CheckHonestCall();
    RemoveVariables();
    sizes_.push_back(SizeOf(process_->pid()));
  }

  [[nodiscard]] std::uint32_t Below(std::uint32_t end) {
    return static_cast<std::uint32_t>(random_() % end);
  }

  void Connect() { guest_.emplace(folder_.File("socket")); }

  void Limit(__rlimit_resource resource, rlim_t soft) const {
    rlimit limit = {};
    if (::prlimit(process_->pid(), resource, nullptr, &limit) != 0) {
      throw std::runtime_error("cannot read the limits of the daemon");
    }
    limit.rlim_cur = std::min(soft, limit.rlim_max);
    if (::prlimit(process_->pid(), resource, &limit, nullptr) != 0) {
      throw std::runtime_error("cannot limit the daemon");
    }
  }

  void SetToolstackFault(const char* fault) const { std::ofstream(folder_.File("fault")) << fault; }

  void SetFaults() {
    has_faults_ = true;
    if (Below(2) == 0) {
      Limit(RLIMIT_AS, SizeOf(process_->pid()).virtual_kb * 1024);
    }
    if (Below(2) == 0) {
      Limit(RLIMIT_FSIZE, Below(2) * 65536);
    }
    if (Below(2) == 0) {
      Limit(RLIMIT_NOFILE, 3);
    }
    constexpr std::array kFaults = {"* closed", "* http-500", "* failure", "* not-xml",
                                    "* truncated"};
    SetToolstackFault(kFaults.at(Below(kFaults.size())));
  }

  void ClearFaults() {
    has_faults_ = false;
    Limit(RLIMIT_AS, RLIM_INFINITY);
    Limit(RLIMIT_FSIZE, RLIM_INFINITY);
    Limit(RLIMIT_NOFILE, RLIM_INFINITY);
    SetToolstackFault("");
  }

  [[nodiscard]] Bytes RandomBytes(std::size_t size) {
    Bytes bytes(size);
    std::ranges::generate(bytes, [this] { return static_cast<std::uint8_t>(random_()); });
    return bytes;
  }

  [[nodiscard]] std::uint32_t RandomAttributes() {
    // A toolstack takes two calls a second from a VM.
    if (backend_ == Backend::kXapi && Below(100) != 0) {
      return 6;
    }
    constexpr std::array<std::uint32_t, 8> kAttributes = {7, 7, 7, 6, 3, 0x27, 0x47, 0};
    return kAttributes.at(Below(kAttributes.size()));
  }

  void RandomRequest() {
    ++requests_;
    const std::u16string name(1, static_cast<char16_t>(u'A' + Below(20)));
    switch (Below(12)) {
      case 0:
        static_cast<void>(guest_->GetNextVariableName(name, kVendor));
        break;
      case 1:
        static_cast<void>(guest_->QueryVariableInfo(7));
        break;
      case 2:
        guest_->WritePort(0x104, 4, Below(0x100));
        guest_->WritePort(0x108, Below(5), Below(0x10000));
        break;
      case 3:
        static_cast<void>(guest_->CommandWithoutPages());
        break;
      case 4: {
        Bytes request = SetVariableRequest(NameBytes(name), kVendor, 7, RandomBytes(30), false);
        request.at(Below(static_cast<std::uint32_t>(request.size()))) ^=
            static_cast<std::uint8_t>(1U << Below(8));
        if (backend_ != Backend::kXapi) {
          static_cast<void>(guest_->Command(request));
        }
        break;
      }
      case 5: {
        // An update that nobody signed: the message is looked at all the same.
        const Bytes update = WithDescriptor({}, RandomBytes(Below(2000)), RandomBytes(100));
        static_cast<void>(guest_->SetVariable(u"db", kSecurityDatabaseGuid, 0x67, update));
        break;
      }
      case 6:
        // The door of the tests ends when it has no descriptor for a client.
        if (!has_faults_ && Below(50) == 0) {
          guest_->SendRaw(RandomBytes(Below(3000)));
          Connect();
        }
        break;
      case 7:
      case 8:
        static_cast<void>(guest_->GetVariable(name, kVendor));
        break;
      default:
        static_cast<void>(guest_->SetVariable(name, kVendor, RandomAttributes(),
                                              RandomBytes(Below(Below(10) == 0 ? 20000 : 500))));
    }
  }

  void CheckHonestCall() {
    const Bytes data = RandomBytes(40);
    // The toolstack's rate limit may stand in the way of the first try, and no longer.
    std::uint64_t status = kEfiDeviceError;
    for (int i = 0; status == kEfiDeviceError && i < 3; ++i) {
      status = guest_->SetVariable(u"A", kVendor, 7, {});
      status = guest_->SetVariable(u"Honest", kVendor, 7, data);
    }
    if (status != kEfiSuccess && status != kEfiOutOfResources) {
      throw std::runtime_error("an honest write is refused");
    }
    if (status == kEfiSuccess && guest_->GetVariable(u"Honest", kVendor).data != data) {
      throw std::runtime_error("an honest write cannot be read");
    }
  }

  /// A toolstack would be asked for each that it keeps.
  void RemoveVariables() {
    for (const auto& [name, guid] : guest_->Walk()) {
      const bool is_ours = guid == kVendor;
      const auto found = guest_->GetVariable(name, guid);
      if (is_ours && (backend_ != Backend::kXapi || (found.attributes & 1U) == 0)) {
        static_cast<void>(guest_->SetVariable(name, guid, found.attributes, {}));
      }
    }
  }

  Backend backend_;
  std::mt19937 random_;
  TemporaryFolder folder_{FastParent()};
  std::optional<Process> toolstack_;
  std::optional<Process> process_;
  std::optional<LoopbackClient> guest_;
  std::vector<ProcessSize> sizes_;
  std::size_t requests_ = 0;
  bool has_faults_ = false;
};

/// The most memory that was held in a part of the time, which is given in quarters.
std::size_t MostKb(const std::vector<ProcessSize>& sizes, std::size_t quarter) {
  std::size_t most = 0;
  for (std::size_t i = sizes.size() * quarter / 4; i < sizes.size() * (quarter + 1) / 4; ++i) {
    most = std::max(most, sizes[i].private_kb);
  }
  return most;
}

bool IsFlat(const Vm& vm) {
  const auto& sizes = vm.sizes();
  const std::size_t early = MostKb(sizes, 1);
  const std::size_t late = MostKb(sizes, 3);
  std::printf("| %s | %zu | %zu | %zu | %zu | %zu | %zu |\n", vm.name(), vm.requests(),
              sizes.size(), early, late, sizes.front().descriptors, sizes.back().descriptors);
  return late <= early + kMaxGrowthKb && sizes.front().descriptors == sizes.back().descriptors;
}

int Run(double minutes) {
  const auto end = Clock::now() + std::chrono::milliseconds(static_cast<int>(minutes * 60000));
  std::array<Vm, 3> vms = {Vm(Backend::kMemory, 1), Vm(Backend::kSqlite, 2), Vm(Backend::kXapi, 3)};
  std::array<std::exception_ptr, 3> errors;
  {
    std::vector<std::jthread> guests;
    for (std::size_t i = 0; i < vms.size(); ++i) {
      guests.emplace_back([&, i] {
        try {
          // Enough for quarters.
          while (Clock::now() < end || vms[i].sizes().size() < 8) {
            vms[i].Round();
          }
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
  std::printf(
      "| backend | requests | rounds of faults | memory, 2nd quarter (kB) | memory, 4th quarter "
      "(kB) "
      "| descriptors, first | last |\n| --- | --- | --- | --- | --- | --- | --- |\n");
  bool is_flat = true;
  for (const Vm& vm : vms) {
    is_flat = IsFlat(vm) && is_flat;
  }
  if (!is_flat) {
    std::fprintf(stderr, "soak: a daemon holds more and more\n");
  }
  return is_flat ? 0 : 1;
}

}  // namespace
}  // namespace varstored::test

int main(int argc, char** argv) {
  try {
    return varstored::test::Run(argc > 1 ? std::stod(argv[1]) : 60);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "soak: %s\n", error.what());
    return 1;
  }
}
