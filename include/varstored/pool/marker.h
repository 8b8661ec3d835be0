#pragma once

#include <optional>
#include <string>

#include "varstored/backend/pool.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/pool/walk.h"
#include "varstored/sandbox/helper.h"

namespace varstored::pool {

/// XAPI's marks for the update of certificates at a VM's next boot, and its word on single VMs, by
/// a helper process that can connect and nothing else. What comes from it is foreign.
class Marker {
 public:
  /// `stop` outlives the object.
  [[nodiscard]] static base::Result<Marker> Start(const ToolstackOptions& options,
                                                  sandbox::Stop& stop);

  /// The VM without its variables; nothing when it is gone.
  [[nodiscard]] base::Result<std::optional<backend::PoolVm>> Find(const std::string& uuid,
                                                                  base::Log& log);
  /// Marks the VM, or takes the mark back. An error has XAPI's words.
  [[nodiscard]] base::Result<void> Mark(const std::string& uuid, bool mark, base::Log& log);

 private:
  explicit Marker(sandbox::Helper helper) : helper_(std::move(helper)) {}

  sandbox::Helper helper_;
};

}  // namespace varstored::pool
