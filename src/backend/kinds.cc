#include "varstored/backend/kinds.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "varstored/backend/memory.h"

namespace varstored::backend {
namespace {

using OpenedBackend = base::Result<std::unique_ptr<store::Backend>>;

std::optional<std::string> Value(const BackendArguments& arguments, std::string_view name) {
  const auto found = arguments.find(name);
  return found == arguments.end() ? std::nullopt : std::optional(found->second);
}

constexpr std::array kMemoryArguments = {BackendArgument{"init", false}};

base::Result<BackendFiles> NoFiles(const BackendArguments& /*arguments*/) { return BackendFiles(); }

OpenedBackend OpenMemory(const BackendArguments& arguments, BackendFiles /*files*/,
                         const XapiOptions& /*xapi*/, base::Log& log) {
  return std::unique_ptr<store::Backend>(
      std::make_unique<MemoryBackend>(Value(arguments, "init"), log));
}

constexpr std::array kSqliteArguments = {BackendArgument{"path", true}};

base::Result<BackendFiles> OpenSqliteFiles(const BackendArguments& arguments) {
  auto files = OpenDatabaseFiles(*Value(arguments, "path"), DatabaseUse::kMake);
  return files ? base::Result<BackendFiles>(*std::move(files)) : files.failure();
}

OpenedBackend OpenSqlite(const BackendArguments& /*arguments*/, BackendFiles files,
                         const XapiOptions& /*xapi*/, base::Log& log) {
  auto opened = SqliteBackend::Open(*std::move(files), log);
  if (!opened) {
    return opened.failure();
  }
  return std::unique_ptr<store::Backend>(*std::move(opened));
}

constexpr std::array kXapiArguments = {BackendArgument{"uuid", true},
                                       BackendArgument{"socket", false}};

OpenedBackend OpenXapi(const BackendArguments& arguments, BackendFiles /*files*/,
                       const XapiOptions& xapi, base::Log& log) {
  XapiOptions options = xapi;
  options.socket_path = Value(arguments, "socket").value_or(options.socket_path);
  options.vm_uuid = *Value(arguments, "uuid");
  return std::unique_ptr<store::Backend>(std::make_unique<XapiBackend>(std::move(options), log));
}

constexpr std::array kKinds = {
    BackendKind{"xapidb", kXapiArguments, true, NoFiles, OpenXapi},
    BackendKind{"memory", kMemoryArguments, false, NoFiles, OpenMemory},
    BackendKind{"sqlite", kSqliteArguments, true, OpenSqliteFiles, OpenSqlite},
};

}  // namespace

bool BackendKind::Takes(std::string_view argument) const {
  return std::ranges::any_of(arguments,
                             [&](const BackendArgument& row) { return row.name == argument; });
}

std::span<const BackendKind> BackendKinds() { return kKinds; }

const BackendKind* FindBackendKind(std::string_view name) {
  const auto* found = std::ranges::find(kKinds, name, &BackendKind::name);
  return found == kKinds.end() ? nullptr : found;
}

}  // namespace varstored::backend
