/** @file
  What happens when the host is silent: the user is told, and the machine stops.

  SPDX-License-Identifier: BSD-2-Clause
**/

#include "VarstoreDxe.h"

#include <Library/BaseLib.h>
#include <Library/CpuLib.h>
#include <Library/IoLib.h>
#include <Library/MemoryAllocationLib.h>
#include <Library/UefiBootServicesTableLib.h>
#include <Library/UefiLib.h>
#include <Protocol/Bds.h>
#include <Protocol/SimpleTextOut.h>

//
// The debug ports of Xen and of QEMU take every byte. The serial port is a 16550.
//
#define XEN_DEBUG_PORT      0xe9
#define QEMU_DEBUG_PORT     0x402
#define SERIAL_DATA         0x3f8
#define SERIAL_LINE_STATUS  0x3fd
#define SERIAL_CAN_TAKE     BIT5
#define SERIAL_TRIES        100000

STATIC CONST CHAR16  mNoStore[] =
  L"varstored: nothing on the host answers for this VM's variables: it does not boot.\r\n"
  L"Start its varstored on the host before the VM runs (docs/xl.md), and start it again.";

STATIC
VOID
WriteByte (
  IN UINT8  Byte
  )
{
  UINTN  Try;

  IoWrite8 (XEN_DEBUG_PORT, Byte);
  IoWrite8 (QEMU_DEBUG_PORT, Byte);
  for (Try = 0; Try < SERIAL_TRIES; Try++) {
    if ((IoRead8 (SERIAL_LINE_STATUS) & SERIAL_CAN_TAKE) != 0) {
      IoWrite8 (SERIAL_DATA, Byte);
      break;
    }
  }
}

STATIC
VOID
WritePorts (
  IN CONST CHAR16  *Line
  )
{
  for ( ; *Line != 0; Line++) {
    WriteByte ((UINT8)*Line);
  }

  WriteByte ('\r');
  WriteByte ('\n');
}

/**
  Waits for ever. The processor sleeps if anything can wake it: asleep for good, it would have the
  hypervisor end the machine, and its screen with it.
**/
STATIC
VOID
Halt (
  VOID
  )
{
  for ( ; ;) {
    if (GetInterruptState ()) {
      CpuSleep ();
    } else {
      CpuPause ();
    }
  }
}

/**
  Writes a line to every console of the machine: to each device, whether ConOut has been set up or not.
**/
STATIC
VOID
WriteConsoles (
  IN CONST CHAR16  *Line
  )
{
  EFI_STATUS                       Status;
  EFI_HANDLE                       *Handles;
  UINTN                            Count;
  UINTN                            Index;
  EFI_SIMPLE_TEXT_OUTPUT_PROTOCOL  *Output;

  Status = gBS->LocateHandleBuffer (
                  ByProtocol,
                  &gEfiSimpleTextOutProtocolGuid,
                  NULL,
                  &Count,
                  &Handles
                  );
  if (EFI_ERROR (Status)) {
    return;
  }

  for (Index = 0; Index < Count; Index++) {
    if (Handles[Index] == gST->ConsoleOutHandle) {
      continue;
    }

    Status = gBS->HandleProtocol (
                    Handles[Index],
                    &gEfiSimpleTextOutProtocolGuid,
                    (VOID **)&Output
                    );
    if (!EFI_ERROR (Status)) {
      Output->OutputString (Output, (CHAR16 *)Line);
      Output->OutputString (Output, L"\r\n");
    }
  }

  FreePool (Handles);
}

VOID
StopMachine (
  IN CONST CHAR16  *Reason
  )
{
  WritePorts (Reason);
  WriteConsoles (Reason);
  Halt ();
}

/**
  Has every driver take its devices, without any boot option: so that there are consoles.
**/
STATIC
VOID
ConnectAll (
  VOID
  )
{
  EFI_STATUS  Status;
  EFI_HANDLE  *Handles;
  UINTN       Count;
  UINTN       Index;

  Status = gBS->LocateHandleBuffer (AllHandles, NULL, NULL, &Count, &Handles);
  if (EFI_ERROR (Status)) {
    return;
  }

  for (Index = 0; Index < Count; Index++) {
    gBS->ConnectController (Handles[Index], NULL, NULL, TRUE);
  }

  FreePool (Handles);
}

/**
  Entry() of the Bds architectural protocol (PI 1.7, volume 2, 12.2), when there is no store.

  @param[in] This  The protocol.
**/
STATIC
VOID
EFIAPI
StopAtBoot (
  IN EFI_BDS_ARCH_PROTOCOL  *This
  )
{
  ConnectAll ();
  StopMachine (mNoStore);
}

STATIC
VOID
EFIAPI
OnBds (
  IN EFI_EVENT  Event,
  IN VOID       *Context
  )
{
  EFI_STATUS             Status;
  EFI_BDS_ARCH_PROTOCOL  *Bds;

  Status = gBS->LocateProtocol (&gEfiBdsArchProtocolGuid, NULL, (VOID **)&Bds);
  if (!EFI_ERROR (Status)) {
    Bds->Entry = StopAtBoot;
  }
}

EFI_STATUS
StopInsteadOfBoot (
  VOID
  )
{
  VOID  *Registration;

  WritePorts (mNoStore);

  //
  // The notification comes at once when the protocol is there already.
  //
  if (EfiCreateProtocolNotifyEvent (
        &gEfiBdsArchProtocolGuid,
        TPL_CALLBACK,
        OnBds,
        NULL,
        &Registration
        ) == NULL)
  {
    return EFI_OUT_OF_RESOURCES;
  }

  return EFI_SUCCESS;
}
