/** @file
  What the files of the driver share.

  SPDX-License-Identifier: BSD-2-Clause
**/

#ifndef VARSTORE_DXE_H_
#define VARSTORE_DXE_H_

#include <PiDxe.h>

#include "Wire.h"

/**
  Keeps events away, so that none of them enters a service that is under way: at boot time the task
  priority level is raised to TPL_NOTIFY. At runtime there are no events.

  @param[out] OldTpl  For LeaveService().

  @retval TRUE   The caller goes on, and calls LeaveService() at its end.
  @retval FALSE  The level was higher already, where no variable service may be called (UEFI 2.10,
                 7.1). Nothing was changed.
**/
BOOLEAN
EnterService (
  OUT EFI_TPL  *OldTpl
  );

/**
  Ends what EnterService() began.

  @param[in] OldTpl  From EnterService().
**/
VOID
LeaveService (
  IN EFI_TPL  OldTpl
  );

/**
  GetVariable() of the runtime services (UEFI 2.10, 8.2.1).

  @param[in]      VariableName  The name.
  @param[in]      VendorGuid    The vendor GUID.
  @param[out]     Attributes    The attributes, on EFI_SUCCESS and EFI_BUFFER_TOO_SMALL.
  @param[in,out]  DataSize      In: the bytes at Data. Out: those of the variable.
  @param[out]     Data          The variable.

  @retval EFI_SUCCESS            The variable was read.
  @retval EFI_INVALID_PARAMETER  An argument is NULL, or the name is too long.
  @retval EFI_NOT_FOUND          The name is empty; or the host says so.
  @retval EFI_DEVICE_ERROR       The host does not answer, or with nonsense, or says so.
  @retval Others                 What the host says.
**/
EFI_STATUS
EFIAPI
VarstoreGetVariable (
  IN     CHAR16    *VariableName,
  IN     EFI_GUID  *VendorGuid,
  OUT    UINT32    *Attributes OPTIONAL,
  IN OUT UINTN     *DataSize,
  OUT    VOID      *Data OPTIONAL
  );

/**
  Reports to the host that an image was refused.

  @return What the host says; EFI_DEVICE_ERROR when it says nothing.
**/
EFI_STATUS
VarstoreReportRefusal (
  VOID
  );

/**
  Whether the event group gEfiEndOfDxeEventGroupGuid was signalled: from then on there is other code
  than the firmware's own.
**/
BOOLEAN
IsEndOfDxe (
  VOID
  );

/**
  Installs the Variable Policy and the Variable Lock protocol on a handle.

  @param[in] Handle  The driver's.

  @return Errors of the boot services.
**/
EFI_STATUS
InstallPolicyProtocols (
  IN EFI_HANDLE  Handle
  );

/**
  No policy can be changed any more, until the next boot.
**/
VOID
LockPolicies (
  VOID
  );

/**
  Sees to it that a refusal by the security protocol reaches the host.

  @return Errors of the boot services.
**/
EFI_STATUS
ReportRefusedImages (
  VOID
  );

/**
  Stops this machine for good, and says why: on the debug ports of Xen and QEMU and the first serial
  port, where a message can be seen before there is a console, and on the consoles that there are.
  Does not return.

  @param[in] Reason  What the user is told, as a line of ASCII characters.
**/
VOID
StopMachine (
  IN CONST CHAR16  *Reason
  );

/**
  There is no store at the start. Says so at once where that is possible already, and replaces the
  boot manager by the same message on every console of the machine, after which it stops: no boot
  option is tried, and no image but those of the firmware itself is started.

  @return Errors of the boot services. Then nothing was replaced.
**/
EFI_STATUS
StopInsteadOfBoot (
  VOID
  );

#endif
