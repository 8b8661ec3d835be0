#include "toolstack_helper.h"

#include <functional>

#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/engine/certificate_state.h"
#include "varstored/store/backend.h"

namespace varstored::tool {
namespace {

/// A toolstack in trouble takes its time; its guards give a call two minutes as well.
constexpr std::chrono::milliseconds kCallBudget = std::chrono::minutes(2);

// The first byte of a request; behind kKeep a word on certificates, and the text.
constexpr std::uint8_t kText = 't';
constexpr std::uint8_t kState = 's';
constexpr std::uint8_t kWish = 'w';
constexpr std::uint8_t kKeep = 'k';

constexpr std::uint8_t kNoWord = 'n';
constexpr std::uint8_t kUpToDate = 'u';
constexpr std::uint8_t kOutOfDate = 'o';

/// An answer: one byte, and what there is behind it; none for nothing.
base::Bytes There(std::string_view text) {
  base::Writer writer;
  writer.WriteU8(1);
  writer.WriteBytes(base::ToBytes(text));
  return writer.Take();
}

base::Result<base::Bytes> Answer(const base::Result<std::optional<std::string>>& asked) {
  if (!asked) {
    return asked.failure();
  }
  return *asked ? There(**asked) : base::Bytes();
}

base::Result<base::Bytes> Serve(store::Backend& backend, base::ByteSpan request) {
  base::Reader reader(request);
  std::uint8_t what = 0;
  std::uint8_t word = 0;
  if (!reader.ReadU8(what)) {
    return base::Fail("nothing is asked for");
  }
  if (what == kText) {
    return Answer(backend.KeptText());
  }
  if (what == kState) {
    return Answer(backend.VmState());
  }
  if (what == kWish) {
    const auto wish = backend.WantsSecureBoot();
    if (!wish) {
      return wish.failure();
    }
    return *wish ? There(**wish ? "1" : "0") : base::Bytes();
  }
  if (what != kKeep || !reader.ReadU8(word)) {
    return base::Fail("it is not known what is asked for");
  }
  const auto kept =
      backend.KeepText(base::ToString(reader.ReadRest()),
                       word == kNoWord ? std::nullopt : std::optional(word == kUpToDate));
  return kept ? base::Result<base::Bytes>(base::Bytes()) : kept.failure();
}

}  // namespace

base::Result<std::unique_ptr<ToolstackHelper>> ToolstackHelper::Start(
    const backend::BackendArguments& arguments, std::chrono::seconds patience, sandbox::Stop* stop,
    base::Log& log) {
  std::function<void()> on_wait;
  if (stop == nullptr) {
    on_wait = [&log, patience] {
      log.Info("the toolstack has not answered yet; one that restarts is waited for " +
               std::to_string(patience.count()) + " seconds (--wait)");
    };
  }
  auto helper = sandbox::Helper::Start(
      {.keeps = sandbox::HelperKeeps::kConnecting, .stop = stop, .on_wait = on_wait},
      [&arguments, patience](int stop_fd, base::Log& lines) -> sandbox::Helper::Work {
        const backend::XapiOptions xapi = {
            .start_budget = kCallBudget,
            .request_budget = kCallBudget,
            .patience = patience,
            .is_tool = true,
            .stop_fd = stop_fd,
            .are_certificates_up_to_date = engine::AreCertificatesUpToDate,
        };
        std::shared_ptr<base::Result<std::unique_ptr<store::Backend>>> opened =
            std::make_shared<base::Result<std::unique_ptr<store::Backend>>>(
                backend::FindBackendKind("xapidb")->open(arguments, std::nullopt, xapi, lines));
        return [opened](base::ByteSpan request) -> base::Result<base::Bytes> {
          return *opened ? Serve(***opened, request) : opened->failure();
        };
      });
  if (!helper) {
    return helper.failure();
  }
  return std::make_unique<ToolstackHelper>(*std::move(helper));
}

base::Result<std::optional<base::Bytes>> ToolstackHelper::Ask(base::Bytes request, base::Log& log) {
  auto answer = helper_.Ask(request, log);
  if (!answer) {
    return answer.failure();
  }
  if (answer->empty()) {
    return std::optional<base::Bytes>();
  }
  answer->erase(answer->begin());
  return std::optional(*std::move(answer));
}

base::Result<std::optional<base::Bytes>> ToolstackHelper::KeptText(base::Log& log) {
  return Ask({kText}, log);
}

base::Result<std::optional<std::string>> ToolstackHelper::VmState(base::Log& log) {
  const auto state = Ask({kState}, log);
  if (!state) {
    return state.failure();
  }
  return *state ? std::optional(base::ToString(**state)) : std::nullopt;
}

base::Result<std::optional<bool>> ToolstackHelper::WantsSecureBoot(base::Log& log) {
  const auto wish = Ask({kWish}, log);
  if (!wish) {
    return wish.failure();
  }
  return *wish ? std::optional(**wish == base::Bytes{'1'}) : std::nullopt;
}

base::Result<void> ToolstackHelper::Keep(const NewBytes& changed, base::Log& log) {
  const auto& word = changed.are_certificates_up_to_date;
  base::Writer request;
  request.WriteU8(kKeep);
  request.WriteU8(!word ? kNoWord : *word ? kUpToDate : kOutOfDate);
  request.WriteBytes(changed.bytes);
  const auto kept = Ask(request.Take(), log);
  return kept ? base::Result<void>() : kept.failure();
}

}  // namespace varstored::tool
