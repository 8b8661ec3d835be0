#include "varstored/efi/efi.h"

#include "varstored/base/base.h"

namespace varstored::efi {

int Two() { return base::One() + 1; }

}  // namespace varstored::efi
