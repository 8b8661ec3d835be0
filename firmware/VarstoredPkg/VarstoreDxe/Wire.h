/** @file
  The bytes of requests and answers (docs/guest-protocol.md, "Requests" and "Answers").

  A call of the variable services is one WirePut...() into the shared pages, the write to the port
  that hands them to the host, and one WireTake...() out of them. Nothing here knows where the pages
  are or how the host is called, so the same file is compiled and tested on the host as well.

  A WirePut...() writes inside the pages only, or writes nothing and returns an error. A
  WireTake...() takes the answer for hostile: whatever stands in the pages, it reads inside the pages
  only, reads every length once, and writes no more than the caller has room for. It changes what
  the caller gave it only where the status says so.

  Every request begins with a word that is no status, where an answer has its status. While it is
  still there nobody has answered.

  SPDX-License-Identifier: BSD-2-Clause
**/

#ifndef VARSTORE_WIRE_H_
#define VARSTORE_WIRE_H_

#include <Uefi.h>

//
// The shared pages: 16 of 4096 bytes. Neither a request nor an answer is longer.
//
#define WIRE_PAGES  16
#define WIRE_BYTES  0x10000

/**
  Writes the request of GetVariable() (UEFI 2.10, 8.2.1).

  @param[out] Pages      The shared pages: WIRE_BYTES.
  @param[in]  Name       The name, not empty, and terminated.
  @param[in]  Vendor     The vendor GUID.
  @param[in]  Room       The bytes that the caller has room for.
  @param[in]  AtRuntime  Whether ExitBootServices() is over.

  @retval EFI_SUCCESS            The request is in the pages.
  @retval EFI_INVALID_PARAMETER  The name is too long for the pages.
**/
EFI_STATUS
WirePutGetVariable (
  OUT UINT8           *Pages,
  IN  CONST CHAR16    *Name,
  IN  CONST EFI_GUID  *Vendor,
  IN  UINT64          Room,
  IN  BOOLEAN         AtRuntime
  );

/**
  Reads the answer to GetVariable().

  @param[in]      Pages       The shared pages.
  @param[out]     Attributes  The attributes, on EFI_SUCCESS, and on EFI_BUFFER_TOO_SMALL when the
                              host tells them. May be NULL.
  @param[in,out]  DataSize    In: the bytes at Data. Out: the bytes of the variable, on EFI_SUCCESS
                              and EFI_BUFFER_TOO_SMALL.
  @param[out]     Data        The variable, on EFI_SUCCESS. May be NULL when the size is not known.

  @retval EFI_SUCCESS            The variable was read.
  @retval EFI_BUFFER_TOO_SMALL   *DataSize is larger now.
  @retval EFI_INVALID_PARAMETER  There is room, but Data is NULL; or the host says so.
  @retval EFI_DEVICE_ERROR       Nobody answered, or the answer is none; or the host says so.
  @retval Others                 What the host says.
**/
EFI_STATUS
WireTakeGetVariable (
  IN     CONST UINT8  *Pages,
  OUT    UINT32       *Attributes OPTIONAL,
  IN OUT UINTN        *DataSize,
  OUT    VOID         *Data OPTIONAL
  );

/**
  Writes the request of SetVariable() (UEFI 2.10, 8.2.3).

  @param[out] Pages       The shared pages.
  @param[in]  Name        The name, terminated.
  @param[in]  Vendor      The vendor GUID.
  @param[in]  Attributes  The attributes.
  @param[in]  DataSize    The bytes at Data.
  @param[in]  Data        The data. May be NULL when DataSize is 0.
  @param[in]  AtRuntime   Whether ExitBootServices() is over.

  @retval EFI_SUCCESS            The request is in the pages.
  @retval EFI_INVALID_PARAMETER  Name and data together are too long for the pages.
**/
EFI_STATUS
WirePutSetVariable (
  OUT UINT8           *Pages,
  IN  CONST CHAR16    *Name,
  IN  CONST EFI_GUID  *Vendor,
  IN  UINT32          Attributes,
  IN  UINTN           DataSize,
  IN  CONST VOID      *Data OPTIONAL,
  IN  BOOLEAN         AtRuntime
  );

/**
  Writes the request of GetNextVariableName() (UEFI 2.10, 8.2.2).

  @param[out] Pages      The shared pages.
  @param[in]  NameSize   The bytes at Name, which are also the bytes that the caller has room for.
  @param[in]  Name       The name of the variable before, terminated within NameSize; empty to
                         begin a walk.
  @param[in]  Vendor     Its vendor GUID.
  @param[in]  AtRuntime  Whether ExitBootServices() is over.

  @retval EFI_SUCCESS            The request is in the pages.
  @retval EFI_INVALID_PARAMETER  The name is not terminated, or too long for the pages.
**/
EFI_STATUS
WirePutGetNextVariableName (
  OUT UINT8           *Pages,
  IN  UINTN           NameSize,
  IN  CONST CHAR16    *Name,
  IN  CONST EFI_GUID  *Vendor,
  IN  BOOLEAN         AtRuntime
  );

/**
  Reads the answer to GetNextVariableName().

  @param[in]      Pages     The shared pages.
  @param[in,out]  NameSize  In: the bytes at Name. Out: the bytes of the name with its terminator, on
                            EFI_SUCCESS and EFI_BUFFER_TOO_SMALL.
  @param[out]     Name      The name and a terminator, on EFI_SUCCESS.
  @param[out]     Vendor    The vendor GUID, on EFI_SUCCESS.

  @retval EFI_SUCCESS           The name was read.
  @retval EFI_BUFFER_TOO_SMALL  *NameSize is larger now.
  @retval EFI_DEVICE_ERROR      Nobody answered, or the answer is none; or the host says so.
  @retval Others                What the host says.
**/
EFI_STATUS
WireTakeGetNextVariableName (
  IN     CONST UINT8  *Pages,
  IN OUT UINTN        *NameSize,
  OUT    CHAR16       *Name,
  OUT    EFI_GUID     *Vendor
  );

/**
  Writes the request of QueryVariableInfo() (UEFI 2.10, 8.2.4).

  @param[out] Pages       The shared pages.
  @param[in]  Attributes  The attributes that are asked about.
**/
VOID
WirePutQueryVariableInfo (
  OUT UINT8   *Pages,
  IN  UINT32  Attributes
  );

/**
  Reads the answer to QueryVariableInfo().

  @param[in]  Pages             The shared pages.
  @param[out] MaximumStorage    Bytes of the whole store, on EFI_SUCCESS.
  @param[out] RemainingStorage  Bytes that are left, on EFI_SUCCESS.
  @param[out] MaximumVariable   Bytes of the largest variable, on EFI_SUCCESS.

  @retval EFI_SUCCESS       The numbers were read.
  @retval EFI_DEVICE_ERROR  Nobody answered, or the answer is none; or the host says so.
  @retval Others            What the host says.
**/
EFI_STATUS
WireTakeQueryVariableInfo (
  IN  CONST UINT8  *Pages,
  OUT UINT64       *MaximumStorage,
  OUT UINT64       *RemainingStorage,
  OUT UINT64       *MaximumVariable
  );

/**
  Writes the report that the firmware refused to start an image.

  @param[out] Pages  The shared pages.
**/
VOID
WirePutNotifySecureBootFailure (
  OUT UINT8  *Pages
  );

/**
  Reads an answer that is a status alone: of SetVariable() and of the report of a refused image.

  @param[in] Pages  The shared pages.

  @retval EFI_SUCCESS       It was done.
  @retval EFI_DEVICE_ERROR  Nobody answered, or the answer is none; or the host says so.
  @retval Others            What the host says.
**/
EFI_STATUS
WireTakeStatus (
  IN CONST UINT8  *Pages
  );

#endif
