#include "varstored/guest/dispatcher.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <new>
#include <string_view>
#include <utility>
#include <variant>

#include "varstored/efi/guid.h"
#include "varstored/efi/status.h"
#include "varstored/efi/variable_name.h"

namespace varstored::guest {
namespace {

using base::ByteSpan;
using engine::Reason;

constexpr std::uint32_t kCommandPort = kFirstPort;
constexpr std::uint32_t kPpiIndexPort = kFirstPort + 4;
constexpr std::uint32_t kPpiDataPort = kFirstPort + 8;
constexpr std::uint32_t kPortBytes = 4;

/// The data port's registers are bytes, so that an access may begin at each of them; what goes on
/// behind the last one belongs to nobody.
bool IsPpiData(std::uint32_t port, std::uint32_t size) {
  return port >= kPpiDataPort && port < kPpiDataPort + kPortBytes && size >= 1 &&
         std::uint64_t{port} + size <= kPpiDataPort + kPortBytes;
}

/// Answers that a healthy guest gets every day.
bool IsEverydayAnswer(Reason reason) {
  switch (reason) {
    case Reason::kSuccess:
    case Reason::kUnchanged:
    case Reason::kNotFound:
    case Reason::kNothingToDelete:
    case Reason::kHiddenAtRuntime:
    case Reason::kEndOfWalk:
    case Reason::kBufferTooSmall:
      return true;
    default:
      return false;
  }
}

std::string Hex(std::uint32_t value) {
  std::array<char, 8> digits{};
  const auto written = std::to_chars(digits.begin(), digits.end(), value, 16);
  return "0x" + std::string(digits.begin(), written.ptr);
}

/// Logs the line that `make_text` gives, which is asked no more often than the log has lines of
/// that name. When memory is short, the line is left out: the counters have what happened, and an
/// answer matters more.
template <class MakeText>
void LogLine(base::Log& log, base::LogLevel level, std::string_view name,
             const MakeText& make_text) noexcept {
  try {
    log.Write(level, name, make_text);
  } catch (const std::bad_alloc&) {
    return;
  }
}

template <class MakeText>
void LogEvent(base::Log& log, base::Event event, const MakeText& make_text) noexcept {
  LogLine(log, base::LevelOf(event), base::EventName(event), make_text);
}

/// For the log: as much of the name as a line should hold.
template <class NamedRequest>
std::string NameText(const NamedRequest& request) {
  constexpr std::size_t kMaxShownBytes = 128;
  const ByteSpan shown = request.name.first(std::min(request.name.size(), kMaxShownBytes));
  return " '" + efi::EscapeName(base::ToString(shown)) +
         (shown.size() < request.name.size() ? "...' " : "' ") + efi::ToText(request.vendor);
}
std::string NameText(const engine::QueryVariableInfoRequest& /*request*/) { return {}; }
std::string NameText(const NotifySecureBootFailureRequest& /*request*/) { return {}; }

/// Hands each kind of request to its service.
struct Call {
  engine::VariableServices& services;

  [[nodiscard]] auto operator()(const engine::GetVariableRequest& request) const {
    return services.GetVariable(request);
  }
  [[nodiscard]] auto operator()(const engine::SetVariableRequest& request) const {
    return services.SetVariable(request);
  }
  [[nodiscard]] auto operator()(const engine::GetNextVariableNameRequest& request) const {
    return services.GetNextVariableName(request);
  }
  [[nodiscard]] auto operator()(const engine::QueryVariableInfoRequest& request) const {
    return services.QueryVariableInfo(request);
  }
  [[nodiscard]] auto operator()(const NotifySecureBootFailureRequest& /*request*/) const {
    return services.NotifySecureBootFailure();
  }
};

}  // namespace

Dispatcher::Dispatcher(engine::VariableServices& services, base::Log& log)
    : services_(services), log_(log) {
  reply_.reserve(kSharedBytes);
}

std::optional<std::uint32_t> Dispatcher::WritePort(std::uint32_t port, std::uint32_t size,
                                                   std::uint32_t value) {
  if (port == kCommandPort && size == kPortBytes) {
    return value;
  }
  try {
    if (port == kPpiIndexPort && size == kPortBytes) {
      services_.WritePpiIndex(value);
    } else if (IsPpiData(port, size)) {
      services_.WritePpiData(port - kPpiDataPort, size, value);
    } else {
      IgnoreAccess("write to", port, size);
    }
  } catch (const std::bad_alloc&) {
    // A port has no status. The registers are unchanged, as after a failed backend.
    counters_.Count(Counters::kOther, Reason::kOutOfMemory);
  }
  return std::nullopt;
}

std::uint32_t Dispatcher::ReadPort(std::uint32_t port, std::uint32_t size) {
  if (IsPpiData(port, size)) {
    return services_.ReadPpiData(port - kPpiDataPort, size);
  }
  IgnoreAccess("read of", port, size);
  return 0;
}

void Dispatcher::PagesNotMapped(std::uint32_t page) noexcept {
  ++counters_.unmapped;
  LogEvent(log_, base::Event::kPagesNotMapped, [&] {
    return "no answer: the request's pages from " + Hex(page) + " on cannot be mapped";
  });
}

std::string Dispatcher::CountersText() const {
  std::string text;
  const auto add = [&text](std::string_view what, std::uint64_t count) {
    if (count != 0) {
      text += (text.empty() ? "" : ", ") + std::string(what) + " " + std::to_string(count);
    }
  };
  for (std::size_t i = 0; i < engine::kReasonCount; ++i) {
    const auto reason = static_cast<Reason>(i);
    add(engine::ReasonText(reason), counters_.of(reason));
  }
  add(base::EventName(base::Event::kPagesNotMapped), counters_.unmapped);
  add(base::EventName(base::Event::kAccessIgnored), counters_.ignored_accesses);
  return text.empty() ? "none" : text;
}

ByteSpan Dispatcher::Answer(const base::Result<Request, Reason>& request) noexcept {
  base::Writer writer(std::move(reply_));
  Reason reason = Reason::kSuccess;
  if (request) {
    reason = CarryOut(*request, writer);
  } else {
    reason = request.error();
    EncodeStatus(reason, writer);
  }
  reply_ = writer.Take();
  counters_.Count(request ? request->index() : Counters::kOther, reason);
  if (!IsEverydayAnswer(reason)) {
    NoteError(request, reason);
    LogRefusal(request, reason);
  }
  return reply_;
}

Reason Dispatcher::CarryOut(const Request& request, base::Writer& reply) noexcept {
  try {
    return std::visit(
        [&](const auto& call) {
          const auto answer = Call{services_}(call);
          EncodeReply(answer, reply);
          return answer.reason;
        },
        request);
  } catch (const std::bad_alloc&) {
    EncodeStatus(Reason::kOutOfMemory, reply);
    return Reason::kOutOfMemory;
  }
}

void Dispatcher::NoteError(const base::Result<Request, Reason>& request, Reason reason) noexcept {
  LastError& error = last_error_.emplace();
  error.reason = reason;
  error.when = std::chrono::steady_clock::now();
  if (!request) {
    return;
  }
  error.row = request->index();
  std::visit(
      [&error](const auto& call) {
        if constexpr (requires { call.vendor; }) {
          error.vendor = call.vendor;
          error.name_bytes = std::min(call.name.size(), error.name.size());
          std::ranges::copy(call.name.first(error.name_bytes), error.name.begin());
        }
      },
      *request);
}

void Dispatcher::LogRefusal(const base::Result<Request, Reason>& request, Reason reason) noexcept {
  LogLine(log_, base::LogLevel::kInfo, engine::ReasonText(reason), [&] {
    std::string text = "a request";
    if (request) {
      text = std::string(CallName(*request)) +
             std::visit([](const auto& call) { return NameText(call); }, *request);
    }
    text += " (" + std::string(efi::StatusText(engine::StatusOf(reason))) + ")";
    return text + (reason == Reason::kSignerNotTrusted ? ": " + services_.UntrustedText() : "");
  });
}

void Dispatcher::IgnoreAccess(std::string_view direction, std::uint32_t port,
                              std::uint32_t size) noexcept {
  ++counters_.ignored_accesses;
  LogEvent(log_, base::Event::kAccessIgnored, [&] {
    return std::string(direction) + " port " + Hex(port) + ", " + std::to_string(size) +
           " bytes wide";
  });
}

}  // namespace varstored::guest
