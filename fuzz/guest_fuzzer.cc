// The life of a VM: what its guest asks for, one request after the other with a store that lives
// on, while the storage fails and works again, and between its boots. Input: guest_sequence.h.

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/failing_backend.h"
#include "guest_sequence.h"
#include "support.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/well_known.h"
#include "varstored/engine/variable_services.h"
#include "varstored/guest/dispatcher.h"
#include "varstored/guest/shared_pages.h"
#include "varstored/store/vars_blob.h"

namespace varstored::fuzz {
namespace {

using base::Bytes;
using base::ByteSpan;

constexpr std::array kStatuses = {efi::Status::kSuccess,        efi::Status::kInvalidParameter,
                                  efi::Status::kUnsupported,    efi::Status::kBufferTooSmall,
                                  efi::Status::kDeviceError,    efi::Status::kWriteProtected,
                                  efi::Status::kOutOfResources, efi::Status::kNotFound,
                                  efi::Status::kAccessDenied,   efi::Status::kSecurityViolation};

class Machine {
 public:
  explicit Machine(std::uint8_t platform) { Boot(platform); }

  void Take(const Step& step) {
    switch (step.kind) {
      case Step::Kind::kCommand:
        Command(step.request);
        break;
      case Step::Kind::kWritePort:
        if (dispatcher_->WritePort(0xFEU + step.port, step.size, step.value)) {
          Command({});
        }
        break;
      case Step::Kind::kReadPort:
        static_cast<void>(dispatcher_->ReadPort(0xFEU + step.port, step.size));
        break;
      case Step::Kind::kUnmapped:
        dispatcher_->PagesNotMapped(step.value);
        break;
      case Step::Kind::kStorage:
        works_ = step.size != 0;
        backend_.FailAlways(!works_);
        break;
      case Step::Kind::kResume:
        Resume();
        break;
      case Step::Kind::kBoot:
        Boot(step.size);
        break;
      case Step::Kind::kFill:
        Fill(step);
        break;
    }
  }

  /// What holds for every state.
  void Check() {
    const store::Store& store = services_->store();
    std::size_t count = 0;
    std::size_t used_bytes = 0;
    std::set<std::pair<std::string, std::array<std::uint8_t, 16>>> found;
    for (const auto* entry = store.First(); entry != nullptr; entry = store.After(*entry)) {
      ++count;
      used_bytes += entry->used_bytes();
      found.emplace(entry->name(), entry->vendor().bytes);
      Require(!entry->is_legacy(), "no request makes a record of an older daemon");
      Require(!entry->data().empty(), "no variable is empty");
    }
    Require(count == store.size() && found.size() == count, "every variable is there once");
    Require(used_bytes == store.used_bytes(), "the used bytes are those of the variables");
    Require(used_bytes <= engine::kStoreBytes, "the store keeps its limit");
    Require(count <= store::kMaxVariables, "the number of variables keeps its limit");
    const bool has_pk = store.Find(store::KeyOf(efi::kPk)) != nullptr;
    Require(ByteOf(efi::kSetupMode) == (has_pk ? 0 : 1), "SetupMode says whether there is a PK");
    // What this boot did, which the PK of a moment later does not change.
    Require(ByteOf(efi::kSecureBoot) == 0 || (ByteOf(efi::kSecureBoot) == 1 && secure_boot_),
            "SecureBoot is on only when the host wants it");
    Require(ByteOf(efi::kAuditMode) == 0 || (!has_pk && ByteOf(efi::kDeployedMode) == 0),
            "in audit mode there is no PK");
    Walk(count);
  }

 private:
  void Start(std::uint8_t platform) {
    secure_boot_ = (platform & 1U) != 0;
    dispatcher_.reset();
    services_ =
        std::make_unique<engine::VariableServices>(engine::Policy{.secure_boot = secure_boot_,
                                                                  .enforce = (platform & 2U) == 0,
                                                                  .tool = (platform & 4U) != 0},
                                                   backend_, log_);
    dispatcher_ = std::make_unique<guest::Dispatcher>(*services_, log_);
    platform_ = platform;
  }

  /// The storage works at a start: otherwise there is no VM.
  void Boot(std::uint8_t platform) {
    backend_.FailAlways(false);
    Start(platform);
    Require(services_->Boot({}).ok(), "what was kept can be booted from");
    backend_.FailAlways(!works_);
  }

  void Resume() {
    const Bytes saved = services_->Save();
    const auto room = [this] {
      return services_->QueryVariableInfo({.attributes = 0x07}).remaining_storage;
    };
    const std::uint64_t room_before = room();
    backend_.FailAlways(false);
    Start(platform_);
    Require(services_->Resume(saved).ok(), "what was saved can be resumed");
    Require(services_->Save() == saved, "what was resumed is what was saved");
    Require(room() == room_before, "the latch is where it was");
    backend_.FailAlways(!works_);
  }

  void Command(ByteSpan request) {
    if (!request.empty()) {
      std::memcpy(pages_.data(), request.data(), std::min(request.size(), guest::kSharedBytes));
    }
    before_ = pages_;
    guest::MappedPages pages(pages_.data());
    const std::size_t size = dispatcher_->Serve(pages);
    Require(size >= 8 && size <= guest::kSharedBytes, "an answer fits the pages");
    Require(std::memcmp(BytesOf(pages_) + size, BytesOf(before_) + size,
                        guest::kSharedBytes - size) == 0,
            "nothing is written behind an answer");
    std::uint64_t status = 0;
    Require(base::Reader({BytesOf(pages_), guest::kSharedBytes}).ReadU64(status) &&
                std::ranges::count(kStatuses, static_cast<efi::Status>(status)) == 1,
            "an answer begins with a status");
  }

  static const std::uint8_t* BytesOf(const std::vector<std::uint64_t>& words) {
    return static_cast<const std::uint8_t*>(static_cast<const void*>(words.data()));
  }

  void Fill(const Step& step) {
    const std::array<std::uint8_t, 2> name = {static_cast<std::uint8_t>('A' + step.port % 16), 0};
    const Bytes data(step.value % 57346, 0xFF);
    base::Writer request;
    request.WriteU32(1);
    request.WriteU32(1);
    request.WriteU64(name.size());
    request.WriteBytes(name);
    request.WriteBytes(Bytes(16, 1));
    request.WriteU64(data.size());
    request.WriteBytes(data);
    request.WriteU32(step.size);
    request.WriteU8(step.port / 16);
    Command(request.Take());
  }

  int ByteOf(const efi::WellKnownVariable& variable) {
    const auto* found = services_->store().Find(store::KeyOf(variable));
    return found == nullptr || found->data().size() != 1 ? -1 : found->data()[0];
  }

  /// A walk as a guest does it, with the names that it is given.
  void Walk(std::size_t count) {
    std::string name;
    efi::Guid vendor;
    std::size_t steps = 0;
    for (;; ++steps) {
      Require(steps <= count, "a walk ends");
      const Bytes bytes = base::ToBytes(name);
      const auto reply =
          services_->GetNextVariableName({.name_size = 5000, .name = bytes, .vendor = vendor});
      if (reply.reason != engine::Reason::kSuccess) {
        Require(engine::StatusOf(reply.reason) == efi::Status::kNotFound, "a walk has an end");
        break;
      }
      name = reply.name;
      vendor = reply.vendor;
    }
  }

  Silence log_;
  engine::FailingBackend backend_;
  bool works_ = true;
  bool secure_boot_ = false;
  std::uint8_t platform_ = 0;
  std::unique_ptr<engine::VariableServices> services_;
  std::unique_ptr<guest::Dispatcher> dispatcher_;
  std::vector<std::uint64_t> pages_ =
      std::vector<std::uint64_t>(guest::kSharedBytes / sizeof(std::uint64_t));
  std::vector<std::uint64_t> before_;
};

}  // namespace
}  // namespace varstored::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored::fuzz;
  const Sequence sequence = ReadSequence({data, size});
  Machine machine(sequence.platform);
  for (const Step& step : sequence.steps) {
    machine.Take(step);
  }
  machine.Check();
  return 0;
}
