#include "varstored/pool/look.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>
#include <string_view>

#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/health/render.h"
#include "varstored/health/report.h"
#include "varstored/health/state.h"
#include "varstored/live/snapshot.h"
#include "varstored/pool/texts.h"
#include "varstored/tool/place.h"

namespace varstored::pool {
namespace {

/// A helper has two seconds of processor time, of which a usual VM takes a few milliseconds.
constexpr std::size_t kMostOfAHelper = 50;

constexpr std::size_t kScreenColumns = 100;

std::array<const std::string*, 7> TextsOf(const Vm& vm) {
  return {&vm.uuid, &vm.name, &vm.kind, &vm.power_state, &vm.error, &vm.socket_name, &vm.target};
}

base::Bytes Encode(const Vm& vm) {
  base::Writer writer;
  for (const std::string* text : TextsOf(vm)) {
    tool::WriteText(writer, *text);
  }
  tool::WriteWish(writer, vm.wants_secure_boot);
  tool::WriteWish(writer, vm.secure_boot_at_last_start);
  writer.WriteU8(static_cast<std::uint8_t>(vm.form));
  WriteFlag(writer, vm.is_vm);
  WriteFlag(writer, vm.bytes.has_value());
  base::Bytes request = writer.Take();
  if (vm.bytes) {
    request.insert(request.end(), vm.bytes->begin(), vm.bytes->end());
  }
  return request;
}

// From here on it is for the helper process.

/// What the caller, which is trusted, has encoded.
base::Result<Vm> Decode(base::ByteSpan request) {
  base::Reader reader(request);
  Vm vm;
  std::uint8_t form = 0;
  bool has_bytes = false;
  bool is_right = true;
  for (std::string* text :
       {&vm.uuid, &vm.name, &vm.kind, &vm.power_state, &vm.error, &vm.socket_name, &vm.target}) {
    is_right = is_right && tool::ReadText(reader, *text);
  }
  if (!is_right || !tool::ReadWish(reader, vm.wants_secure_boot) ||
      !tool::ReadWish(reader, vm.secure_boot_at_last_start) || !reader.ReadU8(form) ||
      !ReadFlag(reader, vm.is_vm) || !ReadFlag(reader, has_bytes)) {
    return base::Fail("a request that is broken");
  }
  vm.form = static_cast<Vm::Form>(form);
  if (has_bytes) {
    vm.bytes = base::ToBytes(reader.ReadRest());
  }
  return vm;
}

struct Inspected {
  health::State state;
  health::Context context;
};

base::Result<Inspected> Inspect(const Vm& vm) {
  Inspected seen;
  seen.context.target = vm.target;
  seen.context.is_vm = vm.is_vm;
  seen.context.secure_boot = vm.wants_secure_boot;
  seen.context.secure_boot_at_last_start = vm.secure_boot_at_last_start;
  seen.context.is_first_boot = !vm.bytes;
  seen.context.now = std::time(nullptr);
  if (!vm.bytes) {
    return seen;
  }
  switch (vm.form) {
    case Vm::Form::kText:
      seen.state = health::ReadStateFromText(base::ToString(*vm.bytes));
      break;
    case Vm::Form::kBlob:
      seen.state = health::ReadState(*vm.bytes);
      break;
    case Vm::Form::kSnapshot: {
      auto snapshot = live::DecodeSnapshot(*vm.bytes);
      const auto name = live::ParseSocketName(vm.socket_name);
      if (!snapshot || !name) {
        return snapshot ? base::Fail("the socket has no name of a daemon's") : snapshot.failure();
      }
      seen.state = health::ReadState(snapshot->blob);
      seen.context.running = {*name, std::move(snapshot->counts)};
      break;
    }
  }
  return seen;
}

Entry EntryOf(const Vm& vm, const std::vector<health::ListedRevocation>& list) {
  Entry entry{.uuid = vm.uuid,
              .name = vm.name,
              .kind = vm.kind,
              .power_state = vm.power_state,
              .wants_secure_boot = vm.wants_secure_boot,
              .error = vm.error,
              .report = std::nullopt};
  if (!vm.error.empty()) {
    return entry;
  }
  auto inspected = Inspect(vm);
  if (!inspected) {
    entry.error = inspected.error().message;
    return entry;
  }
  inspected->context.microsoft_list = list;
  entry.report = health::MakeReport(inspected->state, inspected->context);
  if (inspected->context.running && !vm.is_vm) {
    // They would need a file that the daemon has locked.
    for (health::Finding& finding : entry.report->findings) {
      finding.command.clear();
    }
  }
  entry.are_certificates_up_to_date = tool::AreCertificatesUpToDate(inspected->state.entries);
  return entry;
}

base::Bytes MoreOf(const Entry& entry, Wanted wanted) {
  switch (wanted) {
    case Wanted::kRowOnly:
      break;
    case Wanted::kJson:
      return base::ToBytes(JsonOf(entry));
    case Wanted::kMetrics:
      return EncodeSamples(SamplesOf(entry));
    case Wanted::kScreen:
      return entry.report
                 ? base::ToBytes(health::RenderScreen(*entry.report, {.width = kScreenColumns}))
                 : base::Bytes();
  }
  return {};
}

sandbox::Helper::Work WorkOf(const LookOptions& options) {
  const auto list =
      std::make_shared<base::Result<std::vector<health::ListedRevocation>>>(options.list());
  return [list, wanted = options.wanted](base::ByteSpan request) -> base::Result<base::Bytes> {
    if (!*list) {
      return list->failure();
    }
    if (request.empty()) {
      return base::Bytes();
    }
    const auto vm = Decode(request);
    if (!vm) {
      return vm.failure();
    }
    const Entry entry = EntryOf(*vm, **list);
    base::Writer error;
    tool::WriteText(error, entry.error);
    base::Bytes answer = EncodeRow(RowOf(entry));
    const base::Bytes encoded = error.Take();
    answer.insert(answer.end(), encoded.begin(), encoded.end());
    const base::Bytes more = MoreOf(entry, wanted);
    answer.insert(answer.end(), more.begin(), more.end());
    return answer;
  };
}

// And up to here.

}  // namespace

Vm OfToolstack(const backend::PoolVm& vm) {
  Vm seen;
  seen.uuid = vm.uuid;
  seen.name = vm.name;
  seen.kind = vm.is_snapshot ? "snapshot" : vm.is_template ? "template" : "vm";
  seen.power_state = vm.power_state;
  seen.wants_secure_boot = vm.wants_secure_boot;
  seen.form = Vm::Form::kText;
  if (vm.variables) {
    seen.bytes = base::ToBytes(*vm.variables);
  }
  seen.target = vm.uuid;
  seen.is_vm = true;
  return seen;
}

base::Result<void> Looker::Begin(base::Log& log) {
  helper_.reset();
  asked_ = 0;
  auto helper = sandbox::Helper::Start(
      {.stop = options_.stop},
      [this](int /*stop_fd*/, base::Log& /*lines*/) { return WorkOf(options_); });
  if (!helper) {
    return helper.failure();
  }
  helper_.emplace(*std::move(helper));
  const auto is_ready = helper_->Ask({}, log);
  return is_ready ? base::Result<void>() : is_ready.failure();
}

base::Result<Seen> Looker::Ask(const Vm& vm, base::Log& log) {
  ++asked_;
  const auto answer = helper_->Ask(Encode(vm), log);
  if (!answer) {
    return answer.failure();
  }
  base::ByteSpan rest;
  auto row = DecodeRow(*answer, rest);
  if (!row) {
    return row.failure();
  }
  base::Reader reader(rest);
  if (!tool::ReadText(reader, row->error)) {
    return sandbox::BrokenAnswer();
  }
  Seen seen{.row = *std::move(row), .json = {}, .samples = {}, .screen = {}};
  if (options_.wanted == Wanted::kMetrics) {
    auto samples = DecodeSamples(reader.ReadRest());
    if (!samples) {
      return samples.failure();
    }
    seen.samples = *std::move(samples);
  }
  (options_.wanted == Wanted::kScreen ? seen.screen : seen.json) =
      base::ToString(reader.ReadRest());
  // It goes out as one line, and nothing behind escapes it.
  if (!std::all_of(seen.json.begin(), seen.json.end(),
                   [](char c) { return c >= ' ' && c <= '~'; })) {
    return sandbox::BrokenAnswer();
  }
  seen.row.uuid = vm.uuid;
  seen.row.cells[0] = !vm.name.empty() ? vm.name : !vm.uuid.empty() ? vm.uuid : "--";
  return seen;
}

base::Result<Seen> Looker::Look(const Vm& vm, base::Log& log) {
  if (!helper_ || asked_ >= kMostOfAHelper) {
    if (auto begun = Begin(log); !begun) {
      return begun.failure();
    }
  }
  const bool is_fresh = asked_ == 0;
  auto seen = Ask(vm, log);
  if (!seen && !is_fresh) {
    if (auto begun = Begin(log); !begun) {
      return begun.failure();
    }
    seen = Ask(vm, log);
  }
  if (seen || !vm.error.empty()) {
    return seen;
  }
  Vm blamed = vm;
  blamed.error = seen.error().message;
  blamed.bytes.reset();
  if (auto begun = Begin(log); !begun) {
    return begun.failure();
  }
  return Ask(blamed, log);
}

}  // namespace varstored::pool
