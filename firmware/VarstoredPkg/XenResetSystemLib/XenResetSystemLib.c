/** @file
  Resets and power-off of a Xen guest: the hypercall sched_op, SCHEDOP_shutdown.

  It needs no device, so it is the same for an HVM and for a PVH guest. It is made with the processor's own
  instruction and not through a hypercall page: such a page would have to stay mapped when the operating system
  has changed to virtual addresses. What Xen reads is on the stack.

  SPDX-License-Identifier: BSD-2-Clause
**/

#include <Uefi.h>
#include <Library/BaseLib.h>
#include <Library/ResetSystemLib.h>
#include <Register/Amd/Cpuid.h>
#include <Register/Intel/Cpuid.h>

//
// Xen's public/sched.h.
//
#define SCHEDOP_shutdown   2
#define SHUTDOWN_poweroff  0
#define SHUTDOWN_reboot    1

typedef struct {
  UINT32    Reason;
} SCHED_SHUTDOWN;

/**
  Makes the hypercall sched_op, with vmmcall or else with vmcall.
**/
INTN
EFIAPI
SchedOp (
  IN BOOLEAN     Vmmcall,
  IN UINTN       Command,
  IN CONST VOID  *Argument
  );

/**
  Whether the processor's instruction for hypercalls is vmmcall: AMD's and Hygon's are so, all others have vmcall.
**/
STATIC
BOOLEAN
HasVmmcall (
  VOID
  )
{
  UINT32  Ebx;

  AsmCpuid (CPUID_SIGNATURE, NULL, &Ebx, NULL, NULL);
  return (Ebx == CPUID_SIGNATURE_AUTHENTIC_AMD_EBX) || (Ebx == SIGNATURE_32 ('H', 'y', 'g', 'o'));
}

/**
  Has Xen end this domain. The toolstack sees the reason, and does what the VM's configuration says of it.
**/
STATIC
VOID
Shutdown (
  IN UINT32  Reason
  )
{
  SCHED_SHUTDOWN  Argument;

  Argument.Reason = Reason;
  SchedOp (HasVmmcall (), SCHEDOP_shutdown, &Argument);
  CpuDeadLoop ();
}

VOID
EFIAPI
ResetCold (
  VOID
  )
{
  Shutdown (SHUTDOWN_reboot);
}

VOID
EFIAPI
ResetWarm (
  VOID
  )
{
  Shutdown (SHUTDOWN_reboot);
}

VOID
EFIAPI
ResetShutdown (
  VOID
  )
{
  Shutdown (SHUTDOWN_poweroff);
}

VOID
EFIAPI
ResetPlatformSpecific (
  IN UINTN  DataSize,
  IN VOID   *ResetData
  )
{
  Shutdown (SHUTDOWN_reboot);
}

VOID
EFIAPI
ResetSystem (
  IN EFI_RESET_TYPE  ResetType,
  IN EFI_STATUS      ResetStatus,
  IN UINTN           DataSize,
  IN VOID            *ResetData OPTIONAL
  )
{
  Shutdown (ResetType == EfiResetShutdown ? SHUTDOWN_poweroff : SHUTDOWN_reboot);
}
