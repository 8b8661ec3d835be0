// Memory: every allocation of every operation fails once, whoever makes it - the program by
// operator new, OpenSSL or SQLite.

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>

#include <openssl/crypto.h>

#include "faults/database.h"
#include "faults/table.h"
#include "support/allocations.h"
#include "support/loopback_client.h"
#include "support/signing.h"
#include "varstored/backend/sqlite.h"
#include "varstored/base/reader.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"
#include "varstored/engine/variable_services.h"
#include "varstored/guest/dispatcher.h"
#include "xml_rpc.h"

namespace varstored::test {
namespace {

// A block of memory with its size in front, because the libraries ask for that.

constexpr std::size_t kHeadBytes = alignof(std::max_align_t);

void* Allocate(std::size_t size) {
  auto* block = static_cast<std::uint8_t*>(::operator new(kHeadBytes + size, std::nothrow));
  if (block == nullptr) {
    return nullptr;
  }
  std::memcpy(block, &size, sizeof size);
  return block + kHeadBytes;
}

std::size_t SizeOf(void* memory) {
  std::size_t size = 0;
  std::memcpy(&size, static_cast<std::uint8_t*>(memory) - kHeadBytes, sizeof size);
  return size;
}

void Free(void* memory) {
  if (memory != nullptr) {
    ::operator delete(static_cast<std::uint8_t*>(memory) - kHeadBytes);
  }
}

void* Reallocate(void* memory, std::size_t size) {
  if (memory == nullptr) {
    return Allocate(size);
  }
  void* moved = Allocate(size);
  if (moved != nullptr) {
    std::memcpy(moved, memory, std::min(SizeOf(memory), size));
    Free(memory);
  }
  return moved;
}

int RoundUp(int size) { return (size + 7) / 8 * 8; }

class Silence final : public base::Log {
 public:
  void Put(base::LogLevel /*level*/, std::string_view /*name*/,
           std::string_view /*text*/) override {}
};

/// What a start reads and a guest can do something to.
class Story {
 public:
  Story() {
    write_.payload = SignatureListOf(efi::TypeOf(efi::SignatureKind::kX509).guid.bytes, {1},
                                     {owner_.certificate()});
    keys_.pk = Signed(u"PK", kGlobalGuid, 0x27, write_.payload);
    keys_.kek = Signed(u"KEK", kGlobalGuid, 0x27, write_.payload);
    keys_.db = Signed(u"db", kSecurityDatabaseGuid, 0x27, write_.payload);
  }
  [[nodiscard]] const engine::FirstBootKeys& keys() const { return keys_; }
  /// Each later than the ones before.
  [[nodiscard]] Bytes Signed(std::u16string name, const Guid& guid, std::uint32_t attributes,
                             const Bytes& payload) {
    ++time_.minute;
    return AuthPayload({std::move(name), guid, attributes, time_, payload}, owner_);
  }
  [[nodiscard]] Bytes Hash() {
    return SignatureListOf(efi::TypeOf(efi::SignatureKind::kSha256).guid.bytes, {1},
                           {Bytes(32, 7)});
  }

 private:
  Identity owner_ = Identity::Make();
  Time time_;
  VariableWrite write_;
  engine::FirstBootKeys keys_;
};

/// A VM in this process, over a database.
class Vm {
 public:
  explicit Vm(const std::string& path) : backend_(Opened(path)) {}

  [[nodiscard]] bool Boot(const engine::FirstBootKeys& keys) {
    auto booted = services_.Boot(keys);
    return booted.ok();
  }
  [[nodiscard]] engine::VariableServices& services() { return services_; }
  [[nodiscard]] guest::Dispatcher& dispatcher() { return dispatcher_; }
  /// The status of the answer.
  [[nodiscard]] std::uint64_t Command(const Bytes& request) {
    std::ranges::copy(request, bytes());
    guest::MappedPages pages(pages_.data());
    static_cast<void>(dispatcher_.Serve(pages));
    return pages_[0];
  }

 private:
  std::unique_ptr<backend::SqliteBackend> Opened(const std::string& path) {
    auto opened = backend::SqliteBackend::Open(path, log_);
    if (!opened) {
      throw std::runtime_error(opened.error().message);
    }
    return *std::move(opened);
  }
  std::uint8_t* bytes() { return static_cast<std::uint8_t*>(static_cast<void*>(pages_.data())); }

  Silence log_;
  std::unique_ptr<backend::SqliteBackend> backend_;
  engine::VariableServices services_{{.secure_boot = true}, *backend_, log_};
  guest::Dispatcher dispatcher_{services_, log_};
  std::vector<std::uint64_t> pages_ = std::vector<std::uint64_t>(kPagesBytes / 8);
};

const Guid kVendor = {1, 2, 3};
constexpr char16_t kName[] = u"Boot0001, longer than a string's own room";

Bytes Set(const std::u16string& name, const Guid& guid, std::uint32_t attributes,
          const Bytes& data) {
  return SetVariableRequest(NameBytes(name), guid, attributes, data, false);
}

using Operation = std::function<std::string(Vm&)>;

Operation Command(Bytes request) {
  return [request = std::move(request)](Vm& vm) { return StatusWordOf(vm.Command(request)); };
}

/// Whether the database says what it did with the files `before`: old, or else new.
std::string StateOf(const std::string& path, const DatabaseFiles& before) {
  if (DatabaseFiles(path) == before) {
    return "old";
  }
  const TemporaryFolder folder(FastParent());
  before.Put(folder.File("before.db"));
  return Kept(path) == Kept(folder.File("before.db")) ? "old" : "new";
}

/// Runs the operation with each of its allocations failing, on a VM that has `database` behind it.
Outcome RunEverywhere(const DatabaseFiles& database, const Operation& operation) {
  Outcome outcome;
  const TemporaryFolder folder(FastParent());
  const std::string path = folder.File("vm.db");
  std::optional<Vm> vm;
  for (std::size_t number = 0;; ++number) {
    if (!vm) {
      database.Put(path);
      vm.emplace(path);
      if (!vm->Boot({})) {
        throw std::runtime_error("the database of the test cannot be booted from");
      }
    }
    const Bytes before = vm->services().Save();
    const DatabaseFiles files_before(path);
    std::string told;
    bool failed = false;
    {
      const AllocationCount count;
      const FailingAllocation failing(number);
      told = operation(*vm);
      failed = count.calls() > number;
    }
    if (!failed) {
      return outcome;
    }
    const bool is_new = vm->services().Save() != before;
    outcome.told.insert(told);
    outcome.kept.insert(StateOf(path, files_before));
    if (is_new && told != "SUCCESS" && told != "-") {
      outcome.after.insert("sees something else than it was told");
    }
    const std::uint64_t next =
        vm->Command(Set(u"After", kVendor, 7, {static_cast<std::uint8_t>(number)}));
    outcome.after.insert(next == kEfiSuccess ? "works" : "fails");
    if (is_new) {
      vm.reset();
    }
  }
}

/// The same for what happens before a VM is served.
Outcome RunStartEverywhere(const DatabaseFiles& database,
                           const std::function<bool(Vm& vm)>& start) {
  Outcome outcome;
  const TemporaryFolder folder(FastParent());
  const std::string path = folder.File("vm.db");
  for (std::size_t number = 0;; ++number) {
    database.Put(path);
    const DatabaseFiles files_before(path);
    bool failed = false;
    bool is_served = false;
    {
      const AllocationCount count;
      const FailingAllocation failing(number);
      try {
        Vm vm(path);
        is_served = start(vm);
      } catch (const std::bad_alloc&) {
        is_served = false;
      } catch (const std::runtime_error&) {
        is_served = false;
      }
      failed = count.calls() > number;
    }
    if (!failed) {
      return outcome;
    }
    outcome.told.insert(is_served ? "served" : "not ready, exit 1");
    outcome.kept.insert(StateOf(path, files_before));
    if (DatabaseFiles(path) == files_before) {
      outcome.after.insert("works");  // as the first time
      continue;
    }
    Vm next(path);
    outcome.after.insert(start(next) ? "works" : "fails");
  }
}

Outcome ReadAnswerEverywhere() {
  const std::string answer =
      "<?xml version='1.0'?><methodResponse><params><param><value><struct><member><name>Status"
      "</name><value>Success</value></member><member><name>Value</name><value><struct><member>"
      "<name>EFI-variables</name><value>AAAA&lt;</value></member></struct></value></member>"
      "</struct></value></param></params></methodResponse>";
  Outcome outcome;
  for (std::size_t number = 0;; ++number) {
    bool failed = false;
    {
      const AllocationCount count;
      const FailingAllocation failing(number);
      try {
        const auto decoded = backend::DecodeAnswer(answer);
        outcome.told.insert(!decoded ? "an answer that is none" : "the answer");
        if (decoded && (!*decoded || (*decoded)->Member("EFI-variables")->text != "AAAA<")) {
          outcome.told.insert("another answer");
        }
      } catch (const std::bad_alloc&) {
        outcome.told.insert("no memory");
      }
      failed = count.calls() > number;
    }
    if (!failed) {
      break;
    }
    outcome.after.insert(backend::DecodeAnswer(answer).ok() ? "works" : "fails");
  }
  outcome.kept.insert("-");
  return outcome;
}

}  // namespace

void UseFailingAllocators() {
  static const sqlite3_mem_methods kMethods = {
      [](int size) { return Allocate(static_cast<std::size_t>(size)); },
      Free,
      [](void* memory, int size) { return Reallocate(memory, static_cast<std::size_t>(size)); },
      [](void* memory) { return memory == nullptr ? 0 : static_cast<int>(SizeOf(memory)); },
      RoundUp,
      [](void* /*unused*/) { return SQLITE_OK; },
      [](void* /*unused*/) {},
      nullptr};
  const bool used =
      sqlite3_config(SQLITE_CONFIG_MALLOC, &kMethods) == SQLITE_OK &&
      CRYPTO_set_mem_functions(
          [](std::size_t size, const char*, int) { return Allocate(size); },
          [](void* memory, std::size_t size, const char*, int) { return Reallocate(memory, size); },
          [](void* memory, const char*, int) { Free(memory); }) == 1;
  if (!used) {
    throw std::runtime_error("a library has taken memory before it was told from where");
  }
}

Rows MemoryFaults() {
  Story story;
  const DatabaseFiles empty;
  const TemporaryFolder folder(FastParent());
  const std::string path = folder.File("vm.db");
  {
    Vm vm(path);
    if (!vm.Boot(story.keys()) || vm.Command(Set(kName, kVendor, 7, Bytes(300, 1))) != 0) {
      throw std::runtime_error("the database of the test cannot be made");
    }
  }
  const DatabaseFiles database(path);
  const Bytes name = NameBytes(kName);
  const std::string fault = "no memory";

  Rows rows;
  const auto add = [&](const std::string& what, const Operation& operation) {
    Outcome outcome = RunEverywhere(database, operation);
    if (outcome.told.empty()) {
      outcome = {{"takes no memory"}, {"-"}, {"-"}};
    }
    rows.push_back({what, fault, outcome});
  };
  add("GetVariable", Command(GetVariableRequest(name, kVendor, 1000, false)));
  add("GetNextVariableName", Command(GetNextVariableNameRequest(name, kVendor, 1000, false)));
  add("QueryVariableInfo", Command(QueryVariableInfoRequest(7)));
  add("NotifySecureBootFailure", Command(NotifySecureBootFailureRequest()));
  add("SetVariable: a new variable", Command(Set(u"Boot0002", kVendor, 7, Bytes(500, 2))));
  add("SetVariable: other data", Command(Set(kName, kVendor, 7, Bytes(500, 2))));
  add("SetVariable: an append", Command(Set(kName, kVendor, 0x47, Bytes(500, 2))));
  add("SetVariable: a deletion", Command(Set(kName, kVendor, 7, {})));
  add("SetVariable: a signed append to db",
      Command(Set(u"db", kSecurityDatabaseGuid, 0x67,
                  story.Signed(u"db", kSecurityDatabaseGuid, 0x67, story.Hash()))));
  add("SetVariable: the signed deletion of PK",
      Command(Set(u"PK", kGlobalGuid, 0x27, story.Signed(u"PK", kGlobalGuid, 0x27, {}))));
  add("a request that is refused", Command(Set(u"SetupMode", kGlobalGuid, 6, {std::uint8_t{1}})));
  add("physical presence: a byte that is kept", [](Vm& vm) {
    static_cast<void>(vm.dispatcher().WritePort(0x104, 4, 0x100));
    static_cast<void>(vm.dispatcher().WritePort(0x108, 1, 0x55));
    return std::string("-");
  });

  rows.push_back(
      {"the start", fault, RunStartEverywhere(database, [](Vm& vm) { return vm.Boot({}); })});
  rows.push_back({"the start: a first boot with keys", fault,
                  RunStartEverywhere(empty, [&](Vm& vm) { return vm.Boot(story.keys()); })});
  Vm saving(path);
  if (!saving.Boot({})) {
    throw std::runtime_error("the database of the test cannot be booted from");
  }
  const Bytes saved = saving.services().Save();
  rows.push_back({"the start: a resume", fault, RunStartEverywhere(empty, [&](Vm& vm) {
                    return vm.services().Resume(saved).ok();
                  })});
  rows.push_back({"an answer of the toolstack", fault, ReadAnswerEverywhere()});
  return rows;
}

}  // namespace varstored::test
