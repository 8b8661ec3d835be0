#pragma once

#include <vector>

#include "openssl.h"
#include "varstored/crypto/certificate.h"

namespace varstored::crypto {

/// How many signatures of certificates one search may check. An honest message needs one for each
/// link of its chain. A hostile one can name thousands of issuers that look right until their
/// signature is checked, each check as slow as its author could make it.
inline constexpr int kMaxSignatureChecks = 32;

/// Whether `signer` chains to one of `anchors`, through certificates of `intermediates` (which may
/// be nullptr). That it is itself an anchor does not count here. Also false when memory runs out.
///
/// OpenSSL looks for the next issuer among the anchors first, and never goes back: where one key
/// has two certificates among the intermediates, and only one of them leads on to an anchor, the
/// first one decides.
[[nodiscard]] bool ChainsToAnchor(X509* signer, STACK_OF(X509) * intermediates,
                                  const std::vector<Certificate>& anchors);

}  // namespace varstored::crypto
