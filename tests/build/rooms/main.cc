#include <cstdio>

#include "varstored/base/base.h"
#include "varstored/efi/efi.h"

int main() {
  if (varstored::efi::Two() != varstored::base::One() + 1) return 1;
  return std::puts("rooms are linked") < 0;
}
