#include "varstored/base/base.h"

#ifdef INCLUDE_ABOVE
#include "varstored/efi/efi.h"
#endif

namespace varstored::base {

int One() { return 1; }

}  // namespace varstored::base
