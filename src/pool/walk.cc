#include "varstored/pool/walk.h"

#include <poll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <utility>
#include <vector>

#include "pool_helper.h"
#include "varstored/base/bytes.h"
#include "varstored/base/file.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/guid.h"
#include "varstored/pool/texts.h"
#include "varstored/tool/place.h"

namespace varstored::pool {
namespace {

/// One VM may have a fault of its own. When so many in a row cannot be read, it is the toolstack.
constexpr int kMostFailuresInARow = 3;

constexpr std::array<int, 3> kSignals = {SIGINT, SIGTERM, SIGHUP};

/// The pool, in a helper process that can connect and nothing else: an empty request asks for the
/// list, another one for the VM of that reference.
class PoolHelper {
 public:
  static base::Result<PoolHelper> Start(const ToolstackOptions& options, sandbox::Stop& stop) {
    auto helper = StartPoolHelper(options, stop, [](backend::Pool& pool, base::ByteSpan request) {
      return request.empty() ? List(pool) : Find(pool, base::ToString(request));
    });
    return helper ? PoolHelper(*std::move(helper)) : base::Result<PoolHelper>(helper.failure());
  }

  base::Result<std::vector<std::string>> List(base::Log& log) {
    const auto answer = helper_.Ask({}, log);
    if (!answer) {
      return answer.failure();
    }
    base::Reader reader(*answer);
    std::vector<std::string> references;
    if (!ReadTexts(reader, references)) {
      return sandbox::BrokenAnswer();
    }
    return references;
  }

  base::Result<std::optional<backend::PoolVm>> Find(const std::string& reference, base::Log& log) {
    const auto answer = helper_.Ask(base::ToBytes(reference), log);
    if (!answer) {
      return answer.failure();
    }
    if (answer->empty()) {
      return std::optional<backend::PoolVm>();
    }
    base::Reader reader(*answer);
    backend::PoolVm vm;
    bool has_variables = false;
    std::string variables;
    for (std::string* text :
         {&vm.uuid, &vm.name, &vm.power_state, &vm.certificates_state, &vm.domain, &variables}) {
      if (!tool::ReadText(reader, *text)) {
        return sandbox::BrokenAnswer();
      }
    }
    for (bool* flag :
         {&vm.is_template, &vm.is_snapshot, &vm.is_default_template, &vm.is_control_domain,
          &vm.is_uefi, &vm.wants_secure_boot, &vm.has_tpm, &has_variables}) {
      if (!ReadFlag(reader, *flag)) {
        return sandbox::BrokenAnswer();
      }
    }
    if (!ReadTexts(reader, vm.tags)) {
      return sandbox::BrokenAnswer();
    }
    // It becomes the name of a backup, and of the place that is repaired.
    if (!efi::ParseGuid(vm.uuid)) {
      return base::Fail("the toolstack gives a VM that has no uuid");
    }
    if (has_variables) {
      vm.variables = std::move(variables);
    }
    return std::optional(std::move(vm));
  }

 private:
  explicit PoolHelper(sandbox::Helper helper) : helper_(std::move(helper)) {}

  static base::Result<base::Bytes> List(backend::Pool& pool) {
    const auto references = pool.List();
    if (!references) {
      return references.failure();
    }
    base::Writer writer;
    WriteTexts(writer, *references);
    return writer.Take();
  }

  static base::Result<base::Bytes> Find(backend::Pool& pool, const std::string& reference) {
    const auto vm = pool.Find(reference);
    if (!vm) {
      return vm.failure();
    }
    base::Writer writer;
    if (*vm) {
      for (const std::string& text :
           {(*vm)->uuid, (*vm)->name, (*vm)->power_state, (*vm)->certificates_state, (*vm)->domain,
            (*vm)->variables.value_or("")}) {
        tool::WriteText(writer, text);
      }
      for (const bool flag : {(*vm)->is_template, (*vm)->is_snapshot, (*vm)->is_default_template,
                              (*vm)->is_control_domain, (*vm)->is_uefi, (*vm)->wants_secure_boot,
                              (*vm)->has_tpm, (*vm)->variables.has_value()}) {
        WriteFlag(writer, flag);
      }
      WriteTexts(writer, (*vm)->tags);
    }
    return writer.Take();
  }

  sandbox::Helper helper_;
};

}  // namespace

base::Result<StopSignals> StopSignals::Block() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : kSignals) {
    ::sigaddset(&set, number);
  }
  StopSignals signals;
  signals.fd_.Reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.fd_.valid() || ::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) {
    return base::Fail("cannot read signals: " + base::ErrnoText());
  }
  return signals;
}

bool StopSignals::HaveCome() const {
  pollfd waited = {fd(), POLLIN, 0};
  return ::poll(&waited, 1, 0) > 0;
}

int StopSignals::ExitCode() {
  constexpr int kOfASignal = 128;
  sigset_t pending;
  ::sigemptyset(&pending);
  static_cast<void>(::sigpending(&pending));
  const auto* const came = std::find_if(kSignals.begin(), kSignals.end(), [&pending](int number) {
    return ::sigismember(&pending, number) == 1;
  });
  return came == kSignals.end() ? 0 : kOfASignal + *came;
}

std::string EndedEarly(const std::string& why, std::size_t left) {
  return why + ": " + std::to_string(left) + " were not looked at. Run this again to go on";
}

base::Result<std::string> VisitToolstack(const ToolstackOptions& options,
                                         const StopSignals& signals, const Visitor& visitor,
                                         base::Log& log) {
  // What only looks is given up at once.
  sandbox::Stop at_once{.fd = signals.fd()};
  auto pool = PoolHelper::Start(options, at_once);
  if (!pool) {
    return pool.failure();
  }
  auto references = pool->List(log);
  if (!references) {
    return references.failure();
  }
  std::sort(references->begin(), references->end());
  int failures_in_a_row = 0;
  std::size_t done = 0;
  for (const std::string& reference : *references) {
    visitor.begin(done, references->size());
    auto vm = signals.HaveCome() ? std::nullopt : std::optional(pool->Find(reference, log));
    if (signals.HaveCome()) {
      at_once.since = at_once.since.value_or(std::chrono::steady_clock::now());
      return EndedEarly("interrupted", references->size() - done);
    }
    ++done;
    failures_in_a_row = vm->ok() ? 0 : failures_in_a_row + 1;
    if (!vm->ok()) {
      visitor.failed(vm->error().message);
    } else if (**vm) {
      visitor.vm(***vm);
    }
    if (failures_in_a_row == kMostFailuresInARow) {
      return EndedEarly("given up, because one VM after the other failed",
                        references->size() - done);
    }
  }
  return std::string();
}

}  // namespace varstored::pool
