#pragma once

#include <cstddef>
#include <vector>

#include "certificate_form.h"
#include "openssl.h"
#include "varstored/crypto/certificate.h"

namespace varstored::crypto {

/// How many signatures one message may make us check, the message's own included. An honest one
/// needs one for itself and one for each link of its chain. A hostile one can name many issuers
/// that look right until their signature is checked, each check as slow as its author could make
/// it.
/// One with a large exponent counts twice.
inline constexpr int kMaxSignatureChecks = 24;
/// How many certificates are decoded as issuers: those with a wanted name, those of the message
/// first, then the anchors in their order.
inline constexpr std::size_t kMaxDecodedIssuers = 48;

/// What checking one signature by the key of `certificate` counts. An exponent of 64 bits takes
/// twice as long as one of 32, and nobody uses either.
[[nodiscard]] int CheckCost(const CertificateForm& certificate);

/// Whether `signer` chains to one of `anchors`, through certificates of `intermediates`. That it is
/// itself an anchor does not count here. `checks_left` says how many signatures may still be
/// checked, and is counted down. Also false when memory runs out.
///
/// Only what has the name of a wanted issuer is decoded. OpenSSL looks for the next issuer among
/// the anchors first, and never goes back: where one key has two certificates among the
/// intermediates, and only one of them leads on to an anchor, the first one decides.
[[nodiscard]] bool ChainsToAnchor(const Certificate& signer, X509* decoded_signer,
                                  const std::vector<Certificate>& intermediates,
                                  const std::vector<Certificate>& anchors, int& checks_left);

}  // namespace varstored::crypto
