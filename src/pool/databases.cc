#include "varstored/pool/databases.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "varstored/efi/guid.h"
#include "varstored/live/snapshot.h"
#include "varstored/tool/live.h"
#include "varstored/tool/place.h"

namespace varstored::pool {
namespace {

base::Result<std::vector<std::string>> UuidsIn(const std::string& folder) {
  std::vector<std::string> uuids;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    std::string name = entry->path().filename();
    if (efi::ParseGuid(name)) {
      uuids.push_back(std::move(name));
    }
  }
  if (error) {
    return base::Fail(folder + ": " + error.message());
  }
  std::sort(uuids.begin(), uuids.end());
  return uuids;
}

/// Nothing where a signal came before the VM's daemon had answered.
std::optional<Vm> Read(const FolderOptions& options, const std::string& uuid,
                       const StopSignals& signals, base::Log& log) {
  Vm vm;
  vm.uuid = uuid;
  vm.kind = "vm";
  auto live = tool::AskLive(options.live_folder + "/" + uuid, {}, log, signals.fd());
  if (!live && signals.HaveCome()) {
    return std::nullopt;
  }
  if (live) {
    vm.power_state = "Running";
    vm.form = Vm::Form::kSnapshot;
    vm.bytes = std::move(live->bytes);
    vm.socket_name = live::ToText(live->name);
    vm.target = uuid;
    return vm;
  }
  tool::PlaceOptions place;
  place.operand = options.folder + "/" + uuid + "/variables.sqlite";
  place.only_looks = true;
  const auto opened = tool::Place::Open(place, log);
  if (!opened) {
    vm.error = opened.error().message + "; " + live.error().message;
  } else if (opened->kept().form != tool::Kept::Form::kRows) {
    vm.error = place.operand + ": not a database of the sqlite backend";
  } else {
    vm.bytes = opened->kept().bytes;
    vm.secure_boot_at_last_start = opened->wanted_secure_boot_at_last_start();
    vm.target = place.operand;
  }
  return vm;
}

}  // namespace

base::Result<std::string> VisitFolder(const FolderOptions& options, const StopSignals& signals,
                                      const FolderVisitor& visitor, base::Log& log) {
  const auto uuids = UuidsIn(options.folder);
  if (!uuids) {
    return uuids.failure();
  }
  std::size_t done = 0;
  for (const std::string& uuid : *uuids) {
    visitor.begin(done, uuids->size());
    if (signals.HaveCome()) {
      return EndedEarly("interrupted", uuids->size() - done);
    }
    const auto vm = Read(options, uuid, signals, log);
    if (!vm) {
      return EndedEarly("interrupted", uuids->size() - done);
    }
    visitor.vm(*vm);
    ++done;
  }
  return std::string();
}

}  // namespace varstored::pool
