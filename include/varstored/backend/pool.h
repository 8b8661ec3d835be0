#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/result.h"

namespace varstored::backend {

/// A VM, a snapshot or a template, as xapi describes it.
struct PoolVm {
  std::string uuid;
  /// UTF-8 of an administrator's, or of whoever exported the VM.
  std::string name;
  std::string power_state;  // such as "Halted"
  bool is_template = false;
  bool is_snapshot = false;
  bool is_default_template = false;
  bool is_control_domain = false;
  bool is_uefi = false;
  bool wants_secure_boot = false;
  /// VM.secureboot_certificates_state, such as "update_available"; empty where this toolstack has
  /// no such field.
  std::string certificates_state;
  /// VM.domid: another one after each start, and -1 while the VM is off.
  std::string domain;
  bool has_tpm = false;  // VM.VTPMs
  std::vector<std::string> tags;
  /// VM.NVRAM["EFI-variables"], base64; nothing before the first boot.
  std::optional<std::string> variables;
};

struct PoolOptions {
  /// xapi's own socket, on the pool's master.
  std::string socket_path;
  /// How long a toolstack that cannot be reached is waited for.
  std::chrono::milliseconds patience;
  /// Readable once the process is told to stop, which ends a call at once; -1: never.
  int stop_fd = -1;
};

/// All that a pool has, to be looked at: one call for the list and one a VM, so that no more than
/// one VM's variables are in memory.
class Pool {
 public:
  explicit Pool(const PoolOptions& options);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// References, in no order. On a host that is not the master the error says where the master is.
  [[nodiscard]] base::Result<std::vector<std::string>> List();
  /// The references of the VMs, snapshots and templates that have this name.
  [[nodiscard]] base::Result<std::vector<std::string>> ListByName(const std::string& name);
  /// Nothing when it is gone meanwhile.
  [[nodiscard]] base::Result<std::optional<PoolVm>> Find(const std::string& reference);
  /// The same, by the VM's uuid.
  [[nodiscard]] base::Result<std::optional<PoolVm>> FindByUuid(const std::string& uuid);
  /// Asks for the update of the VM's certificates at its next boot, or takes that back
  /// (VM.update_secureboot_certificates_on_boot). XAPI refuses where nothing is to be updated.
  [[nodiscard]] base::Result<void> MarkForUpdate(const std::string& uuid, bool mark);

 private:
  /// Nothing where no VM has this uuid.
  [[nodiscard]] base::Result<std::optional<std::string>> ReferenceOf(const std::string& uuid);
  [[nodiscard]] base::Result<std::vector<std::string>> Ask(std::string_view method,
                                                           std::string_view parameter);

  class Calls;

  std::unique_ptr<Calls> calls_;
};

}  // namespace varstored::backend
