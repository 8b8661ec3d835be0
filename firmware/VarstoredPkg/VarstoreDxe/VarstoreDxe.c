/** @file
  The variable services, answered by the host: what is asked for is put into shared pages, and a
  write to an I/O port hands them over. The driver keeps no variable.

  SPDX-License-Identifier: BSD-2-Clause
**/

#include "VarstoreDxe.h"

#include <Guid/EventGroup.h>
#include <Guid/GlobalVariable.h>
#include <Library/BaseLib.h>
#include <Library/BaseMemoryLib.h>
#include <Library/DebugLib.h>
#include <Library/IoLib.h>
#include <Library/PcdLib.h>
#include <Library/SynchronizationLib.h>
#include <Library/UefiBootServicesTableLib.h>
#include <Library/UefiLib.h>
#include <Library/UefiRuntimeLib.h>
#include <Library/UefiRuntimeServicesTableLib.h>
#include <Library/VariablePolicyLib.h>
#include <Protocol/Variable.h>
#include <Protocol/VariableWrite.h>

//
// The port that takes the number of the first shared page.
//
#define COMMAND_PORT  0x100

STATIC_ASSERT (sizeof (UINTN) == 8, "a UINTN has 8 bytes on the wire");
STATIC_ASSERT (WIRE_BYTES == EFI_PAGES_TO_SIZE (WIRE_PAGES), "the shared pages are pages");

//
// The shared pages: where this processor finds them, which SetVirtualAddressMap() changes, and their
// number, which stays.
//
STATIC UINT8   *mPages;
STATIC UINT32  mPageNumber;

//
// 1 while the shared pages are in use.
//
STATIC volatile UINT32  mBusy;

//
// Whether the host answered at the start. If not, all that is left to do is to say so.
//
STATIC BOOLEAN  mHasStore;

STATIC BOOLEAN  mEndOfDxe;

BOOLEAN
EnterService (
  OUT EFI_TPL  *OldTpl
  )
{
  *OldTpl = TPL_APPLICATION;
  if (EfiAtRuntime ()) {
    return TRUE;
  }

  if (EfiGetCurrentTpl () > TPL_NOTIFY) {
    return FALSE;
  }

  *OldTpl = gBS->RaiseTPL (TPL_NOTIFY);
  return TRUE;
}

VOID
LeaveService (
  IN EFI_TPL  OldTpl
  )
{
  if (!EfiAtRuntime ()) {
    gBS->RestoreTPL (OldTpl);
  }
}

BOOLEAN
IsEndOfDxe (
  VOID
  )
{
  return mEndOfDxe;
}

/**
  Takes the shared pages for one call. Nobody ever waits for them: at boot time no event comes in
  between, and at runtime the operating system makes one call at a time, but for a handler of machine
  checks or NMIs (UEFI 2.10, 8.1), for which there is nobody to wait.

  @retval TRUE   The pages are the caller's, up to ReleasePages().
  @retval FALSE  They are in use.
**/
STATIC
BOOLEAN
TakePages (
  VOID
  )
{
  return InterlockedCompareExchange32 (&mBusy, 0, 1) == 0;
}

STATIC
VOID
ReleasePages (
  VOID
  )
{
  InterlockedCompareExchange32 (&mBusy, 1, 0);
}

/**
  Hands the request in the shared pages to the host. When this returns the answer is there, or nobody
  answered: then the request is.
**/
STATIC
VOID
CallHost (
  VOID
  )
{
  MemoryFence ();
  IoWrite32 (COMMAND_PORT, mPageNumber);
  MemoryFence ();
}

/**
  GetVariable() with arguments that are checked, and the shared pages taken and released.
**/
STATIC
EFI_STATUS
ExchangeGetVariable (
  IN     CONST CHAR16    *VariableName,
  IN     CONST EFI_GUID  *VendorGuid,
  OUT    UINT32          *Attributes OPTIONAL,
  IN OUT UINTN           *DataSize,
  OUT    VOID            *Data OPTIONAL
  )
{
  EFI_STATUS  Status;

  if (!TakePages ()) {
    return EFI_DEVICE_ERROR;
  }

  Status = WirePutGetVariable (mPages, VariableName, VendorGuid, *DataSize, EfiAtRuntime ());
  if (!EFI_ERROR (Status)) {
    CallHost ();
    Status = WireTakeGetVariable (mPages, Attributes, DataSize, Data);
  }

  ReleasePages ();
  return Status;
}

EFI_STATUS
EFIAPI
VarstoreGetVariable (
  IN     CHAR16    *VariableName,
  IN     EFI_GUID  *VendorGuid,
  OUT    UINT32    *Attributes OPTIONAL,
  IN OUT UINTN     *DataSize,
  OUT    VOID      *Data OPTIONAL
  )
{
  EFI_STATUS  Status;
  EFI_TPL     OldTpl;

  if ((VariableName == NULL) || (VendorGuid == NULL) || (DataSize == NULL)) {
    return EFI_INVALID_PARAMETER;
  }

  if (VariableName[0] == 0) {
    return EFI_NOT_FOUND;
  }

  if (!EnterService (&OldTpl)) {
    return EFI_DEVICE_ERROR;
  }

  Status = ExchangeGetVariable (VariableName, VendorGuid, Attributes, DataSize, Data);
  LeaveService (OldTpl);

  //
  // Who asks whether images have to be verified takes every failure for a no. The host had an answer
  // at the start, so when there is none any more, and it is not the caller's fault, the boot is over.
  //
  if (mHasStore && EFI_ERROR (Status) && (Status != EFI_BUFFER_TOO_SMALL) &&
      ((Status != EFI_INVALID_PARAMETER) || (Data != NULL)) && !EfiAtRuntime () &&
      CompareGuid (VendorGuid, &gEfiGlobalVariableGuid) &&
      (StrCmp (VariableName, EFI_SECURE_BOOT_MODE_NAME) == 0))
  {
    StopMachine (L"varstored: the host does not say whether Secure Boot is on: this VM stops.");
  }

  return Status;
}

/**
  GetNextVariableName() of the runtime services (UEFI 2.10, 8.2.2).

  @param[in,out]  VariableNameSize  In: the bytes at VariableName. Out: those of the name.
  @param[in,out]  VariableName      In: the name of the variable before. Out: the next one's.
  @param[in,out]  VendorGuid        The same for the vendor GUID.

  @retval EFI_SUCCESS            There is a next one.
  @retval EFI_INVALID_PARAMETER  An argument is NULL, or the name is not terminated or too long; or
                                 the host does not know the variable before.
  @retval EFI_DEVICE_ERROR       The host does not answer, or with nonsense, or says so.
  @retval Others                 What the host says.
**/
STATIC
EFI_STATUS
EFIAPI
VarstoreGetNextVariableName (
  IN OUT UINTN     *VariableNameSize,
  IN OUT CHAR16    *VariableName,
  IN OUT EFI_GUID  *VendorGuid
  )
{
  EFI_STATUS  Status;
  EFI_TPL     OldTpl;

  if ((VariableNameSize == NULL) || (VariableName == NULL) || (VendorGuid == NULL)) {
    return EFI_INVALID_PARAMETER;
  }

  if (!EnterService (&OldTpl)) {
    return EFI_DEVICE_ERROR;
  }

  Status = EFI_DEVICE_ERROR;
  if (TakePages ()) {
    Status = WirePutGetNextVariableName (
               mPages,
               *VariableNameSize,
               VariableName,
               VendorGuid,
               EfiAtRuntime ()
               );
    if (!EFI_ERROR (Status)) {
      CallHost ();
      Status = WireTakeGetNextVariableName (mPages, VariableNameSize, VariableName, VendorGuid);
    }

    ReleasePages ();
  }

  LeaveService (OldTpl);
  return Status;
}

/**
  SetVariable() of the runtime services (UEFI 2.10, 8.2.3).

  @param[in] VariableName  The name.
  @param[in] VendorGuid    The vendor GUID.
  @param[in] Attributes    The attributes.
  @param[in] DataSize      The bytes at Data.
  @param[in] Data          The data.

  @retval EFI_SUCCESS            The variable was written, and is kept if it is non-volatile.
  @retval EFI_INVALID_PARAMETER  An argument is NULL, the name is empty, name and data are too long; or
                                 a policy or the host says so.
  @retval EFI_WRITE_PROTECTED    A policy or the host says so.
  @retval EFI_DEVICE_ERROR       The host does not answer, or with nonsense, or says so.
  @retval Others                 What a policy or the host says.
**/
STATIC
EFI_STATUS
EFIAPI
VarstoreSetVariable (
  IN CHAR16    *VariableName,
  IN EFI_GUID  *VendorGuid,
  IN UINT32    Attributes,
  IN UINTN     DataSize,
  IN VOID      *Data
  )
{
  EFI_STATUS  Status;
  EFI_TPL     OldTpl;

  if ((VariableName == NULL) || (VariableName[0] == 0) || (VendorGuid == NULL) ||
      ((DataSize != 0) && (Data == NULL)))
  {
    return EFI_INVALID_PARAMETER;
  }

  if (!EnterService (&OldTpl)) {
    return EFI_DEVICE_ERROR;
  }

  //
  // Until the end of DXE it is the firmware that writes, also what it has locked for all others. The check of a policy
  // may ask for another variable.
  //
  Status = IsEndOfDxe () ? ValidateSetVariable (VariableName, VendorGuid, Attributes, DataSize, Data) : EFI_SUCCESS;
  if (!EFI_ERROR (Status)) {
    Status = EFI_DEVICE_ERROR;
    if (TakePages ()) {
      Status = WirePutSetVariable (
                 mPages,
                 VariableName,
                 VendorGuid,
                 Attributes,
                 DataSize,
                 Data,
                 EfiAtRuntime ()
                 );
      if (!EFI_ERROR (Status)) {
        CallHost ();
        Status = WireTakeStatus (mPages);
      }

      ReleasePages ();
    }
  }

  LeaveService (OldTpl);
  return Status;
}

/**
  QueryVariableInfo() of the runtime services (UEFI 2.10, 8.2.4).

  @param[in]  Attributes                    The attributes that are asked about.
  @param[out] MaximumVariableStorageSize    Bytes of the whole store.
  @param[out] RemainingVariableStorageSize  Bytes that are left.
  @param[out] MaximumVariableSize           Bytes of the largest variable.

  @retval EFI_SUCCESS            The numbers are set.
  @retval EFI_INVALID_PARAMETER  An argument is NULL, or EFI_VARIABLE_RUNTIME_ACCESS is missing at
                                 runtime; or the host says so.
  @retval EFI_DEVICE_ERROR       The host does not answer, or with nonsense, or says so.
  @retval Others                 What the host says.
**/
STATIC
EFI_STATUS
EFIAPI
VarstoreQueryVariableInfo (
  IN  UINT32  Attributes,
  OUT UINT64  *MaximumVariableStorageSize,
  OUT UINT64  *RemainingVariableStorageSize,
  OUT UINT64  *MaximumVariableSize
  )
{
  EFI_STATUS  Status;
  EFI_TPL     OldTpl;

  if ((MaximumVariableStorageSize == NULL) || (RemainingVariableStorageSize == NULL) ||
      (MaximumVariableSize == NULL))
  {
    return EFI_INVALID_PARAMETER;
  }

  //
  // The request does not tell the host that this is runtime.
  //
  if (EfiAtRuntime () && ((Attributes & EFI_VARIABLE_RUNTIME_ACCESS) == 0)) {
    return EFI_INVALID_PARAMETER;
  }

  if (!EnterService (&OldTpl)) {
    return EFI_DEVICE_ERROR;
  }

  Status = EFI_DEVICE_ERROR;
  if (TakePages ()) {
    WirePutQueryVariableInfo (mPages, Attributes);
    CallHost ();
    Status = WireTakeQueryVariableInfo (
               mPages,
               MaximumVariableStorageSize,
               RemainingVariableStorageSize,
               MaximumVariableSize
               );
    ReleasePages ();
  }

  LeaveService (OldTpl);
  return Status;
}

EFI_STATUS
VarstoreReportRefusal (
  VOID
  )
{
  EFI_STATUS  Status;
  EFI_TPL     OldTpl;

  if (!EnterService (&OldTpl)) {
    return EFI_DEVICE_ERROR;
  }

  Status = EFI_DEVICE_ERROR;
  if (TakePages ()) {
    WirePutNotifySecureBootFailure (mPages);
    CallHost ();
    Status = WireTakeStatus (mPages);
    ReleasePages ();
  }

  LeaveService (OldTpl);
  return Status;
}

/**
  The operating system takes the machine over: from here on the pages are at another address.
**/
STATIC
VOID
EFIAPI
OnVirtualAddressChange (
  IN EFI_EVENT  Event,
  IN VOID       *Context
  )
{
  EfiConvertPointer (0, (VOID **)&mPages);
}

STATIC
VOID
EFIAPI
OnEndOfDxe (
  IN EFI_EVENT  Event,
  IN VOID       *Context
  )
{
  mEndOfDxe = TRUE;
  LockPolicies ();
}

/**
  The shared pages: below 4 GiB, so that their number has 32 bits whatever the size of the machine,
  and of a type that the operating system leaves alone and maps for the driver.
**/
STATIC
EFI_STATUS
AllocateSharedPages (
  VOID
  )
{
  EFI_STATUS            Status;
  EFI_PHYSICAL_ADDRESS  Address;

  Address = MAX_UINT32;
  Status  = gBS->AllocatePages (AllocateMaxAddress, EfiRuntimeServicesData, WIRE_PAGES, &Address);
  if (EFI_ERROR (Status)) {
    return Status;
  }

  mPages      = (UINT8 *)(UINTN)Address;
  mPageNumber = (UINT32)(Address >> EFI_PAGE_SHIFT);
  ZeroMem (mPages, WIRE_BYTES);
  return EFI_SUCCESS;
}

/**
  Whether there is a store: the host says whether Secure Boot is on.
**/
STATIC
BOOLEAN
HostAnswers (
  VOID
  )
{
  EFI_STATUS  Status;
  UINT8       SecureBoot;
  UINTN       Size;

  Size   = sizeof (SecureBoot);
  Status = ExchangeGetVariable (
             EFI_SECURE_BOOT_MODE_NAME,
             &gEfiGlobalVariableGuid,
             NULL,
             &Size,
             &SecureBoot
             );
  return !EFI_ERROR (Status) && (SecureBoot <= 1);
}

/**
  What can fail of the driver's start.
**/
STATIC
EFI_STATUS
Start (
  IN EFI_HANDLE  ImageHandle
  )
{
  EFI_STATUS  Status;
  EFI_EVENT   Event;

  Status = AllocateSharedPages ();
  if (EFI_ERROR (Status)) {
    return Status;
  }

  Status = gBS->CreateEventEx (
                  EVT_NOTIFY_SIGNAL,
                  TPL_NOTIFY,
                  OnVirtualAddressChange,
                  NULL,
                  &gEfiEventVirtualAddressChangeGuid,
                  &Event
                  );
  if (EFI_ERROR (Status)) {
    return Status;
  }

  Status = gBS->CreateEventEx (
                  EVT_NOTIFY_SIGNAL,
                  TPL_CALLBACK,
                  OnEndOfDxe,
                  NULL,
                  &gEfiEndOfDxeEventGroupGuid,
                  &Event
                  );
  if (EFI_ERROR (Status)) {
    return Status;
  }

  Status = InitVariablePolicyLib (VarstoreGetVariable);
  if (EFI_ERROR (Status)) {
    return Status;
  }

  mHasStore = HostAnswers ();
  Status    = mHasStore ? ReportRefusedImages () : StopInsteadOfBoot ();

  if (EFI_ERROR (Status)) {
    return Status;
  }

  //
  // Variables are kept on the host: OVMF need not look for them in a file on a disk.
  //
  Status = PcdSetBoolS (PcdOvmfFlashVariablesEnable, TRUE);
  if (EFI_ERROR (Status)) {
    return Status;
  }

  Status = InstallPolicyProtocols (ImageHandle);
  if (EFI_ERROR (Status)) {
    return Status;
  }

  gRT->GetVariable         = VarstoreGetVariable;
  gRT->GetNextVariableName = VarstoreGetNextVariableName;
  gRT->SetVariable         = VarstoreSetVariable;
  gRT->QueryVariableInfo   = VarstoreQueryVariableInfo;
  return gBS->InstallMultipleProtocolInterfaces (
                &ImageHandle,
                &gEfiVariableArchProtocolGuid,
                NULL,
                &gEfiVariableWriteArchProtocolGuid,
                NULL,
                NULL
                );
}

/**
  The entry point. A firmware without variables may start what it must not, so it goes on with a
  driver that works, or not at all.

  @param[in] ImageHandle  The driver's handle.
  @param[in] SystemTable  Not used.

  @retval EFI_SUCCESS  The variable services are there.
**/
EFI_STATUS
EFIAPI
VarstoreDxeEntry (
  IN EFI_HANDLE        ImageHandle,
  IN EFI_SYSTEM_TABLE  *SystemTable
  )
{
  EFI_STATUS  Status;

  Status = Start (ImageHandle);
  if (EFI_ERROR (Status)) {
    StopMachine (L"varstored: the variable services cannot be set up: this VM does not boot.");
  }

  return EFI_SUCCESS;
}
