#include "varstored/tool/vm_name.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "varstored/backend/pool.h"
#include "varstored/backend/xapi.h"
#include "varstored/base/file.h"
#include "varstored/base/held_file.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/guid.h"
#include "varstored/tool/command_line.h"
#include "varstored/tool/live.h"
#include "varstored/tool/standard_input.h"
#include "varstored/tool/xl_vms.h"

namespace varstored::tool {
namespace {

/// The highest number that Xen gives to a guest, 32751, has five digits.
constexpr std::size_t kMostDigits = 5;
/// How many VMs' names are looked at, and how many VMs, templates and snapshots of one name.
constexpr std::size_t kMostNames = 65536;
constexpr std::size_t kMostOfOneName = 64;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsThere(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

std::string Quoted(const std::string& name) { return "'" + base::Printable(name) + "'"; }

base::Result<std::string> TheOnlyOne(const std::string& name, std::vector<std::string> uuids,
                                     const std::string& where) {
  if (uuids.empty()) {
    return base::Fail(Quoted(name) + ": there is no such file, and no VM has this name " + where +
                      ". Give the VM's uuid, or the path of a file");
  }
  if (uuids.size() == 1) {
    return std::move(uuids.front());
  }
  std::ranges::sort(uuids);
  std::string list;
  for (const std::string& uuid : uuids) {
    list += (list.empty() ? "" : ", ") + uuid;
  }
  return Misuse(Quoted(name) + " is the name of " + std::to_string(uuids.size()) + " VMs (" + list +
                "): give the uuid");
}

/// For a helper process: the uuids of the VMs that have this name.
base::Result<base::Bytes> Ask(backend::Pool& pool, const std::string& name) {
  const auto references = pool.ListByName(name);
  if (!references) {
    return references.failure();
  }
  if (references->size() > kMostOfOneName) {
    return base::Fail("more than " + std::to_string(kMostOfOneName) +
                      " VMs, templates and snapshots have this name: give the VM's uuid");
  }
  base::Writer uuids;
  for (const std::string& reference : *references) {
    const auto vm = pool.Find(reference);
    if (!vm) {
      return vm.failure();
    }
    if (*vm && !(*vm)->is_template && !(*vm)->is_snapshot && !(*vm)->is_control_domain) {
      WriteText(uuids, (*vm)->uuid);
    }
  }
  return uuids.Take();
}

base::Result<std::string> UuidInToolstack(const PlaceOptions& options, base::Log& log,
                                          sandbox::Stop* stop) {
  std::function<void()> on_wait;
  if (stop == nullptr) {
    on_wait = [&log] { log.Info("the toolstack has not answered yet; it is asked for the name"); };
  }
  auto helper = sandbox::Helper::Start(
      {.keeps = sandbox::HelperKeeps::kConnecting, .stop = stop, .on_wait = on_wait},
      [&options](int stop_fd, base::Log& /*lines*/) -> sandbox::Helper::Work {
        const auto pool = std::make_shared<backend::Pool>(backend::PoolOptions{
            .socket_path = options.socket.value_or(backend::XapiOptions().socket_path),
            .patience = options.wait,
            .stop_fd = stop_fd});
        return [pool](base::ByteSpan name) { return Ask(*pool, base::ToString(name)); };
      });
  if (!helper) {
    return helper.failure();
  }
  const auto answer = helper->Ask(base::ToBytes(options.operand), log);
  if (!answer) {
    return base::Fail(
        Quoted(options.operand) +
        ": there is no such file, and a VM of this name is not known: " + answer.error().message);
  }
  base::Reader reader(*answer);
  std::vector<std::string> uuids;
  while (!reader.empty()) {
    std::string uuid;
    if (!ReadText(reader, uuid) || !efi::ParseGuid(uuid)) {
      return sandbox::BrokenAnswer();
    }
    uuids.push_back(std::move(uuid));
  }
  return TheOnlyOne(options.operand, std::move(uuids), "in the toolstack");
}

}  // namespace

OperandKind KindOf(std::string_view operand) {
  if (operand.find('/') != std::string_view::npos || operand == "." || operand == ".." ||
      operand == kStandardInput) {
    return OperandKind::kPath;
  }
  if (efi::ParseGuid(operand)) {
    return OperandKind::kUuid;
  }
  if (IsThere(operand)) {
    return OperandKind::kPath;
  }
  return !operand.empty() && operand.size() <= kMostDigits && std::ranges::all_of(operand, IsDigit)
             ? OperandKind::kNumber
             : OperandKind::kName;
}

base::Result<std::string> UuidOfDomain(const std::string& number, const HostFolders& folders) {
  const auto uuid = UuidOfListening(folders.live, number);
  if (!uuid) {
    return uuid.failure();
  }
  if (!*uuid) {
    return base::Fail(number + ": there is no such file, and no varstored in " + folders.live +
                      " serves a domain of this number for a VM whose uuid it was told. Give the "
                      "VM's uuid, or the path of a file");
  }
  return efi::ToText(**uuid);
}

base::Result<std::string> UuidOfName(const std::string& name, const HostFolders& folders) {
  const std::string where = "in " + folders.vms;
  if (!IsThere(folders.vms)) {
    return TheOnlyOne(name, {}, where);
  }
  const auto folder = base::HeldFolder::Open(folders.vms);
  if (!folder) {
    return folder.failure();
  }
  const auto files = folder->Names(kMostNames);
  if (!files) {
    return files.failure();
  }
  std::vector<std::string> uuids;
  for (const std::string& file_name : *files) {
    const std::string uuid =
        file_name.substr(0, file_name.size() - std::min(file_name.size(), kVmNameEnd.size()));
    if (!file_name.ends_with(kVmNameEnd) || !efi::ParseGuid(uuid) ||
        std::ranges::find(*files, uuid) == files->end()) {
      continue;
    }
    const auto kept = KeptVmName(*folder, uuid);
    if (!kept) {
      return kept.failure();
    }
    if (*kept == name) {
      uuids.push_back(uuid);
    }
  }
  return TheOnlyOne(name, std::move(uuids), where);
}

base::Result<PlaceOptions> Understood(const PlaceOptions& options, base::Log& log,
                                      sandbox::Stop* stop) {
  if (!options.backend.empty()) {
    return options;
  }
  const OperandKind kind = KindOf(options.operand);
  if (kind == OperandKind::kPath || kind == OperandKind::kUuid) {
    return options;
  }
  if (options.operand.empty() || options.operand.size() > kMaxVmNameBytes) {
    return base::Fail("a VM's name has from 1 to " + std::to_string(kMaxVmNameBytes) +
                      " bytes here: give the VM's uuid, or the path of a file");
  }
  const auto uuid = kind == OperandKind::kNumber       ? UuidOfDomain(options.operand, {})
                    : options.socket || HasToolstack() ? UuidInToolstack(options, log, stop)
                                                       : UuidOfName(options.operand, {});
  if (!uuid) {
    return uuid.failure();
  }
  PlaceOptions understood = options;
  understood.operand = *uuid;
  return understood;
}

bool HasToolstack() {
  return IsThere(std::filesystem::path(backend::XapiOptions().socket_path).parent_path());
}

}  // namespace varstored::tool
