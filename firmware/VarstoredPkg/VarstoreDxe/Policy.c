/** @file
  Variable Policy and Variable Lock: what the firmware's own drivers say about variables that others
  shall not write. The rules are edk2's, from VariablePolicyLib. They are kept and checked here, in
  the guest, and hold against what calls the services, not against a kernel that writes to the port
  itself (docs/security.md).

  SPDX-License-Identifier: BSD-2-Clause
**/

#include "VarstoreDxe.h"

#include <Library/MemoryAllocationLib.h>
#include <Library/UefiBootServicesTableLib.h>
#include <Library/VariablePolicyHelperLib.h>
#include <Library/VariablePolicyLib.h>
#include <Protocol/VariableLock.h>
#include <Protocol/VariablePolicy.h>

//
// The library has no lock of its own, and an event may call in the middle of a call. So each of the
// functions is one between EnterService() and LeaveService(), as SetVariable() is, which asks the
// library.
//

STATIC
EFI_STATUS
EFIAPI
PolicyDisable (
  VOID
  )
{
  EFI_STATUS  Status;
  EFI_TPL     OldTpl;

  if (!EnterService (&OldTpl)) {
    return EFI_DEVICE_ERROR;
  }

  Status = DisableVariablePolicy ();
  LeaveService (OldTpl);
  return Status;
}

STATIC
EFI_STATUS
EFIAPI
PolicyIsEnabled (
  OUT BOOLEAN  *State
  )
{
  if (State == NULL) {
    return EFI_INVALID_PARAMETER;
  }

  *State = IsVariablePolicyEnabled ();
  return EFI_SUCCESS;
}

STATIC
EFI_STATUS
EFIAPI
PolicyRegister (
  IN CONST VARIABLE_POLICY_ENTRY  *PolicyEntry
  )
{
  EFI_STATUS  Status;
  EFI_TPL     OldTpl;

  if (!EnterService (&OldTpl)) {
    return EFI_DEVICE_ERROR;
  }

  Status = RegisterVariablePolicy (PolicyEntry);
  LeaveService (OldTpl);
  return Status;
}

STATIC
EFI_STATUS
EFIAPI
PolicyDump (
  IN OUT UINT8   *Policy,
  IN OUT UINT32  *Size
  )
{
  EFI_STATUS  Status;
  EFI_TPL     OldTpl;

  if (!EnterService (&OldTpl)) {
    return EFI_DEVICE_ERROR;
  }

  Status = DumpVariablePolicy (Policy, Size);
  LeaveService (OldTpl);
  return Status;
}

STATIC
EFI_STATUS
EFIAPI
PolicyLock (
  VOID
  )
{
  EFI_STATUS  Status;
  EFI_TPL     OldTpl;

  if (!EnterService (&OldTpl)) {
    return EFI_DEVICE_ERROR;
  }

  Status = LockVariablePolicy ();
  LeaveService (OldTpl);
  return Status;
}

/**
  Locks one variable until the next boot, from now on.

  @param[in] This          The protocol.
  @param[in] VariableName  The name.
  @param[in] VendorGuid    The vendor GUID.

  @retval EFI_SUCCESS            The variable is locked.
  @retval EFI_INVALID_PARAMETER  An argument is NULL, or the name is empty.
  @retval EFI_ACCESS_DENIED      It is too late, or there is another policy for the variable.
  @retval EFI_OUT_OF_RESOURCES   There is no memory.
**/
STATIC
EFI_STATUS
EFIAPI
LockVariable (
  IN CONST EDKII_VARIABLE_LOCK_PROTOCOL  *This,
  IN       CHAR16                        *VariableName,
  IN       EFI_GUID                      *VendorGuid
  )
{
  EFI_STATUS             Status;
  EFI_TPL                OldTpl;
  VARIABLE_POLICY_ENTRY  *Entry;

  if ((VariableName == NULL) || (VariableName[0] == 0) || (VendorGuid == NULL)) {
    return EFI_INVALID_PARAMETER;
  }

  if (!EnterService (&OldTpl)) {
    return EFI_ACCESS_DENIED;
  }

  Entry  = NULL;
  Status = CreateBasicVariablePolicy (
             VendorGuid,
             VariableName,
             VARIABLE_POLICY_NO_MIN_SIZE,
             VARIABLE_POLICY_NO_MAX_SIZE,
             VARIABLE_POLICY_NO_MUST_ATTR,
             VARIABLE_POLICY_NO_CANT_ATTR,
             VARIABLE_POLICY_TYPE_LOCK_NOW,
             &Entry
             );
  if (!EFI_ERROR (Status)) {
    Status = RegisterVariablePolicy (Entry);
    FreePool (Entry);

    //
    // Asked a second time it is as good as done, and only then.
    //
    if ((Status == EFI_ALREADY_STARTED) &&
        (ValidateSetVariable (VariableName, VendorGuid, 0, 0, NULL) == EFI_WRITE_PROTECTED))
    {
      Status = EFI_SUCCESS;
    }

    if ((Status == EFI_ALREADY_STARTED) || (Status == EFI_WRITE_PROTECTED)) {
      Status = EFI_ACCESS_DENIED;
    }
  }

  LeaveService (OldTpl);
  return Status;
}

STATIC EDKII_VARIABLE_POLICY_PROTOCOL  mVariablePolicy = {
  EDKII_VARIABLE_POLICY_PROTOCOL_REVISION,
  PolicyDisable,
  PolicyIsEnabled,
  PolicyRegister,
  PolicyDump,
  PolicyLock
};

STATIC EDKII_VARIABLE_LOCK_PROTOCOL  mVariableLock = { LockVariable };

EFI_STATUS
InstallPolicyProtocols (
  IN EFI_HANDLE  Handle
  )
{
  return gBS->InstallMultipleProtocolInterfaces (
                &Handle,
                &gEdkiiVariablePolicyProtocolGuid,
                &mVariablePolicy,
                &gEdkiiVariableLockProtocolGuid,
                &mVariableLock,
                NULL
                );
}

VOID
LockPolicies (
  VOID
  )
{
  //
  // EFI_WRITE_PROTECTED: they are locked already.
  //
  PolicyLock ();
}
