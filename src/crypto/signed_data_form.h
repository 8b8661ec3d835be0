#pragma once

#include <cstddef>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/crypto/signed_data.h"

namespace varstored::crypto {

/// What of a SignedData counts, as whole elements. Views of its bytes.
struct SignedDataForm {
  base::ByteSpan content_info;               // the contents of its SEQUENCE
  std::vector<base::ByteSpan> certificates;  // up to kMaxCertificates
  base::ByteSpan signer_info;                // the last one
  std::size_t signer_count = 0;
};

/// The SignedData of version 1 (RFC 2315, 9.1) that the whole of `bytes` is, by itself or inside of
/// a ContentInfo. Nothing in it is decoded, and what plays no part (the
/// content inside of it, revocation lists, the list of digests) is stepped over. Linear in the
/// size.
[[nodiscard]] base::Result<SignedDataForm, VerifyError> ReadSignedDataForm(base::ByteSpan bytes);

}  // namespace varstored::crypto
