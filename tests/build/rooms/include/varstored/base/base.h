#pragma once

namespace varstored::base {

int One();

}  // namespace varstored::base
