/** @file
  The host learns that the firmware refused to start an image.

  DxeCore asks the Security2 architectural protocol about every image before it is loaded. The one
  function of that protocol is replaced by one that asks the old one, and reports its refusal.

  SPDX-License-Identifier: BSD-2-Clause
**/

#include "VarstoreDxe.h"

#include <Library/UefiBootServicesTableLib.h>
#include <Library/UefiLib.h>
#include <Protocol/Security2.h>

STATIC EFI_SECURITY2_FILE_AUTHENTICATION  mFileAuthentication;

/**
  FileAuthentication() of the Security2 architectural protocol (PI 1.7, volume 2, 12.9.2).

  @param[in] This        The protocol.
  @param[in] File        Where the image comes from.
  @param[in] FileBuffer  The image.
  @param[in] FileSize    Its bytes.
  @param[in] BootPolicy  From LoadImage().

  @return What the replaced function says.
**/
STATIC
EFI_STATUS
EFIAPI
AuthenticateAndReport (
  IN CONST EFI_SECURITY2_ARCH_PROTOCOL  *This,
  IN CONST EFI_DEVICE_PATH_PROTOCOL     *File OPTIONAL,
  IN       VOID                         *FileBuffer,
  IN       UINTN                        FileSize,
  IN       BOOLEAN                      BootPolicy
  )
{
  EFI_STATUS  Status;

  Status = mFileAuthentication (This, File, FileBuffer, FileSize, BootPolicy);

  //
  // Up to the end of DXE an image that is not the firmware's own is put off, not refused: it is asked
  // about a second time. Without an image the question is another one.
  //
  if (IsEndOfDxe () && (FileBuffer != NULL) &&
      ((Status == EFI_SECURITY_VIOLATION) || (Status == EFI_ACCESS_DENIED)))
  {
    VarstoreReportRefusal ();
  }

  return Status;
}

STATIC
VOID
EFIAPI
OnSecurity2 (
  IN EFI_EVENT  Event,
  IN VOID       *Context
  )
{
  EFI_STATUS                   Status;
  EFI_SECURITY2_ARCH_PROTOCOL  *Security2;

  Status = gBS->LocateProtocol (&gEfiSecurity2ArchProtocolGuid, NULL, (VOID **)&Security2);
  if (!EFI_ERROR (Status) && (mFileAuthentication == NULL)) {
    mFileAuthentication           = Security2->FileAuthentication;
    Security2->FileAuthentication = AuthenticateAndReport;
  }
}

EFI_STATUS
ReportRefusedImages (
  VOID
  )
{
  VOID  *Registration;

  //
  // The notification comes at once when the protocol is there already.
  //
  if (EfiCreateProtocolNotifyEvent (
        &gEfiSecurity2ArchProtocolGuid,
        TPL_CALLBACK,
        OnSecurity2,
        NULL,
        &Registration
        ) == NULL)
  {
    return EFI_OUT_OF_RESOURCES;
  }

  return EFI_SUCCESS;
}
