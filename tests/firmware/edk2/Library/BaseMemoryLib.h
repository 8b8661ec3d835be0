// See Uefi.h.
#ifndef VARSTORED_TESTS_FIRMWARE_EDK2_BASE_MEMORY_LIB_H
#define VARSTORED_TESTS_FIRMWARE_EDK2_BASE_MEMORY_LIB_H

#include <string.h>

#define CopyMem memmove

#endif
