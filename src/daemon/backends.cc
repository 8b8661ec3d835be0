#include "backends.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "varstored/backend/memory.h"
#include "varstored/backend/sqlite.h"
#include "varstored/backend/xapi.h"
#include "varstored/engine/certificate_state.h"

namespace varstored::daemon {
namespace {

using OpenedBackend = base::Result<std::unique_ptr<store::Backend>>;

std::optional<std::string> Value(const Options& options, std::string_view name) {
  const auto found = options.backend_arguments.find(name);
  return found == options.backend_arguments.end() ? std::nullopt : std::optional(found->second);
}

constexpr std::array kMemoryArguments = {BackendArgument{"init", false}};

OpenedBackend OpenMemory(const Options& options, int /*stop_fd*/, base::Log& log) {
  return std::unique_ptr<store::Backend>(
      std::make_unique<backend::MemoryBackend>(Value(options, "init"), log));
}

constexpr std::array kSqliteArguments = {BackendArgument{"path", true}};

OpenedBackend OpenSqlite(const Options& options, int /*stop_fd*/, base::Log& log) {
  auto opened = backend::SqliteBackend::Open(*Value(options, "path"), log);
  if (!opened) {
    return opened.failure();
  }
  return std::unique_ptr<store::Backend>(*std::move(opened));
}

constexpr std::array kXapiArguments = {BackendArgument{"uuid", true},
                                       BackendArgument{"socket", false}};

bool AreCertificatesUpToDate(base::ByteSpan kek, base::ByteSpan db) {
  return engine::CertificateStateOf(kek, db) == engine::CertificateState::kUpToDate;
}

OpenedBackend OpenXapi(const Options& options, int stop_fd, base::Log& log) {
  backend::XapiOptions xapi;
  xapi.socket_path = Value(options, "socket").value_or(xapi.socket_path);
  xapi.vm_uuid = *Value(options, "uuid");
  xapi.start_budget = options.start_budget;
  xapi.request_budget = options.request_budget;
  xapi.stop_fd = stop_fd;
  xapi.are_certificates_up_to_date = AreCertificatesUpToDate;
  return std::unique_ptr<store::Backend>(
      std::make_unique<backend::XapiBackend>(std::move(xapi), log));
}

constexpr std::array kBackends = {
    BackendKind{"xapidb", kXapiArguments, OpenXapi},
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
