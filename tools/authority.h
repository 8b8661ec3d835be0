#pragma once

#include "varstored/base/result.h"
#include "varstored/boot/loaders.h"
#include "varstored/pcr/pcr7.h"
#include "varstored/pcr/render.h"

namespace varstored::tools {

/// Adds what is measured of the boot loader that `authority` lets start, or says why there is
/// nothing: with Secure Boot off nothing is, and without an authority there is no final value.
void AddAuthority(const base::Result<pcr::Authority>& authority, pcr::Prediction& prediction);

/// The same of the first boot loader of `report` that starts; with the update where `is_after`.
void AddLoader(const boot::BootReport& report, bool is_after, pcr::Prediction& prediction);

}  // namespace varstored::tools
