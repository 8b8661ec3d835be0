#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/pool/entry.h"

/// What there is to see of all VMs as metrics of Prometheus, in its text format 0.0.4
/// (docs/fleet.md, "Prometheus").
namespace varstored::pool {

struct Vm;

/// A number of one VM. `series` is an index into the list of all that a VM can have: no VM makes a
/// new one.
struct Sample {
  std::uint8_t series = 0;
  /// In the unit of the series; of those that are seconds, of dates excepted, microseconds.
  std::uint64_t value = 0;
};

/// Each series once, in their order; what nobody knows of a VM is left out.
[[nodiscard]] std::vector<Sample> SamplesOf(const Entry& entry);

[[nodiscard]] base::Bytes EncodeSamples(const std::vector<Sample>& samples);
/// The reverse, of all of `bytes`. Anybody may have made them up: a series is one that there is,
/// and stands behind the one before it. The error says that the answer is broken.
[[nodiscard]] base::Result<std::vector<Sample>> DecodeSamples(base::ByteSpan bytes);

/// Seconds since 1970, UTC, and how long it took.
struct WalkTime {
  std::int64_t ended = 0;
  std::uint64_t duration_us = 0;
};

/// Gathers numbers, since the format wants all samples of a name together. Of a VM it keeps its
/// names, cut to a length, and a number for each series that it has: at most two kilobytes.
class Metrics {
 public:
  /// A VM without a uuid, or with one that was there before, is left out: a collector refuses a
  /// file in which a series is twice. `name` is for people; both are escaped here.
  void Add(const Vm& vm, const std::string& name, std::vector<Sample> samples);

  /// All of them, and `totals`.
  [[nodiscard]] std::string Render(const Totals& totals, const WalkTime& time) const;

 private:
  struct Numbers {
    std::string labels;  // uuid and name
    std::string info;    // those of varstored_vm_info behind them
    std::vector<Sample> samples;
  };

  std::set<std::string> uuids_;
  std::vector<Numbers> vms_;
};

}  // namespace varstored::pool
