#include "authority.h"

#include <array>
#include <string>
#include <vector>

namespace varstored::tools {

void AddAuthority(const base::Result<pcr::Authority>& authority, pcr::Prediction& prediction) {
  if (!prediction.secure_boot) {
    prediction.no_authority = "Secure Boot is off, and nothing is checked";
  } else if (!authority) {
    prediction.no_authority = authority.error().message;
    prediction.has_value = false;
  } else {
    const auto events = pcr::AuthorityEvents(std::array{*authority});
    prediction.events.insert(prediction.events.end(), events.begin(), events.end());
  }
}

void AddLoader(const boot::BootReport& report, bool is_after, pcr::Prediction& prediction) {
  const auto started = boot::StartedOf(report, is_after);
  if (!started) {
    AddAuthority(started.failure(), prediction);
    return;
  }
  const boot::Authority& authority = started->authority;
  AddAuthority(pcr::Authority{std::string(authority.variable.name), authority.variable.vendor,
                              authority.signature_data},
               prediction);
  if (prediction.secure_boot) {
    prediction.loader = started->name;
    prediction.is_shim = started->is_shim;
    prediction.has_shims_events = !started->by_shim.empty();
    // shim knows what it has measured itself, and not what the firmware has.
    std::vector<pcr::Authority> by_shim;
    for (const boot::Authority& one : started->by_shim) {
      by_shim.push_back({std::string(one.variable.name), one.variable.vendor, one.signature_data});
    }
    const auto events = pcr::AuthorityEvents(by_shim);
    prediction.events.insert(prediction.events.end(), events.begin(), events.end());
  }
}

}  // namespace varstored::tools
