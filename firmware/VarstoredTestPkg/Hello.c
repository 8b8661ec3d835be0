/** @file
  A program that does nothing but succeed.

  SPDX-License-Identifier: BSD-2-Clause
**/

#include <Uefi.h>

EFI_STATUS
EFIAPI
HelloMain (
  IN EFI_HANDLE        ImageHandle,
  IN EFI_SYSTEM_TABLE  *SystemTable
  )
{
  return EFI_SUCCESS;
}
