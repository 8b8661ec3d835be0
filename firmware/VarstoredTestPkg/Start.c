/** @file
  A boot loader for the tests. It counts its boots in a variable that lasts, says whether Secure Boot is on, starts
  each program of the folder \programs beside it, and says what the firmware made of it; then the kernel \linux.efi
  with the words of \linux.txt, if it is there, or else the end, after 5 seconds in which the host can look in. Each
  of its lines begins with "TEST: ".

  SPDX-License-Identifier: BSD-2-Clause
**/

#include <Uefi.h>
#include <Guid/FileInfo.h>
#include <Guid/GlobalVariable.h>
#include <Library/BaseLib.h>
#include <Library/DevicePathLib.h>
#include <Library/MemoryAllocationLib.h>
#include <Library/PrintLib.h>
#include <Library/UefiBootServicesTableLib.h>
#include <Library/UefiLib.h>
#include <Library/UefiRuntimeServicesTableLib.h>
#include <Protocol/LoadedImage.h>
#include <Protocol/SimpleFileSystem.h>

#define NAME_CHARACTERS  128
#define KERNEL           L"\\linux.efi"
#define KERNEL_WORDS     L"\\linux.txt"

STATIC EFI_GUID  mTestGuid = {
  0x3d1a6b0e, 0x5c1f, 0x4f0b, { 0x9e, 0x61, 0x0c, 0x3a, 0x7d, 0x55, 0x21, 0x90 }
};

/**
  Counts this boot in the variable "Boots".
**/
STATIC
VOID
CountBoot (
  VOID
  )
{
  EFI_STATUS  Status;
  UINT32      Boots;
  UINTN       Size;

  Size   = sizeof (Boots);
  Status = gRT->GetVariable (L"Boots", &mTestGuid, NULL, &Size, &Boots);
  if (EFI_ERROR (Status) || (Size != sizeof (Boots))) {
    Boots = 0;
  }

  Boots++;
  Status = gRT->SetVariable (
                  L"Boots",
                  &mTestGuid,
                  EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS,
                  sizeof (Boots),
                  &Boots
                  );
  Print (L"TEST: boot %d, stored: %r\n", Boots, Status);
}

STATIC
VOID
TellByte (
  IN CHAR16  *Name
  )
{
  EFI_STATUS  Status;
  UINT8       Value;
  UINTN       Size;

  Size   = sizeof (Value);
  Status = gRT->GetVariable (Name, &gEfiGlobalVariableGuid, NULL, &Size, &Value);
  if (EFI_ERROR (Status)) {
    Print (L"TEST: %s: %r\n", Name, Status);
  } else {
    Print (L"TEST: %s: %d\n", Name, Value);
  }
}

/**
  Has the firmware load a program, and starts it when it may.

  @param[in] Parent   this program
  @param[in] Device   the volume
  @param[in] Path     the program's path on it
  @param[in] Words    its command line, or NULL
**/
STATIC
VOID
StartProgram (
  IN EFI_HANDLE  Parent,
  IN EFI_HANDLE  Device,
  IN CHAR16      *Path,
  IN CHAR16      *Words
  )
{
  EFI_STATUS                 Status;
  EFI_DEVICE_PATH_PROTOCOL   *DevicePath;
  EFI_HANDLE                 Image;
  EFI_LOADED_IMAGE_PROTOCOL  *LoadedImage;

  DevicePath = FileDevicePath (Device, Path);
  Image      = NULL;
  Status     = gBS->LoadImage (FALSE, Parent, DevicePath, NULL, 0, &Image);
  if (!EFI_ERROR (Status) && (Words != NULL)) {
    Status = gBS->HandleProtocol (Image, &gEfiLoadedImageProtocolGuid, (VOID **)&LoadedImage);
    if (!EFI_ERROR (Status)) {
      LoadedImage->LoadOptions     = Words;
      LoadedImage->LoadOptionsSize = (UINT32)StrSize (Words);
    }
  }

  if (EFI_ERROR (Status)) {
    Print (L"TEST: %s: refused, %r\n", Path, Status);
    if (Image != NULL) {
      gBS->UnloadImage (Image);
    }
  } else {
    Print (L"TEST: %s: loaded\n", Path);
    Status = gBS->StartImage (Image, NULL, NULL);
    Print (L"TEST: %s: started, %r\n", Path, Status);
  }
}

STATIC
VOID
StartPrograms (
  IN EFI_HANDLE         Parent,
  IN EFI_HANDLE         Device,
  IN EFI_FILE_PROTOCOL  *Root
  )
{
  EFI_STATUS         Status;
  EFI_FILE_PROTOCOL  *Folder;
  UINTN              Size;
  CHAR16             Path[NAME_CHARACTERS];

  union {
    EFI_FILE_INFO    Info;
    UINT8            Bytes[SIZE_OF_EFI_FILE_INFO + NAME_CHARACTERS * sizeof (CHAR16)];
  } Entry;

  Status = Root->Open (Root, &Folder, L"\\programs", EFI_FILE_MODE_READ, 0);
  if (EFI_ERROR (Status)) {
    return;
  }

  for ( ; ;) {
    Size   = sizeof (Entry);
    Status = Folder->Read (Folder, &Size, &Entry);
    if (EFI_ERROR (Status) || (Size == 0)) {
      break;
    }

    if ((Entry.Info.Attribute & EFI_FILE_DIRECTORY) == 0) {
      UnicodeSPrint (Path, sizeof (Path), L"\\programs\\%s", Entry.Info.FileName);
      StartProgram (Parent, Device, Path, NULL);
    }
  }

  Folder->Close (Folder);
}

/**
  @return the words of KERNEL_WORDS, for the caller to free, or NULL
**/
STATIC
CHAR16 *
ReadWords (
  IN EFI_FILE_PROTOCOL  *Root
  )
{
  EFI_STATUS         Status;
  EFI_FILE_PROTOCOL  *File;
  CHAR8              Text[512];
  CHAR16             *Words;
  UINTN              Size;

  Status = Root->Open (Root, &File, KERNEL_WORDS, EFI_FILE_MODE_READ, 0);
  if (EFI_ERROR (Status)) {
    return NULL;
  }

  Size   = sizeof (Text) - 1;
  Status = File->Read (File, &Size, Text);
  File->Close (File);
  if (EFI_ERROR (Status)) {
    return NULL;
  }

  while ((Size > 0) && (Text[Size - 1] == '\n')) {
    Size--;
  }

  Text[Size] = 0;
  Words      = AllocatePool (sizeof (Text) * sizeof (CHAR16));
  if (Words != NULL) {
    AsciiStrToUnicodeStrS (Text, Words, sizeof (Text));
  }

  return Words;
}

EFI_STATUS
EFIAPI
StartMain (
  IN EFI_HANDLE        ImageHandle,
  IN EFI_SYSTEM_TABLE  *SystemTable
  )
{
  EFI_STATUS                       Status;
  EFI_LOADED_IMAGE_PROTOCOL        *Self;
  EFI_SIMPLE_FILE_SYSTEM_PROTOCOL  *Volume;
  EFI_FILE_PROTOCOL                *Root;
  CHAR16                           *Words;

  Print (L"TEST: the boot loader runs\n");
  CountBoot ();
  TellByte (L"SecureBoot");
  TellByte (L"SetupMode");

  Status = gBS->HandleProtocol (ImageHandle, &gEfiLoadedImageProtocolGuid, (VOID **)&Self);
  if (EFI_ERROR (Status)) {
    return Status;
  }

  Status = gBS->HandleProtocol (Self->DeviceHandle, &gEfiSimpleFileSystemProtocolGuid, (VOID **)&Volume);
  if (EFI_ERROR (Status)) {
    return Status;
  }

  Status = Volume->OpenVolume (Volume, &Root);
  if (EFI_ERROR (Status)) {
    return Status;
  }

  StartPrograms (ImageHandle, Self->DeviceHandle, Root);
  Words = ReadWords (Root);
  if (Words != NULL) {
    StartProgram (ImageHandle, Self->DeviceHandle, KERNEL, Words);
    FreePool (Words);
  }

  Print (L"TEST: waiting\n");
  gBS->Stall (5000000);
  Print (L"TEST: end\n");
  gRT->ResetSystem (EfiResetShutdown, EFI_SUCCESS, 0, NULL);
  return EFI_SUCCESS;
}
