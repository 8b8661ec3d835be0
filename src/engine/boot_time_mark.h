#pragma once

#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/store/vars_blob.h"

namespace varstored::engine {

/// The word of a saved state that the operating system has not been started (docs/formats.md, "The
/// mark of boot time"). It stands in the record of SetupMode, where the digest of the signer is for
/// a variable that has one: a digest of the state itself. So it is nobody's word any more when
/// another daemon, to whom it means nothing, has served the guest in between and saved again.

/// The blob with the mark. `entries` belong to the caller. Where there is no SetupMode, or no
/// memory for the digest, it has no mark: the guest is then more restricted, which is no failure.
[[nodiscard]] base::Bytes EncodeWithBootTimeMark(const store::Ancillary& ancillary,
                                                 std::vector<const store::Entry*> entries);

/// Whether the blob is as EncodeWithBootTimeMark has made it.
[[nodiscard]] bool HasBootTimeMark(const store::VarsBlob& blob);

}  // namespace varstored::engine
