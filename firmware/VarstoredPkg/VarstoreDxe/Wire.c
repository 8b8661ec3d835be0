/** @file
  The bytes of requests and answers. Offsets are those of the tables of docs/guest-protocol.md.

  SPDX-License-Identifier: BSD-2-Clause
**/

#include "Wire.h"

#include <Library/BaseMemoryLib.h>

#define WIRE_VERSION  1

#define COMMAND_GET_VARIABLE                0
#define COMMAND_SET_VARIABLE                1
#define COMMAND_GET_NEXT_VARIABLE_NAME      2
#define COMMAND_QUERY_VARIABLE_INFO         3
#define COMMAND_NOTIFY_SECURE_BOOT_FAILURE  4

//
// What a request has besides its name (and its data).
//
#define GET_VARIABLE_BYTES            41
#define SET_VARIABLE_BYTES            45
#define GET_NEXT_VARIABLE_NAME_BYTES  41

//
// The attributes of UEFI 2.10, 8.2.1: EFI_VARIABLE_NON_VOLATILE to
// EFI_VARIABLE_ENHANCED_AUTHENTICATED_ACCESS.
//
#define KNOWN_ATTRIBUTES  0xFF

//
// Where the data of an answer to GetVariable, and the name of one to GetNextVariableName, begin; and
// what is the most that fits behind.
//
#define DATA_OFFSET     20
#define DATA_MAX_BYTES  (WIRE_BYTES - DATA_OFFSET)
#define NAME_OFFSET     16
#define NAME_MAX_BYTES  (WIRE_BYTES - NAME_OFFSET - sizeof (EFI_GUID))

STATIC
UINTN
PutBytes (
  OUT UINT8       *Pages,
  IN  UINTN       Offset,
  IN  CONST VOID  *Bytes,
  IN  UINTN       Size
  )
{
  if (Size != 0) {
    CopyMem (Pages + Offset, Bytes, Size);
  }

  return Offset + Size;
}

STATIC
UINTN
Put8 (
  OUT UINT8  *Pages,
  IN  UINTN  Offset,
  IN  UINT8  Value
  )
{
  return PutBytes (Pages, Offset, &Value, sizeof (Value));
}

STATIC
UINTN
Put32 (
  OUT UINT8   *Pages,
  IN  UINTN   Offset,
  IN  UINT32  Value
  )
{
  return PutBytes (Pages, Offset, &Value, sizeof (Value));
}

STATIC
UINTN
Put64 (
  OUT UINT8   *Pages,
  IN  UINTN   Offset,
  IN  UINT64  Value
  )
{
  return PutBytes (Pages, Offset, &Value, sizeof (Value));
}

STATIC
UINTN
PutHeader (
  OUT UINT8   *Pages,
  IN  UINT32  Command
  )
{
  return Put32 (Pages, Put32 (Pages, 0, WIRE_VERSION), Command);
}

/**
  The bytes of a name without its terminator, or MAX_UINTN when there is none in the first MaxBytes.
**/
STATIC
UINTN
NameBytes (
  IN CONST CHAR16  *Name,
  IN UINTN         MaxBytes
  )
{
  UINTN  Index;

  for (Index = 0; Index < MaxBytes / sizeof (CHAR16); Index++) {
    if (Name[Index] == 0) {
      return Index * sizeof (CHAR16);
    }
  }

  return MAX_UINTN;
}

STATIC
UINT32
Take32 (
  IN CONST UINT8  *Pages,
  IN UINTN        Offset
  )
{
  UINT32  Value;

  CopyMem (&Value, Pages + Offset, sizeof (Value));
  return Value;
}

STATIC
UINT64
Take64 (
  IN CONST UINT8  *Pages,
  IN UINTN        Offset
  )
{
  UINT64  Value;

  CopyMem (&Value, Pages + Offset, sizeof (Value));
  return Value;
}

/**
  The status of an answer. What is none that a host may give, such as the first word of a request,
  is EFI_DEVICE_ERROR.
**/
STATIC
EFI_STATUS
TakeAnyStatus (
  IN CONST UINT8  *Pages
  )
{
  UINT64  Status;

  Status = Take64 (Pages, 0);
  switch (Status) {
    case EFI_SUCCESS:
    case EFI_INVALID_PARAMETER:
    case EFI_UNSUPPORTED:
    case EFI_BUFFER_TOO_SMALL:
    case EFI_WRITE_PROTECTED:
    case EFI_OUT_OF_RESOURCES:
    case EFI_NOT_FOUND:
    case EFI_ACCESS_DENIED:
    case EFI_SECURITY_VIOLATION:
      return (EFI_STATUS)Status;
    default:
      return EFI_DEVICE_ERROR;
  }
}

EFI_STATUS
WirePutGetVariable (
  OUT UINT8           *Pages,
  IN  CONST CHAR16    *Name,
  IN  CONST EFI_GUID  *Vendor,
  IN  UINT64          Room,
  IN  BOOLEAN         AtRuntime
  )
{
  UINTN  Size;
  UINTN  Offset;

  Size = NameBytes (Name, WIRE_BYTES);
  if (Size > WIRE_BYTES - GET_VARIABLE_BYTES) {
    return EFI_INVALID_PARAMETER;
  }

  Offset = PutHeader (Pages, COMMAND_GET_VARIABLE);
  Offset = Put64 (Pages, Offset, Size);
  Offset = PutBytes (Pages, Offset, Name, Size);
  Offset = PutBytes (Pages, Offset, Vendor, sizeof (*Vendor));
  Offset = Put64 (Pages, Offset, Room);
  Put8 (Pages, Offset, AtRuntime ? 1 : 0);
  return EFI_SUCCESS;
}

EFI_STATUS
WireTakeGetVariable (
  IN     CONST UINT8  *Pages,
  OUT    UINT32       *Attributes OPTIONAL,
  IN OUT UINTN        *DataSize,
  OUT    VOID         *Data OPTIONAL
  )
{
  EFI_STATUS  Status;
  UINT64      Size;
  UINT32      Told;

  Status = TakeAnyStatus (Pages);
  if (Status == EFI_BUFFER_TOO_SMALL) {
    Size = Take64 (Pages, 8);
    if ((Size <= *DataSize) || (Size > DATA_MAX_BYTES)) {
      return EFI_DEVICE_ERROR;
    }

    //
    // A host that does not tell the attributes leaves the name of the request there.
    //
    Told = Take32 (Pages, 16);
    if ((Attributes != NULL) && ((Told & ~(UINT32)KNOWN_ATTRIBUTES) == 0)) {
      *Attributes = Told;
    }

    *DataSize = (UINTN)Size;
    return EFI_BUFFER_TOO_SMALL;
  }

  if (Status != EFI_SUCCESS) {
    return Status;
  }

  //
  // There is no variable without data (UEFI 2.10, 8.2.3), and many callers ask with no room to learn
  // the size: that must not look like success.
  //
  Size = Take64 (Pages, 12);
  if ((Size == 0) || (Size > *DataSize) || (Size > DATA_MAX_BYTES)) {
    return EFI_DEVICE_ERROR;
  }

  if (Data == NULL) {
    return EFI_INVALID_PARAMETER;
  }

  if (Attributes != NULL) {
    *Attributes = Take32 (Pages, 8);
  }

  CopyMem (Data, Pages + DATA_OFFSET, (UINTN)Size);
  *DataSize = (UINTN)Size;
  return EFI_SUCCESS;
}

EFI_STATUS
WirePutSetVariable (
  OUT UINT8           *Pages,
  IN  CONST CHAR16    *Name,
  IN  CONST EFI_GUID  *Vendor,
  IN  UINT32          Attributes,
  IN  UINTN           DataSize,
  IN  CONST VOID      *Data OPTIONAL,
  IN  BOOLEAN         AtRuntime
  )
{
  UINTN  Size;
  UINTN  Offset;

  Size = NameBytes (Name, WIRE_BYTES);
  if ((Size > WIRE_BYTES - SET_VARIABLE_BYTES) ||
      (DataSize > WIRE_BYTES - SET_VARIABLE_BYTES - Size))
  {
    return EFI_INVALID_PARAMETER;
  }

  Offset = PutHeader (Pages, COMMAND_SET_VARIABLE);
  Offset = Put64 (Pages, Offset, Size);
  Offset = PutBytes (Pages, Offset, Name, Size);
  Offset = PutBytes (Pages, Offset, Vendor, sizeof (*Vendor));
  Offset = Put64 (Pages, Offset, DataSize);
  Offset = PutBytes (Pages, Offset, Data, DataSize);
  Offset = Put32 (Pages, Offset, Attributes);
  Put8 (Pages, Offset, AtRuntime ? 1 : 0);
  return EFI_SUCCESS;
}

EFI_STATUS
WirePutGetNextVariableName (
  OUT UINT8           *Pages,
  IN  UINTN           NameSize,
  IN  CONST CHAR16    *Name,
  IN  CONST EFI_GUID  *Vendor,
  IN  BOOLEAN         AtRuntime
  )
{
  UINTN  Size;
  UINTN  Offset;

  Size = NameBytes (Name, (NameSize < WIRE_BYTES) ? NameSize : WIRE_BYTES);
  if (Size > WIRE_BYTES - GET_NEXT_VARIABLE_NAME_BYTES) {
    return EFI_INVALID_PARAMETER;
  }

  Offset = PutHeader (Pages, COMMAND_GET_NEXT_VARIABLE_NAME);
  Offset = Put64 (Pages, Offset, NameSize);
  Offset = Put64 (Pages, Offset, Size);
  Offset = PutBytes (Pages, Offset, Name, Size);
  Offset = PutBytes (Pages, Offset, Vendor, sizeof (*Vendor));
  Put8 (Pages, Offset, AtRuntime ? 1 : 0);
  return EFI_SUCCESS;
}

EFI_STATUS
WireTakeGetNextVariableName (
  IN     CONST UINT8  *Pages,
  IN OUT UINTN        *NameSize,
  OUT    CHAR16       *Name,
  OUT    EFI_GUID     *Vendor
  )
{
  EFI_STATUS  Status;
  UINT64      Size;
  UINTN       Index;
  CHAR16      Unit;

  Status = TakeAnyStatus (Pages);
  if (Status == EFI_BUFFER_TOO_SMALL) {
    Size = Take64 (Pages, 8);
    if ((Size <= *NameSize) || (Size > NAME_MAX_BYTES + sizeof (CHAR16)) || (Size % 2 != 0)) {
      return EFI_DEVICE_ERROR;
    }

    *NameSize = (UINTN)Size;
    return EFI_BUFFER_TOO_SMALL;
  }

  if (Status != EFI_SUCCESS) {
    return Status;
  }

  Size = Take64 (Pages, 8);
  if ((Size == 0) || (Size > NAME_MAX_BYTES) || (Size % 2 != 0) ||
      (Size + sizeof (CHAR16) > *NameSize))
  {
    return EFI_DEVICE_ERROR;
  }

  //
  // A name with a terminator inside would send the walk from another variable than this one. It is
  // looked for before anything is written.
  //
  for (Index = 0; Index < Size; Index += sizeof (CHAR16)) {
    CopyMem (&Unit, Pages + NAME_OFFSET + Index, sizeof (Unit));
    if (Unit == 0) {
      return EFI_DEVICE_ERROR;
    }
  }

  CopyMem (Name, Pages + NAME_OFFSET, (UINTN)Size);
  Name[Size / sizeof (CHAR16)] = 0;
  CopyMem (Vendor, Pages + NAME_OFFSET + Size, sizeof (*Vendor));
  *NameSize = (UINTN)Size + sizeof (CHAR16);
  return EFI_SUCCESS;
}

VOID
WirePutQueryVariableInfo (
  OUT UINT8   *Pages,
  IN  UINT32  Attributes
  )
{
  Put32 (Pages, PutHeader (Pages, COMMAND_QUERY_VARIABLE_INFO), Attributes);
}

EFI_STATUS
WireTakeQueryVariableInfo (
  IN  CONST UINT8  *Pages,
  OUT UINT64       *MaximumStorage,
  OUT UINT64       *RemainingStorage,
  OUT UINT64       *MaximumVariable
  )
{
  EFI_STATUS  Status;

  Status = WireTakeStatus (Pages);
  if (Status == EFI_SUCCESS) {
    *MaximumStorage   = Take64 (Pages, 8);
    *RemainingStorage = Take64 (Pages, 16);
    *MaximumVariable  = Take64 (Pages, 24);
  }

  return Status;
}

VOID
WirePutNotifySecureBootFailure (
  OUT UINT8  *Pages
  )
{
  PutHeader (Pages, COMMAND_NOTIFY_SECURE_BOOT_FAILURE);
}

EFI_STATUS
WireTakeStatus (
  IN CONST UINT8  *Pages
  )
{
  EFI_STATUS  Status;

  Status = TakeAnyStatus (Pages);
  return (Status == EFI_BUFFER_TOO_SMALL) ? EFI_DEVICE_ERROR : Status;
}
