// What the driver itself needs of edk2, beside Uefi.h: UEFI 2.10, 7.1 (levels and events), 7.2
// (memory) and chapter 8, with edk2's names. driver_test.cc has the functions. Each header that
// VarstoreDxe.c names leads here (CMakeLists.txt).
#ifndef VARSTORED_TESTS_FIRMWARE_EDK2_PI_DXE_H
#define VARSTORED_TESTS_FIRMWARE_EDK2_PI_DXE_H

#include <Library/BaseMemoryLib.h>
#include <Uefi.h>

// NOLINTBEGIN(modernize-use-using)
#define EFIAPI
#define TRUE 1
#define FALSE 0
#define MAX_UINT32 UINT32_MAX
#define EFI_PAGE_SHIFT 12
#define EFI_PAGES_TO_SIZE(pages) ((pages) << EFI_PAGE_SHIFT)
#define EFI_ERROR(status) (((status) >> 63U) != 0)
#define STATIC_ASSERT _Static_assert
#define ZeroMem(buffer, length) memset(buffer, 0, length)
#define MemoryFence() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define InterlockedCompareExchange32(value, before, after) \
  __sync_val_compare_and_swap(value, before, after)

#define TPL_APPLICATION 4U
#define TPL_CALLBACK 8U
#define TPL_NOTIFY 16U
#define TPL_HIGH_LEVEL 31U
#define EVT_NOTIFY_SIGNAL 0x200U
#define EFI_VARIABLE_RUNTIME_ACCESS 4U
#define EFI_SECURE_BOOT_MODE_NAME L"SecureBoot"

typedef UINTN EFI_TPL;
typedef UINT64 EFI_PHYSICAL_ADDRESS;
typedef void* EFI_EVENT;
typedef void* EFI_HANDLE;
typedef void EFI_SYSTEM_TABLE;
typedef enum { AllocateAnyPages, AllocateMaxAddress } EFI_ALLOCATE_TYPE;
typedef enum { EfiRuntimeServicesData = 6 } EFI_MEMORY_TYPE;
typedef void (*EFI_EVENT_NOTIFY)(EFI_EVENT event, void* context);

typedef struct {
  EFI_TPL (*RaiseTPL)(EFI_TPL level);
  void (*RestoreTPL)(EFI_TPL level);
  EFI_STATUS(*AllocatePages)
  (EFI_ALLOCATE_TYPE type, EFI_MEMORY_TYPE memory, UINTN pages, EFI_PHYSICAL_ADDRESS* address);
  EFI_STATUS(*CreateEventEx)
  (UINT32 type, EFI_TPL level, EFI_EVENT_NOTIFY notify, const void* context, const EFI_GUID* group,
   EFI_EVENT* event);
  EFI_STATUS (*InstallMultipleProtocolInterfaces)(EFI_HANDLE* handle, ...);
} EFI_BOOT_SERVICES;

typedef struct {
  EFI_STATUS(*GetVariable)
  (CHAR16* name, EFI_GUID* vendor, UINT32* attributes, UINTN* size, void* data);
  EFI_STATUS (*GetNextVariableName)(UINTN* size, CHAR16* name, EFI_GUID* vendor);
  EFI_STATUS(*SetVariable)
  (CHAR16* name, EFI_GUID* vendor, UINT32 attributes, UINTN size, void* data);
  EFI_STATUS(*QueryVariableInfo)
  (UINT32 attributes, UINT64* storage, UINT64* remaining, UINT64* variable);
} EFI_RUNTIME_SERVICES;

extern EFI_BOOT_SERVICES* gBS;
extern EFI_RUNTIME_SERVICES* gRT;
extern EFI_GUID gEfiGlobalVariableGuid;
extern EFI_GUID gEfiEndOfDxeEventGroupGuid;
extern EFI_GUID gEfiEventVirtualAddressChangeGuid;
extern EFI_GUID gEfiVariableArchProtocolGuid;
extern EFI_GUID gEfiVariableWriteArchProtocolGuid;

#define PcdSetBoolS(setting, value) EFI_SUCCESS

BOOLEAN EfiAtRuntime(void);
EFI_TPL EfiGetCurrentTpl(void);
EFI_STATUS EfiConvertPointer(UINTN disposition, void** address);
void IoWrite32(UINTN port, UINT32 value);
BOOLEAN CompareGuid(const EFI_GUID* one, const EFI_GUID* other);
int StrCmp(const CHAR16* one, const CHAR16* other);
EFI_STATUS InitVariablePolicyLib(EFI_STATUS (*get)(CHAR16*, EFI_GUID*, UINT32*, UINTN*, void*));
EFI_STATUS ValidateSetVariable(CHAR16* name, EFI_GUID* vendor, UINT32 attributes, UINTN size,
                               void* data);
EFI_STATUS VarstoreDxeEntry(EFI_HANDLE image, EFI_SYSTEM_TABLE* table);
// NOLINTEND(modernize-use-using)

#endif
