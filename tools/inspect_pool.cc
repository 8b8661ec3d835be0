#include "inspect_pool.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string_view>
#include <utility>

#include "metrics_file.h"
#include "screen_here.h"
#include "varstored/base/file.h"
#include "varstored/base/held_file.h"
#include "varstored/pool/databases.h"
#include "varstored/pool/entry.h"
#include "varstored/pool/look.h"
#include "varstored/pool/metrics.h"
#include "varstored/pool/page.h"
#include "varstored/pool/sort.h"
#include "varstored/sandbox/helper.h"
#include "varstored/tool/command_line.h"
#include "varstored/tool/progress.h"
#include "varstored/tool/vm_name.h"

namespace varstored::tools {
namespace {

constexpr int kFoundExitCode = 2;

base::Result<std::vector<health::FindingKind>> KindsOf(const std::vector<std::string>& names) {
  std::vector<health::FindingKind> kinds;
  for (const std::string& name : names) {
    const auto types = health::FindingTypes();
    const auto found =
        std::find_if(types.begin(), types.end(),
                     [&name](const health::FindingType& type) { return type.name == name; });
    if (found == types.end()) {
      return tool::Misuse("--filter takes the name of a finding (varstore help findings)");
    }
    kinds.push_back(found->kind);
  }
  return kinds;
}

pool::Wanted WantedBy(const PoolLook& look) {
  switch (look.output) {
    case PoolOutput::kTable:
      return look.page.empty() ? pool::Wanted::kRowOnly : pool::Wanted::kScreen;
    case PoolOutput::kJson:
    case PoolOutput::kJsonLines:
      return pool::Wanted::kJson;
    case PoolOutput::kMetrics:
      return pool::Wanted::kMetrics;
  }
  return look.page.empty() ? pool::Wanted::kRowOnly : pool::Wanted::kScreen;
}

class Walk {
 public:
  Walk(const PoolLook& look, std::vector<health::FindingKind> filter, pool::SortKey sort,
       base::Log& log)
      : look_(look),
        filter_(std::move(filter)),
        sort_(sort),
        log_(log),
        looker_({.list = look.list, .wanted = WantedBy(look), .stop = &soon_}) {}

  base::Result<std::string> Run(int& exit_code) {
    const auto signals = pool::StopSignals::Block();
    if (!signals) {
      return signals.failure();
    }
    soon_.fd = signals->fd();
    if (!look_.page.empty()) {
      if (auto begun = BeginPage(); !begun) {
        return begun.failure();
      }
    }
    if (look_.output == PoolOutput::kMetrics) {
      auto file = MetricsFile::Open(look_.metrics);
      if (!file) {
        return file.failure();
      }
      metrics_file_.emplace(*std::move(file));
    }
    auto ended_early = Visit(*signals);
    progress_.reset();
    if (!ended_early || !failure_.empty()) {
      return ended_early ? base::Fail(failure_) : ended_early.failure();
    }
    totals_.ended_early = *std::move(ended_early);
    exit_code = totals_.failed != 0 || !totals_.ended_early.empty() ? 1
                : has_findings_                                     ? kFoundExitCode
                                                                    : 0;
    if (metrics_file_) {
      return WriteMetrics();
    }
    if (look_.output == PoolOutput::kTable) {
      gathered_.Sort(sort_);
      return page_ ? WritePage() : Table();
    }
    if (!totals_.ended_early.empty()) {
      log_.Error(totals_.ended_early);
    }
    return std::string(look_.output == PoolOutput::kJsonLines ? "" : is_begun_ ? "\n]\n" : "[]\n");
  }

 private:
  base::Result<std::string> Visit(const pool::StopSignals& signals) {
    const auto begin = [this](std::size_t done, std::size_t total) {
      if (!progress_ && look_.output != PoolOutput::kJsonLines) {
        progress_.emplace(total);
      }
      done_ = done;
      Show({});
    };
    const bool has_toolstack =
        look_.folder.empty() && (look_.toolstack.socket || tool::HasToolstack());
    if (!has_toolstack) {
      const tool::HostFolders host;
      return pool::VisitFolder({look_.folder.empty() ? host.vms : look_.folder,
                                look_.live_folder.empty() ? host.live : look_.live_folder},
                               signals, {begin, [this](const pool::Vm& vm) { LookAt(vm); }}, log_);
    }
    return pool::VisitToolstack(
        look_.toolstack, signals,
        {begin,
         [this](const backend::PoolVm& vm) {
           if (vm.is_control_domain || vm.is_default_template || !vm.is_uefi) {
             ++totals_.count;
             ++totals_.skipped;
           } else {
             LookAt(pool::OfToolstack(vm));
           }
         },
         [this](const std::string& why) {
           pool::Vm vm;
           vm.error = why;
           LookAt(vm);
         }},
        log_);
  }

  void Show(std::string_view name) {
    if (progress_) {
      progress_->Show(done_, name);
    }
  }

  void LookAt(const pool::Vm& vm) {
    if (!failure_.empty()) {
      return;
    }
    Show(vm.name.empty() ? vm.uuid : vm.name);
    auto seen = looker_.Look(vm, log_);
    if (!seen) {
      failure_ = seen.error().message;
      return;
    }
    totals_.Count(seen->row);
    if (!seen->row.Matches(filter_)) {
      return;
    }
    has_findings_ = has_findings_ || !seen->row.findings.empty();
    if (metrics_file_) {
      metrics_.Add(vm, seen->row.cells[0], std::move(seen->samples));
    } else if (look_.output == PoolOutput::kTable) {
      auto added = page_ ? page_->Add(seen->row, seen->screen) : base::Result<void>();
      added = added ? gathered_.Add(std::move(seen->row)) : added;
      if (!added) {
        failure_ = added.error().message;
      }
    } else {
      Write(seen->json);
    }
  }

  void Write(const std::string& json) {
    const bool is_lines = look_.output == PoolOutput::kJsonLines;
    const std::string text = (is_lines    ? ""
                              : is_begun_ ? ",\n"
                                          : "[\n") +
                             json + (is_lines ? "\n" : "");
    is_begun_ = true;
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
        (is_lines && std::fflush(stdout) != 0)) {
      failure_ = "cannot write to standard output: " + base::ErrnoText();
    }
  }

  /// Says at once what would be in the way of the file.
  base::Result<void> BeginPage() {
    auto file = base::HeldFile::Open(look_.page);
    if (!file) {
      return file.failure();
    }
    if (auto may = file->CheckMayWrite(); !may) {
      return may.failure();
    }
    auto page = pool::Page::Begin();
    if (!page) {
      return page.failure();
    }
    page_file_.emplace(*std::move(file));
    page_.emplace(*std::move(page));
    return {};
  }

  base::Result<std::string> WritePage() {
    auto written = page_->Write(gathered_, sort_, totals_, *page_file_);
    return written ? pool::RenderTable({}, totals_, {})
                   : base::Result<std::string>(written.failure());
  }

  /// A VM that is missing there would look as if it were gone.
  base::Result<std::string> WriteMetrics() {
    if (!totals_.ended_early.empty()) {
      return base::Fail(totals_.ended_early + ". No metrics were written");
    }
    const auto duration = std::chrono::steady_clock::now() - begin_;
    return metrics_file_->Write(metrics_.Render(
        totals_, {std::time(nullptr),
                  static_cast<std::uint64_t>(
                      std::chrono::duration_cast<std::chrono::microseconds>(duration).count())}));
  }

  base::Result<std::string> Table() {
    const health::ScreenOptions screen = ScreenOptionsHere();
    return sandbox::TextInHelper(
        [&](base::Log& /*lines*/) {
          return base::Result<std::string>(pool::RenderTable(gathered_.rows(), totals_, screen));
        },
        log_);
  }

  const PoolLook& look_;
  std::vector<health::FindingKind> filter_;
  pool::SortKey sort_;
  base::Log& log_;
  sandbox::Stop soon_{.grace = pool::kMostAtTheEnd};
  pool::Looker looker_;
  std::optional<tool::Progress> progress_;
  std::size_t done_ = 0;
  pool::Gathered gathered_;
  /// With PoolLook::page.
  std::optional<base::HeldFile> page_file_;
  std::optional<pool::Page> page_;
  /// With PoolOutput::kMetrics.
  std::optional<MetricsFile> metrics_file_;
  pool::Metrics metrics_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  pool::Totals totals_;
  bool has_findings_ = false;
  bool is_begun_ = false;
  /// Why nothing more can be done.
  std::string failure_;
};

}  // namespace

base::Result<std::string> InspectPool(const PoolLook& look, int& exit_code, base::Log& log) {
  auto kinds = KindsOf(look.filter);
  if (!kinds) {
    return kinds.failure();
  }
  const auto sort = pool::ParseSortKey(look.sort);
  if (!sort) {
    return tool::Misuse(sort.error().message);
  }
  if (look.output != PoolOutput::kTable && !(look.sort.empty() && look.page.empty())) {
    return tool::Misuse("--sort and --html do not go with --json, --jsonl or --openmetrics");
  }
  return Walk(look, *std::move(kinds), *sort, log).Run(exit_code);
}

}  // namespace varstored::tools
