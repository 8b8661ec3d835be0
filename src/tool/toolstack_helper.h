#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "varstored/backend/kinds.h"
#include "varstored/base/bytes.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/sandbox/helper.h"
#include "varstored/tool/place.h"

namespace varstored::tool {

/// Speaks HTTP and XML for a tool, in a helper process that can connect and nothing else. It hands
/// the variables on as the text that they are, and looks into none of them.
class ToolstackHelper {
 public:
  /// `arguments` are those of the backend xapidb. Nothing is sent yet. Without `stop`, as for one
  /// VM, `log`, which outlives this, is told once when an answer takes long.
  [[nodiscard]] static base::Result<std::unique_ptr<ToolstackHelper>> Start(
      const backend::BackendArguments& arguments, std::chrono::seconds patience,
      sandbox::Stop* stop, base::Log& log);
  explicit ToolstackHelper(sandbox::Helper helper) : helper_(std::move(helper)) {}

  // As the methods of store::Backend.
  [[nodiscard]] base::Result<std::optional<base::Bytes>> KeptText(base::Log& log);
  [[nodiscard]] base::Result<std::optional<std::string>> VmState(base::Log& log);
  [[nodiscard]] base::Result<std::optional<bool>> WantsSecureBoot(base::Log& log);
  [[nodiscard]] base::Result<void> Keep(const NewBytes& changed, base::Log& log);

 private:
  [[nodiscard]] base::Result<std::optional<base::Bytes>> Ask(base::Bytes request, base::Log& log);

  sandbox::Helper helper_;
};

}  // namespace varstored::tool
