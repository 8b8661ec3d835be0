#pragma once

#include <string>
#include <vector>

#include "varstored/pool/entry.h"

namespace varstored::pool {

/// What the rows come to, as a <div> of <figure>s, each with an <svg>.
[[nodiscard]] std::string Pictures(const std::vector<Row>& rows, const Totals& totals);

}  // namespace varstored::pool
