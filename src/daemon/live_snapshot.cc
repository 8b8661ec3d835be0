#include "live_snapshot.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "varstored/efi/status.h"
#include "varstored/engine/reason.h"
#include "varstored/guest/protocol.h"
#include "varstored/live/snapshot.h"
#include "varstored/store/vars_blob.h"

namespace varstored::daemon {
namespace {

std::uint64_t Microseconds(std::chrono::steady_clock::duration time) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}

std::string CallText(std::size_t row) {
  return row == guest::Counters::kOther ? "other" : std::string(guest::CallName(row));
}

std::string StatusTextOf(engine::Reason reason) {
  return std::string(efi::StatusText(engine::StatusOf(reason)));
}

std::vector<live::AnswerCount> AnswersIn(const guest::Counters& counters) {
  std::vector<live::AnswerCount> answers;
  for (std::size_t row = 0; row < counters.answers.size(); ++row) {
    for (std::size_t i = 0; i < engine::kReasonCount; ++i) {
      const auto reason = static_cast<engine::Reason>(i);
      if (counters.answers[row][i] != 0) {
        answers.push_back({CallText(row), std::string(engine::ReasonText(reason)),
                           StatusTextOf(reason), counters.answers[row][i]});
      }
    }
  }
  return answers;
}

base::Bytes BlobOf(const store::Store& store, const store::Store& served) {
  std::vector<const store::Entry*> entries;
  entries.reserve(store.size() + served.size());
  for (const store::Entry* entry = store.First(); entry != nullptr; entry = store.After(*entry)) {
    if (served.Find(store::KeyOf(*entry)) == nullptr) {
      entries.push_back(entry);
    }
  }
  for (const store::Entry* entry = served.First(); entry != nullptr; entry = served.After(*entry)) {
    entries.push_back(entry);
  }
  return store::EncodeVarsBlob({}, entries);
}

/// All that the guest sees, or only what it has stored when that alone is as much as a blob holds.
base::Bytes BlobOf(const engine::VariableServices& services) {
  base::Bytes all = BlobOf(services.store(), services.served());
  return all.size() <= store::kMaxBlobBytes ? std::move(all) : BlobOf(services.store(), {});
}

}  // namespace

base::Bytes MakeLiveSnapshot(const std::string& version, const std::string& backend,
                             std::chrono::steady_clock::time_point started,
                             const engine::KeysFound& found,
                             const engine::VariableServices& services,
                             const guest::Dispatcher& dispatcher) {
  const auto now = std::chrono::steady_clock::now();
  const engine::BackendUse& use = services.backend_use();
  live::Counts counts = {
      .version = version,
      .backend = backend,
      .uptime_us = Microseconds(now - started),
      .answers = AnswersIn(dispatcher.counters()),
      .unmapped = dispatcher.counters().unmapped,
      .ignored_accesses = dispatcher.counters().ignored_accesses,
      .backend_calls = use.calls,
      .backend_us = Microseconds(use.total),
      .backend_longest_us = Microseconds(use.longest),
      .last_error = std::nullopt,
      .found = live::Found{.is_secure_boot_on = found.is_secure_boot_on,
                           .pk = static_cast<std::uint32_t>(found.pk),
                           .kek = static_cast<std::uint32_t>(found.kek),
                           .db = static_cast<std::uint32_t>(found.db),
                           .dbx = static_cast<std::uint32_t>(found.dbx),
                           .drift = std::string(engine::DriftText(found.drift)),
                           .waits_us = use.waits_since ? Microseconds(now - *use.waits_since) : 0}};
  if (const auto& error = dispatcher.last_error()) {
    const std::size_t shown = std::min(error->name_bytes, live::kMaxNameBytes);
    counts.last_error = {.call = CallText(error->row),
                         .reason = std::string(engine::ReasonText(error->reason)),
                         .status = StatusTextOf(error->reason),
                         .age_us = Microseconds(now - error->when),
                         .vendor = error->vendor,
                         .name = base::ToString(base::ByteSpan(error->name).first(shown))};
  }
  return live::EncodeSnapshot(counts, BlobOf(services));
}

}  // namespace varstored::daemon
