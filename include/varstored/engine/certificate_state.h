#pragma once

#include <cstdint>

#include "varstored/base/bytes.h"

namespace varstored::engine {

/// The variables that hold certificates which expire.
enum class CertificateHolder : std::uint8_t { kKek, kDb };

/// Whether these signature lists of that variable hold a certificate of 2011. A variable that holds
/// none is its owner's own affair.
[[nodiscard]] bool HoldsCertificateOf2011(CertificateHolder holder, base::ByteSpan lists);

/// Whether a VM follows the change of Microsoft's certificates in 2026 (docs/engine.md,
/// "Certificates of 2011 and 2023").
enum class CertificateState : std::uint8_t {
  kUpToDate,        // "update_ok"
  kUpdateRequired,  // "update_required"
};

/// The state of a VM whose KEK and db hold these signature lists; empty for a variable that is
/// absent. An update is required when a certificate of 2011 is in its variable and its successor of
/// 2023 is not. A VM without these variables, or with keys of its own only, is up to date.
[[nodiscard]] CertificateState CertificateStateOf(base::ByteSpan kek, base::ByteSpan db);

/// The same as a yes or no.
[[nodiscard]] bool AreCertificatesUpToDate(base::ByteSpan kek, base::ByteSpan db);

}  // namespace varstored::engine
