#include "varstored/backend/pool.h"

#include <string_view>
#include <utility>

#include "toolstack.h"
#include "varstored/efi/guid.h"

namespace varstored::backend {
namespace {

/// A toolstack in trouble takes its time.
constexpr std::chrono::minutes kCallBudget{2};

std::string TextOf(const XmlRpcValue& record, std::string_view name) {
  const XmlRpcValue* member = record.Member(name);
  return member == nullptr ? std::string() : member->text;
}

bool IsSet(const XmlRpcValue& record, std::string_view name) {
  const std::string text = TextOf(record, name);
  return text == "1" || text == "true";
}

/// What the map `name` of the record has under `key`; null when there is no such thing.
const XmlRpcValue* InMap(const XmlRpcValue& record, std::string_view name, std::string_view key) {
  const XmlRpcValue* map = record.Member(name);
  return map == nullptr ? nullptr : map->Member(key);
}

bool MapSays(const XmlRpcValue& record, std::string_view name, std::string_view key,
             std::string_view word) {
  const XmlRpcValue* value = InMap(record, name, key);
  return value != nullptr && value->text == word;
}

/// What an administrator can do about a call that failed with `why`.
base::Failure<base::Error> Failed(const std::string& why) {
  constexpr std::string_view kSlave = "HOST_IS_SLAVE";
  if (const std::size_t at = why.find(kSlave); at != std::string::npos) {
    return base::Fail("this host is not the master of its pool: run this on the master" +
                      why.substr(at + kSlave.size()));
  }
  if (why.find("UnknownMethod") != std::string::npos) {
    return base::Fail(why + ": a guard of one VM listens at this socket; a pool is asked for at " +
                      std::string(Toolstack::kXapiSocket));
  }
  return base::Fail(why);
}

}  // namespace

/// Keeps the transport out of the header.
class Pool::Calls : public Toolstack {
 public:
  using Toolstack::Toolstack;
};

Pool::Pool(const PoolOptions& options)
    : calls_(std::make_unique<Calls>(options.socket_path, std::nullopt, options.stop_fd,
                                     options.patience)) {}

Pool::~Pool() = default;

base::Result<std::vector<std::string>> Pool::List() { return Ask("VM.get_all", {}); }

base::Result<std::vector<std::string>> Pool::ListByName(const std::string& name) {
  return Ask("VM.get_by_name_label", name);
}

base::Result<std::vector<std::string>> Pool::Ask(std::string_view method,
                                                 std::string_view parameter) {
  const auto answer = calls_->Ask(method, parameter, Clock::now() + kCallBudget);
  if (!answer) {
    return Failed(answer.error().message);
  }
  if (!*answer) {
    return Failed(std::string(method) + ": " + answer->error().Text());
  }
  const XmlRpcValue& list = **answer;
  if (list.kind != XmlRpcValue::Kind::kArray) {
    return base::Fail(std::string(method) + ": the answer is no list");
  }
  std::vector<std::string> references;
  references.reserve(list.items.size());
  for (const XmlRpcValue& item : list.items) {
    references.push_back(item.text);
  }
  return references;
}

base::Result<std::optional<PoolVm>> Pool::Find(const std::string& reference) {
  constexpr std::string_view kMethod = "VM.get_record";
  const auto answer = calls_->Ask(kMethod, reference, Clock::now() + kCallBudget);
  if (!answer) {
    return Failed(answer.error().message);
  }
  if (!*answer) {
    if (answer->error().code() == "HANDLE_INVALID") {
      return std::optional<PoolVm>();
    }
    return Failed(std::string(kMethod) + ": " + answer->error().Text());
  }
  const XmlRpcValue& record = **answer;
  PoolVm vm;
  vm.uuid = TextOf(record, "uuid");
  if (record.Member("NVRAM") == nullptr) {
    return base::Fail(std::string(kMethod) + ": the answer is no VM");
  }
  // It is what the VM is found by from here on: another word could be a path.
  if (!efi::ParseGuid(vm.uuid)) {
    return base::Fail(std::string(kMethod) + ": the answer's 'uuid' is no uuid");
  }
  vm.name = TextOf(record, "name_label");
  vm.power_state = TextOf(record, "power_state");
  vm.is_template = IsSet(record, "is_a_template");
  vm.is_snapshot = IsSet(record, "is_a_snapshot");
  vm.is_default_template = IsSet(record, "is_default_template") ||
                           MapSays(record, "other_config", "default_template", "true");
  vm.is_control_domain = IsSet(record, "is_control_domain");
  vm.is_uefi = MapSays(record, "HVM_boot_params", "firmware", "uefi");
  vm.wants_secure_boot = MapSays(record, "platform", "secureboot", "true");
  vm.certificates_state = TextOf(record, "secureboot_certificates_state");
  vm.domain = TextOf(record, "domid");
  if (const XmlRpcValue* tpms = record.Member("VTPMs")) {
    vm.has_tpm = !tpms->items.empty();
  }
  if (const XmlRpcValue* tags = record.Member("tags")) {
    for (const XmlRpcValue& tag : tags->items) {
      vm.tags.push_back(tag.text);
    }
  }
  if (const XmlRpcValue* variables = InMap(record, "NVRAM", "EFI-variables")) {
    vm.variables = variables->text;
  }
  return std::optional(std::move(vm));
}

base::Result<std::optional<std::string>> Pool::ReferenceOf(const std::string& uuid) {
  constexpr std::string_view kMethod = "VM.get_by_uuid";
  const auto answer = calls_->Ask(kMethod, uuid, Clock::now() + kCallBudget);
  if (!answer) {
    return Failed(answer.error().message);
  }
  if (!*answer) {
    if (answer->error().code() == "UUID_INVALID") {
      return std::optional<std::string>();
    }
    return Failed(std::string(kMethod) + ": " + answer->error().Text());
  }
  return std::optional((*answer)->text);
}

base::Result<std::optional<PoolVm>> Pool::FindByUuid(const std::string& uuid) {
  const auto reference = ReferenceOf(uuid);
  if (!reference) {
    return reference.failure();
  }
  return *reference ? Find(**reference) : std::optional<PoolVm>();
}

base::Result<void> Pool::MarkForUpdate(const std::string& uuid, bool mark) {
  constexpr std::string_view kMethod = "VM.update_secureboot_certificates_on_boot";
  const auto reference = ReferenceOf(uuid);
  if (!reference) {
    return reference.failure();
  }
  if (!*reference) {
    return base::Fail("there is no such VM any more");
  }
  const auto answer = calls_->Set(kMethod, **reference, mark, Clock::now() + kCallBudget);
  if (!answer) {
    return Failed(answer.error().message);
  }
  if (!*answer) {
    return Failed(std::string(kMethod) + ": " + answer->error().Text());
  }
  return {};
}

}  // namespace varstored::backend
