#pragma once

#include <string_view>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/convert/content.h"

namespace varstored::convert {

/// Whether JSON is of the form that ReadHyperVJson reads, rather than another one's.
[[nodiscard]] bool IsHyperVJson(std::string_view text);

/// Reads a template of Hyper-V's and Azure's for the variables of a new VM: a JSON object of the
/// type "Microsoft.Compute/disks", in whose properties.uefiSettings PK, KEK, db, dbx and the lists
/// of shim (MokList, MokListX) are given as certificates and hashes in base64, and other variables
/// by guid, attributes and value. They become what the host makes of them: signature lists of
/// Microsoft's owner, without a time. A template that only adds to another one (signatureMode
/// "Append", or the type "Default") is an error, and so are a key that is there twice and a value
/// of a wrong type; keys that are not known are a loss.
[[nodiscard]] base::Result<Content> ReadHyperVJson(base::ByteSpan text);

}  // namespace varstored::convert
