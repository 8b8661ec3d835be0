#include "authority.h"

#include <array>
#include <string>

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
  }
}

}  // namespace varstored::tools
