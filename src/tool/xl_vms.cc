#include "varstored/tool/xl_vms.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "varstored/base/held_file.h"
#include "varstored/efi/guid.h"
#include "varstored/health/text.h"
#include "varstored/tool/live.h"

namespace varstored::tool {
namespace {

/// How many files beside the VMs' folders are looked at.
constexpr std::size_t kMostFiles = 65536;

}  // namespace

base::Result<std::string> KeptVmName(const base::HeldFolder& vms, const std::string& uuid) {
  const auto file = base::HeldFile::OpenIn(vms, uuid + std::string(kVmNameEnd));
  if (!file) {
    return file.failure();
  }
  const auto kept =
      file->exists() ? file->Read(kMaxVmNameBytes) : base::Result<base::Bytes>(base::Bytes());
  return kept ? base::Result<std::string>(base::ToString(*kept)) : kept.failure();
}

base::Result<std::vector<XlVm>> VmsOfXl(const HostFolders& folders) {
  std::vector<XlVm> vms;
  std::error_code error;
  if (!std::filesystem::exists(folders.vms, error)) {
    return vms;
  }
  const auto folder = base::HeldFolder::Open(folders.vms);
  if (!folder) {
    return folder.failure();
  }
  auto names = folder->Names(kMostFiles);
  if (!names) {
    return names.failure();
  }
  std::ranges::sort(*names);
  for (const std::string& uuid : *names) {
    if (!efi::ParseGuid(uuid)) {
      continue;
    }
    const auto name = KeptVmName(*folder, uuid);
    const auto listening = UuidOfListening(folders.live, uuid);
    vms.push_back({uuid, name ? *name : std::string(),
                   listening ? std::optional(listening->has_value()) : std::nullopt});
  }
  return vms;
}

base::Result<std::string> ListOfVms() {
  if (HasToolstack()) {
    return std::string();
  }
  const auto vms = VmsOfXl({});
  if (!vms || vms->empty()) {
    return vms ? base::Result<std::string>(std::string()) : vms.failure();
  }
  constexpr std::size_t kUuidColumns = 36;
  constexpr std::size_t kStateColumns = 5;
  std::string text = "UUID" + std::string(kUuidColumns - 4, ' ') + "  STATE  NAME\n";
  for (const XlVm& vm : *vms) {
    const std::string state = !vm.is_running ? "?" : *vm.is_running ? "on" : "off";
    text += vm.uuid + "  " + state;
    if (!vm.name.empty()) {
      text += std::string(kStateColumns - state.size(), ' ') + "  " + health::ForTerminal(vm.name);
    }
    text += "\n";
  }
  return text;
}

}  // namespace varstored::tool
