#pragma once

#include "varstored/base/bytes.h"
#include "varstored/base/log.h"

namespace varstored::tools {

/// A line for people about the signature lists of KEK, and one about those of db.
void ExplainCertificates(base::ByteSpan kek, base::ByteSpan db, base::Log& log);

}  // namespace varstored::tools
