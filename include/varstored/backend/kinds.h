#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "varstored/backend/sqlite.h"
#include "varstored/backend/xapi.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/store/backend.h"

namespace varstored::backend {

/// An argument of a backend, as in --arg NAME:VALUE.
struct BackendArgument {
  std::string_view name;
  bool is_required;
};

/// The arguments that were given, by name.
using BackendArguments = std::map<std::string, std::string, std::less<>>;

/// What a backend keeps variables in, open.
using BackendFiles = std::optional<DatabaseFiles>;

/// A place where variables can be kept, as --backend names it.
struct BackendKind {
  std::string_view name;
  std::span<const BackendArgument> arguments;
  /// Whether what is written there is there afterwards.
  bool is_lasting;
  /// Opens, or makes, the files that variables are kept in, while the process may still do that,
  /// and looks at nothing in them; none for a backend that has no such files. All required
  /// arguments are there.
  base::Result<BackendFiles> (*open_files)(const BackendArguments& arguments);
  /// `files` are those of open_files. `xapi` has what only a toolstack's backend needs; its socket
  /// and its uuid are taken from the arguments. `log` outlives the backend.
  base::Result<std::unique_ptr<store::Backend>> (*open)(const BackendArguments& arguments,
                                                        BackendFiles files, const XapiOptions& xapi,
                                                        base::Log& log);

  [[nodiscard]] bool Takes(std::string_view argument) const;
};

/// All of them.
[[nodiscard]] std::span<const BackendKind> BackendKinds();

/// The one with this name, or null.
[[nodiscard]] const BackendKind* FindBackendKind(std::string_view name);

}  // namespace varstored::backend
