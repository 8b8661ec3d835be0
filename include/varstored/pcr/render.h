#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "varstored/base/result.h"
#include "varstored/crypto/digest.h"
#include "varstored/pcr/pcr7.h"
#include "varstored/store/variable.h"

namespace varstored::pcr {

/// What one start measures into PCR 7.
struct Prediction {
  bool secure_boot = false;
  /// PcrEvents, and behind them AuthorityEvents.
  std::vector<Event> events;
  /// The boot loader that starts, where it is known; its characters are a guest's.
  std::string loader = {};
  /// It is shim, which measures more than the firmware.
  bool is_shim = false;
  /// What shim measures is among the events.
  bool has_shims_events = false;
  /// Why there is no event of an authority that was asked for; else empty. A guest's characters may
  /// be in it.
  std::string no_authority = {};
  /// False where no boot loader starts by what was asked for: then no value is told.
  bool has_value = true;
};

/// That of PcrEvents alone.
[[nodiscard]] Prediction Predict(std::span<const store::Entry> entries, bool wants_secure_boot);

/// PCR 7 of a VM, and with a change.
struct Pcr7 {
  Prediction before;
  std::optional<Prediction> after = {};
};

/// For people, in lines: for each of `banks` the digest of each event, and the value after them;
/// then the same after the change, and whether a guest's seals meet another value.
[[nodiscard]] base::Result<std::string> RenderText(const Pcr7& pcr7,
                                                   std::span<const crypto::DigestKind> banks);

/// For machines: one object of JSON, in ASCII, of the form that
/// docs/tools/varstore-pcr7.schema.json says, and a line end. What of `target` is no UTF-8 becomes
/// U+FFFD.
[[nodiscard]] base::Result<std::string> RenderJson(const std::string& target, const Pcr7& pcr7,
                                                   std::span<const crypto::DigestKind> banks);

/// The events of `type` as a component of systemd-pcrlock (systemd.pcrlock(5)), in one line.
[[nodiscard]] base::Result<std::string> RenderPcrLock(std::span<const Event> events, EventType type,
                                                      std::span<const crypto::DigestKind> banks);

}  // namespace varstored::pcr
