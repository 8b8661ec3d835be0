// What the firmware's plain C files need of edk2, for compiling them on the host: types and
// statuses of UEFI 2.10, 2.3.1 and appendix D, with edk2's names.
#ifndef VARSTORED_TESTS_FIRMWARE_EDK2_UEFI_H
#define VARSTORED_TESTS_FIRMWARE_EDK2_UEFI_H

#include <stdint.h>  // NOLINT(modernize-deprecated-headers): C

// NOLINTBEGIN(modernize-use-using)
typedef uint8_t UINT8;
typedef uint32_t UINT32;
typedef uint64_t UINT64;
typedef uint64_t UINTN;
typedef uint8_t BOOLEAN;
#ifdef __cplusplus
typedef char16_t CHAR16;
#else
typedef uint_least16_t CHAR16;
#endif
typedef UINTN EFI_STATUS;
typedef struct {
  UINT8 Bytes[16];  // NOLINT(modernize-avoid-c-arrays)
} EFI_GUID;
// NOLINTEND(modernize-use-using)

#define IN
#define OUT
#define OPTIONAL
#define CONST const
#define STATIC static
#define VOID void
#define MAX_UINTN UINT64_MAX

#define VARSTORED_EFI_ERROR(code) (UINT64_C(0x8000000000000000) | (code))
#define EFI_SUCCESS UINT64_C(0)
#define EFI_INVALID_PARAMETER VARSTORED_EFI_ERROR(2)
#define EFI_UNSUPPORTED VARSTORED_EFI_ERROR(3)
#define EFI_BUFFER_TOO_SMALL VARSTORED_EFI_ERROR(5)
#define EFI_DEVICE_ERROR VARSTORED_EFI_ERROR(7)
#define EFI_WRITE_PROTECTED VARSTORED_EFI_ERROR(8)
#define EFI_OUT_OF_RESOURCES VARSTORED_EFI_ERROR(9)
#define EFI_NOT_FOUND VARSTORED_EFI_ERROR(14)
#define EFI_ACCESS_DENIED VARSTORED_EFI_ERROR(15)
#define EFI_SECURITY_VIOLATION VARSTORED_EFI_ERROR(26)

#endif
