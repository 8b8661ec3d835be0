#include "varstored/pool/metrics.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <initializer_list>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/health/text.h"
#include "varstored/pool/look.h"
#include "varstored/sandbox/helper.h"

namespace varstored::pool {
namespace {

constexpr std::uint64_t kMicroseconds = 1000000;
constexpr std::size_t kMaxNameColumns = 128;

struct Family {
  std::string_view name;
  std::string_view type;
  std::string_view help;
  /// What a sample's value is divided by.
  std::uint64_t divisor = 1;
};

/// The order of kFamilies.
enum FamilyNumber : std::uint8_t {
  kReadable,
  kFound,
  kWanted,
  kInForce,
  kCertificates,
  kUpToDate,
  kDbxDate,
  kStoreFree,
  kDbxFree,
  kUptime,
  kAnswers,
  kUnmapped,
  kIgnored,
  kBackendRequests,
  kBackendSeconds,
  kBackendLongest,
  kBackendWaiting,
  kFamilyCount,
};
constexpr std::array<Family, kFamilyCount> kFamilies = {{
    {"varstored_vm_readable", "gauge", "Whether the variables of the VM could be read."},
    {"varstored_vm_findings", "gauge", "How many findings of this name the VM has."},
    {"varstored_vm_secure_boot_wanted", "gauge", "Whether the host wants Secure Boot for the VM."},
    {"varstored_vm_secure_boot_in_force", "gauge", "Whether Secure Boot is in force in the VM."},
    {"varstored_vm_certificates", "gauge",
     "How many of Microsoft's certificates of a generation the VM has, without revoked ones."},
    {"varstored_vm_certificates_up_to_date", "gauge",
     "Whether no update of Microsoft's certificates is required."},
    {"varstored_vm_dbx_date_seconds", "gauge",
     "Date of the newest of Microsoft's revocation lists whose mark the VM has."},
    {"varstored_vm_store_free_bytes", "gauge", "Room for keys that is left in the VM's store."},
    {"varstored_vm_dbx_free_bytes", "gauge", "What dbx of the VM may still grow by."},
    {"varstored_vm_daemon_uptime_seconds", "gauge", "How long the daemon of the VM has run.",
     kMicroseconds},
    {"varstored_vm_daemon_answers_total", "counter", "Answers of the daemon to its guest."},
    {"varstored_vm_daemon_unmapped_requests_total", "counter",
     "Requests whose pages could not be mapped."},
    {"varstored_vm_daemon_ignored_accesses_total", "counter",
     "Accesses to the ports that are no request."},
    {"varstored_vm_daemon_backend_requests_total", "counter",
     "Requests of the guest that waited for the backend."},
    {"varstored_vm_daemon_backend_seconds_total", "counter",
     "How long requests of the guest have waited for the backend.", kMicroseconds},
    {"varstored_vm_daemon_backend_longest_seconds", "gauge",
     "The longest time that a request of the guest has waited for the backend.", kMicroseconds},
    {"varstored_vm_daemon_backend_waiting_seconds", "gauge",
     "How long the request at hand has waited for the backend, 0 when none waits.", kMicroseconds},
}};
constexpr Family kInfo = {"varstored_vm_info", "gauge",
                          "A VM, snapshot or template; the value is always 1."};
constexpr Family kVms = {"varstored_pool_vms", "gauge",
                         "How many VMs, snapshots and templates came to what."};
constexpr Family kEnded = {"varstored_pool_walk_timestamp_seconds", "gauge",
                           "When the last look at all VMs ended."};
constexpr Family kDuration = {"varstored_pool_walk_duration_seconds", "gauge",
                              "How long the last look at all VMs took.", kMicroseconds};

/// The calls of a guest. A daemon may be a guest's: what it calls otherwise is "other".
constexpr std::array<std::string_view, 6> kCalls = {"GetVariable",
                                                    "SetVariable",
                                                    "GetNextVariableName",
                                                    "QueryVariableInfo",
                                                    "NotifySecureBootFailure",
                                                    "other"};
constexpr std::array<std::string_view, 2> kResults = {"success", "other"};
constexpr std::array<std::string_view, 2> kGenerations = {"2011", "2023"};
/// The power states of XAPI.
constexpr std::array<std::string_view, 4> kPowerStates = {"Halted", "Paused", "Running",
                                                          "Suspended"};

/// The one place where a text becomes a label's value. What stands for an odd character begins with
/// a backslash, which is escaped in turn.
std::string LabelValue(std::string_view untrusted) {
  std::string value;
  for (const char c : health::Cut(health::ForTerminal(untrusted), kMaxNameColumns)) {
    value += c == '\\' || c == '"' ? std::string("\\") + c : std::string(1, c);
  }
  return value;
}

std::string Label(std::string_view name, std::string_view untrusted) {
  return std::string(name) + "=\"" + LabelValue(untrusted) + "\"";
}

/// A number that a VM can have.
struct Series {
  FamilyNumber family{};
  std::string labels;  // behind uuid and name; empty where there are none
};

/// All of them, in the order of their families.
const std::vector<Series>& AllSeries() {
  static const std::vector<Series> kAll = [] {
    std::vector<Series> made;
    for (std::uint8_t i = 0; i < kFamilyCount; ++i) {
      const auto family = static_cast<FamilyNumber>(i);
      if (family == kFound) {
        for (const health::FindingType& type : health::FindingTypes()) {
          made.push_back({family, Label("finding", type.name)});
        }
      } else if (family == kCertificates) {
        for (const std::string_view generation : kGenerations) {
          made.push_back({family, Label("generation", generation)});
        }
      } else if (family == kAnswers) {
        for (const std::string_view call : kCalls) {
          for (const std::string_view result : kResults) {
            made.push_back({family, Label("call", call) + "," + Label("result", result)});
          }
        }
      } else {
        made.push_back({family, {}});
      }
    }
    return made;
  }();
  return kAll;
}

/// The index of the first series of `family`.
std::size_t FirstOf(FamilyNumber family) {
  const auto& all = AllSeries();
  return static_cast<std::size_t>(
      std::find_if(all.begin(), all.end(),
                   [family](const Series& one) { return one.family == family; }) -
      all.begin());
}

/// "2026-04-09" as seconds since 1970, UTC.
std::optional<std::uint64_t> SecondsOf(const std::string& date) {
  std::tm day{};
  const char* const end = ::strptime(date.c_str(), "%Y-%m-%d", &day);
  const std::time_t seconds = end == nullptr ? -1 : ::timegm(&day);
  return seconds < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(seconds));
}

class Numbering {
 public:
  void Add(FamilyNumber family, std::uint64_t value, std::size_t index = 0) {
    values_[FirstOf(family) + index] += value;
  }

  [[nodiscard]] std::vector<Sample> Take() const {
    std::vector<Sample> samples;
    for (const auto& [series, value] : values_) {
      samples.push_back({static_cast<std::uint8_t>(series), value});
    }
    return samples;
  }

 private:
  std::map<std::size_t, std::uint64_t> values_;
};

void AddReport(const health::Report& report, Numbering& numbers) {
  for (const health::Finding& finding : report.findings) {
    numbers.Add(kFound, 1, static_cast<std::size_t>(finding.kind));
  }
  for (const health::SuccessionInfo& one : report.successions) {
    numbers.Add(kCertificates, one.has_old && !one.is_old_revoked ? 1 : 0, 0);
    numbers.Add(kCertificates, one.has_new && !one.is_new_revoked ? 1 : 0, 1);
  }
  // A VM that was never started has nothing in force.
  if (report.secure_boot && !report.is_first_boot) {
    numbers.Add(kInForce, *report.secure_boot ? 1 : 0);
  }
  if (const auto date = SecondsOf(report.revocations.newest_seen)) {
    numbers.Add(kDbxDate, *date);
  }
  numbers.Add(kStoreFree, report.usage.store_room_bytes);
  numbers.Add(kDbxFree, report.usage.dbx_room_bytes);
}

void AddDaemon(const live::Counts& counts, Numbering& numbers) {
  for (std::size_t i = 0; i < kCalls.size() * kResults.size(); ++i) {
    numbers.Add(kAnswers, 0, i);
  }
  for (const live::AnswerCount& one : counts.answers) {
    const auto call = static_cast<std::size_t>(
        std::find(kCalls.begin(), kCalls.end() - 1, one.call) - kCalls.begin());
    numbers.Add(kAnswers, one.count, call * kResults.size() + (one.status == "Success" ? 0 : 1));
  }
  numbers.Add(kUptime, counts.uptime_us);
  numbers.Add(kUnmapped, counts.unmapped);
  numbers.Add(kIgnored, counts.ignored_accesses);
  numbers.Add(kBackendRequests, counts.backend_calls);
  numbers.Add(kBackendSeconds, counts.backend_us);
  numbers.Add(kBackendLongest, counts.backend_longest_us);
  if (counts.found) {
    numbers.Add(kBackendWaiting, counts.found->waits_us);
  }
}

std::string Divided(std::uint64_t value, std::uint64_t divisor) {
  return divisor == 1 ? std::to_string(value)
                      : std::to_string(value / divisor) + "." +
                            std::to_string(divisor + value % divisor).substr(1);
}

std::string Heading(const Family& family) {
  return "# HELP " + std::string(family.name) + " " + std::string(family.help) + "\n# TYPE " +
         std::string(family.name) + " " + std::string(family.type) + "\n";
}

std::string Line(const Family& family, std::initializer_list<std::string_view> labels,
                 std::uint64_t value) {
  std::string line(family.name);
  for (const std::string_view some : labels) {
    if (!some.empty()) {
      line += (line.size() == family.name.size() ? "{" : ",") + std::string(some);
    }
  }
  return line + (line.size() == family.name.size() ? " " : "} ") + Divided(value, family.divisor) +
         "\n";
}

}  // namespace

std::vector<Sample> SamplesOf(const Entry& entry) {
  Numbering numbers;
  numbers.Add(kReadable, entry.report ? 1 : 0);
  if (entry.wants_secure_boot) {
    numbers.Add(kWanted, *entry.wants_secure_boot ? 1 : 0);
  }
  if (entry.report) {
    AddReport(*entry.report, numbers);
    if (!entry.report->is_first_boot) {
      numbers.Add(kUpToDate, entry.are_certificates_up_to_date ? 1 : 0);
    }
    if (entry.report->running) {
      AddDaemon(entry.report->running->counts, numbers);
    }
  }
  return numbers.Take();
}

base::Bytes EncodeSamples(const std::vector<Sample>& samples) {
  base::Writer writer;
  for (const Sample& sample : samples) {
    writer.WriteU8(sample.series);
    writer.WriteU64(sample.value);
  }
  return writer.Take();
}

base::Result<std::vector<Sample>> DecodeSamples(base::ByteSpan bytes) {
  base::Reader reader(bytes);
  std::vector<Sample> samples;
  Sample sample;
  while (reader.ReadU8(sample.series)) {
    if (!reader.ReadU64(sample.value) || sample.series >= AllSeries().size() ||
        (!samples.empty() && samples.back().series >= sample.series)) {
      return sandbox::BrokenAnswer();
    }
    samples.push_back(sample);
  }
  return samples;
}

void Metrics::Add(const Vm& vm, const std::string& name, std::vector<Sample> samples) {
  if (vm.uuid.empty() || !uuids_.insert(vm.uuid).second) {
    return;
  }
  const bool is_known =
      std::find(kPowerStates.begin(), kPowerStates.end(), vm.power_state) != kPowerStates.end();
  vms_.push_back({Label("uuid", vm.uuid) + "," + Label("name", name),
                  Label("kind", vm.kind) + "," +
                      Label("power_state", is_known ? vm.power_state : std::string("unknown")),
                  std::move(samples)});
}

std::string Metrics::Render(const Totals& totals, const WalkTime& time) const {
  std::string text = Heading(kInfo);
  for (const Numbers& vm : vms_) {
    text += Line(kInfo, {vm.labels, vm.info}, 1);
  }
  const auto& all = AllSeries();
  for (std::size_t family = 0; family < kFamilies.size(); ++family) {
    text += Heading(kFamilies.at(family));
    for (const Numbers& vm : vms_) {
      for (const Sample& sample : vm.samples) {
        const Series& series = all[sample.series];
        if (series.family == family) {
          text += Line(kFamilies.at(family), {vm.labels, series.labels}, sample.value);
        }
      }
    }
  }
  text += Heading(kVms) + Line(kVms, {Label("state", "clean")}, totals.clean) +
          Line(kVms, {Label("state", "findings")}, totals.found) +
          Line(kVms, {Label("state", "failed")}, totals.failed) +
          Line(kVms, {Label("state", "skipped")}, totals.skipped);
  return text + Heading(kEnded) + Line(kEnded, {}, static_cast<std::uint64_t>(time.ended)) +
         Heading(kDuration) + Line(kDuration, {}, time.duration_us);
}

}  // namespace varstored::pool
