#include "backends.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "varstored/backend/memory.h"
#include "varstored/backend/sqlite.h"

namespace varstored::daemon {
namespace {

using OpenedBackend = base::Result<std::unique_ptr<store::Backend>>;

std::optional<std::string> Value(const BackendArguments& arguments, std::string_view name) {
  const auto found = arguments.find(name);
  return found == arguments.end() ? std::nullopt : std::optional(found->second);
}

constexpr std::array kMemoryArguments = {BackendArgument{"init", false}};

OpenedBackend OpenMemory(const BackendArguments& arguments, base::Log& log) {
  return std::unique_ptr<store::Backend>(
      std::make_unique<backend::MemoryBackend>(Value(arguments, "init"), log));
}

constexpr std::array kSqliteArguments = {BackendArgument{"path", true}};

OpenedBackend OpenSqlite(const BackendArguments& arguments, base::Log& log) {
  auto opened = backend::SqliteBackend::Open(*Value(arguments, "path"), log);
  if (!opened) {
    return opened.failure();
  }
  return std::unique_ptr<store::Backend>(*std::move(opened));
}

constexpr std::array kBackends = {
    BackendKind{"memory", kMemoryArguments, OpenMemory},
    BackendKind{"sqlite", kSqliteArguments, OpenSqlite},
};

}  // namespace

bool BackendKind::Takes(std::string_view argument) const {
  return std::ranges::any_of(arguments,
                             [&](const BackendArgument& row) { return row.name == argument; });
}

std::span<const BackendKind> Backends() { return kBackends; }

const BackendKind* FindBackend(std::string_view name) {
  const auto* found = std::ranges::find(kBackends, name, &BackendKind::name);
  return found == kBackends.end() ? nullptr : found;
}

}  // namespace varstored::daemon
