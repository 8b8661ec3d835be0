#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/engine/variable_services.h"
#include "varstored/pool/update.h"
#include "varstored/pool/walk.h"
#include "varstored/sandbox/helper.h"
#include "varstored/tool/place.h"

namespace varstored::tools {

/// Which VMs an update in waves is for.
struct CandidateWishes {
  /// XAPI's socket, and how long it is waited for.
  tool::PlaceOptions place;
  bool has_toolstack = true;
  /// Of databases, without a toolstack; empty: the host's.
  std::string folder;
  /// Only VMs with one of these findings besides, and with one of these tags of XAPI's.
  std::vector<std::string> filter;
  std::vector<std::string> tags;
  /// Only those whose PCR 7 stays, or that have no TPM.
  bool only_clean = false;
};

/// A VM that is to be marked or changed.
struct Pick {
  std::string uuid;
  std::string name;    // as the pool has it: not fit for a terminal
  std::string domain;  // VM.domid; empty without a toolstack
  std::string path;    // of its database, without a toolstack
  std::string words;   // why
};

struct Candidates {
  std::vector<Pick> picks;
  /// Those that need the update and do not get it, or cannot be read, and why.
  std::vector<pool::WaveRow> others;
  std::size_t count = 0;  // of all VMs
  std::size_t skipped = 0;
  bool has_failed = false;
};

/// Looks at all VMs, and tries with `keys`, the host's, whether they can be updated; nothing is
/// written. An error says also that it was ended early.
[[nodiscard]] base::Result<Candidates> FindCandidates(const CandidateWishes& wishes,
                                                      const engine::FirstBootKeys& keys,
                                                      const pool::StopSignals& signals,
                                                      sandbox::Stop& stop, base::Log& log);

}  // namespace varstored::tools
