#pragma once

#include <functional>

#include "varstored/backend/pool.h"
#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/pool/walk.h"
#include "varstored/sandbox/helper.h"

namespace varstored::pool {

/// What a helper process answers to a request, by the toolstack's pool.
using PoolAnswer =
    std::function<base::Result<base::Bytes>(backend::Pool& pool, base::ByteSpan request)>;

/// A helper process that can connect to the toolstack, and nothing else. `stop` outlives it.
[[nodiscard]] base::Result<sandbox::Helper> StartPoolHelper(const ToolstackOptions& options,
                                                            sandbox::Stop& stop,
                                                            const PoolAnswer& answer);

}  // namespace varstored::pool
