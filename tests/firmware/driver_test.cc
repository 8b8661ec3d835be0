// The firmware's driver itself, as the same C file that is built into the firmware: at which level
// it runs, what a call within a call gets, and where its pages are. Around it are the few services
// of UEFI that it uses, and the host's dispatcher behind the port.

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "firmware/host.h"
#include "firmware/wire.h"
#include "varstored/base/bytes.h"
#include "varstored/base/unique_fd.h"
#include "varstored/guest/shared_pages.h"

extern "C" {
#include "VarstoreDxe.h"
}

namespace varstored::test {
namespace {

using base::Bytes;

constexpr EFI_GUID kVendor = {{1, 2, 3}};
constexpr std::array<EFI_TPL, 3> kAllowedLevels = {TPL_APPLICATION, TPL_CALLBACK, TPL_NOTIFY};

/// As the firmware passes it on, in an integer.
std::uint64_t AddressOf(void* pages) { return std::bit_cast<std::uint64_t>(pages); }

struct Result {
  EFI_STATUS status;
  Bytes data;
};

/// A machine with the driver: memory that the driver, the host and the operating system each see at
/// an address of their own, a level, and the boot services until they end.
class DriverTest : public ::testing::Test {
 public:
  void SetUp() override {
    machine = this;
    gBS = &boot_services_;
    gRT = &runtime_services_;
    ASSERT_TRUE(host.services.Boot({}));
    memory.Reset(memfd_create("pages", MFD_CLOEXEC));
    ASSERT_EQ(ftruncate(memory.get(), WIRE_BYTES), 0);
    driver_pages = Map(MAP_32BIT);
    host_pages = Map(0);
    system_pages = Map(0);
  }

  void TearDown() override {
    for (void* pages : {driver_pages, host_pages, system_pages}) munmap(pages, WIRE_BYTES);
    machine = nullptr;
  }

  void Start() {
    ASSERT_EQ(VarstoreDxeEntry(nullptr, nullptr), EFI_SUCCESS);
    ASSERT_EQ(stops, 0);
    calls = 0;
  }

  [[nodiscard]] void* Map(int flags) const {
    void* pages =
        mmap(nullptr, WIRE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | flags, memory.get(), 0);
    EXPECT_NE(pages, MAP_FAILED);
    return pages;
  }

  void ExitBootServices() {
    at_runtime = true;
    gBS = nullptr;  // its memory belongs to the operating system now
  }

  // ---- the calls ----

  static Result Get(std::u16string name, std::size_t room = 100, EFI_GUID vendor = kVendor) {
    Result result = {.status = 0, .data = Bytes(room)};
    std::uint64_t size = room;
    result.status = gRT->GetVariable(name.data(), &vendor, nullptr, &size, result.data.data());
    result.data.resize(result.status == EFI_SUCCESS ? size : 0);
    return result;
  }
  static EFI_STATUS Set(std::u16string name, Bytes data, std::uint32_t attributes = 7) {
    EFI_GUID vendor = kVendor;
    return gRT->SetVariable(name.data(), &vendor, attributes, data.size(), data.data());
  }
  static EFI_STATUS Next() {
    std::vector<char16_t> name(2048);
    std::uint64_t size = 2 * name.size();
    EFI_GUID vendor = {};
    return gRT->GetNextVariableName(&size, name.data(), &vendor);
  }
  static EFI_STATUS Query() {
    std::uint64_t storage = 0;
    std::uint64_t remaining = 0;
    std::uint64_t variable = 0;
    return gRT->QueryVariableInfo(7, &storage, &remaining, &variable);
  }
  /// How many of the driver's five calls are answered by the host.
  static int Answered() {
    const std::array<EFI_STATUS, 5> statuses = {Get(u"Name").status, Next(), Set(u"Other", {1}),
                                                Query(), VarstoreReportRefusal()};
    return static_cast<int>(
        std::ranges::count_if(statuses, [](auto status) { return status != EFI_DEVICE_ERROR; }));
  }

  // ---- what the driver finds around it ----

  /// The write to the port: the host, unless the test has something else in its place.
  void Port(std::uint64_t port, std::uint32_t value) {
    EXPECT_EQ(port, 0x100U);
    EXPECT_EQ(std::uint64_t{value} << 12U, AddressOf(driver_pages));
    ++calls;
    levels.push_back(level);
    if (during_call) {
      const auto act = std::exchange(during_call, nullptr);
      act();
    }
    if (is_silent) return;
    guest::MappedPages pages(static_cast<std::uint64_t*>(host_pages));
    host.dispatcher.Serve(pages);
  }

  Host host;
  base::UniqueFd memory;
  void* driver_pages = nullptr;
  void* host_pages = nullptr;
  void* system_pages = nullptr;
  EFI_TPL level = TPL_APPLICATION;
  bool at_runtime = false;
  bool has_memory = true;
  bool is_silent = false;
  int calls = 0;
  int stops = 0;
  int boots_refused = 0;
  std::vector<EFI_TPL> levels;         ///< at each call of the host
  std::function<void()> during_call;   ///< happens once, before the host answers
  std::function<EFI_STATUS()> policy;  ///< what a policy says of a write
  EFI_EVENT_NOTIFY on_end_of_dxe = nullptr;
  EFI_EVENT_NOTIFY on_address_change = nullptr;

  static DriverTest* machine;

 private:
  static EFI_TPL Raise(EFI_TPL new_level) {
    EXPECT_GE(new_level, machine->level);
    return std::exchange(machine->level, new_level);
  }
  static void Restore(EFI_TPL new_level) {
    EXPECT_LE(new_level, machine->level);
    machine->level = new_level;
  }
  static EFI_STATUS Allocate(EFI_ALLOCATE_TYPE type, EFI_MEMORY_TYPE memory, UINTN pages,
                             EFI_PHYSICAL_ADDRESS* address) {
    EXPECT_EQ(type, AllocateMaxAddress);
    EXPECT_EQ(memory, EfiRuntimeServicesData);
    EXPECT_EQ(pages, 16U);
    EXPECT_EQ(*address, 0xFFFFFFFFU);
    if (!machine->has_memory) return EFI_OUT_OF_RESOURCES;
    *address = AddressOf(machine->driver_pages);
    return EFI_SUCCESS;
  }
  static EFI_STATUS CreateEvent(UINT32 /*type*/, EFI_TPL /*level*/, EFI_EVENT_NOTIFY notify,
                                const void* /*context*/, const EFI_GUID* group,
                                EFI_EVENT* /*event*/) {
    (group == &gEfiEndOfDxeEventGroupGuid ? machine->on_end_of_dxe : machine->on_address_change) =
        notify;
    return EFI_SUCCESS;
  }
  static EFI_STATUS Install(EFI_HANDLE* /*handle*/, ...) {  // NOLINT(cert-dcl50-cpp): UEFI's
    return EFI_SUCCESS;
  }

  EFI_BOOT_SERVICES boot_services_ = {.RaiseTPL = Raise,
                                      .RestoreTPL = Restore,
                                      .AllocatePages = Allocate,
                                      .CreateEventEx = CreateEvent,
                                      .InstallMultipleProtocolInterfaces = Install};
  EFI_RUNTIME_SERVICES runtime_services_ = {};
};

DriverTest* DriverTest::machine = nullptr;

}  // namespace
}  // namespace varstored::test

using varstored::test::DriverTest;

extern "C" {
EFI_BOOT_SERVICES* gBS = nullptr;
EFI_RUNTIME_SERVICES* gRT = nullptr;
EFI_GUID gEfiGlobalVariableGuid = {{0x61, 0xDF, 0xE4, 0x8B, 0xCA, 0x93, 0xD2, 0x11, 0xAA, 0x0D,
                                    0x00, 0xE0, 0x98, 0x03, 0x2B, 0x8C}};
EFI_GUID gEfiEndOfDxeEventGroupGuid = {};
EFI_GUID gEfiEventVirtualAddressChangeGuid = {};
EFI_GUID gEfiVariableArchProtocolGuid = {};
EFI_GUID gEfiVariableWriteArchProtocolGuid = {};

BOOLEAN EfiAtRuntime() { return DriverTest::machine->at_runtime ? 1 : 0; }
EFI_TPL EfiGetCurrentTpl() { return DriverTest::machine->level; }
EFI_STATUS EfiConvertPointer(UINTN /*disposition*/, void** address) {
  EXPECT_EQ(*address, DriverTest::machine->driver_pages);
  *address = DriverTest::machine->system_pages;
  return EFI_SUCCESS;
}
void IoWrite32(UINTN port, UINT32 value) { DriverTest::machine->Port(port, value); }
BOOLEAN CompareGuid(const EFI_GUID* one, const EFI_GUID* other) {
  return std::memcmp(one, other, sizeof(*one)) == 0 ? 1 : 0;
}
int StrCmp(const CHAR16* one, const CHAR16* other) { return std::u16string(one).compare(other); }
EFI_STATUS InitVariablePolicyLib(EFI_STATUS (* /*get*/)(CHAR16*, EFI_GUID*, UINT32*, UINTN*,
                                                        void*)) {
  return EFI_SUCCESS;
}
EFI_STATUS ValidateSetVariable(CHAR16* /*name*/, EFI_GUID* /*vendor*/, UINT32 /*attributes*/,
                               UINTN /*size*/, void* /*data*/) {
  return DriverTest::machine->policy ? DriverTest::machine->policy() : EFI_SUCCESS;
}
EFI_STATUS InstallPolicyProtocols(EFI_HANDLE /*handle*/) { return EFI_SUCCESS; }
void LockPolicies() {}
EFI_STATUS ReportRefusedImages() { return EFI_SUCCESS; }
void StopMachine(const CHAR16* /*reason*/) { ++DriverTest::machine->stops; }
EFI_STATUS StopInsteadOfBoot() {
  ++DriverTest::machine->boots_refused;
  return EFI_SUCCESS;
}
}

namespace varstored::test {
namespace {

TEST_F(DriverTest, ACallRunsAtNotifyAndPutsTheLevelBack) {
  Start();
  for (const EFI_TPL before : kAllowedLevels) {
    level = before;
    levels.clear();
    ASSERT_EQ(Set(u"Name", {7}), EFI_SUCCESS);
    EXPECT_EQ(Answered(), 5);
    EXPECT_EQ(levels, std::vector<EFI_TPL>(6, TPL_NOTIFY));
    EXPECT_EQ(level, before);
  }
}

TEST_F(DriverTest, ACallThatFailsPutsTheLevelBack) {
  Start();
  level = TPL_CALLBACK;
  const std::u16string too_long(40000, u'n');
  EXPECT_EQ(Get(too_long).status, EFI_INVALID_PARAMETER);
  EXPECT_EQ(Set(too_long, {1}), EFI_INVALID_PARAMETER);
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(level, TPL_CALLBACK);
  is_silent = true;
  EXPECT_EQ(Answered(), 0);
  EXPECT_EQ(level, TPL_CALLBACK);
}

TEST_F(DriverTest, AboveNotifyNothingIsCalled) {
  Start();
  for (const EFI_TPL before : {TPL_NOTIFY + 1, TPL_HIGH_LEVEL}) {
    level = before;
    EXPECT_EQ(Answered(), 0);
    EXPECT_EQ(level, before);
  }
  EXPECT_EQ(calls, 0);
}

TEST_F(DriverTest, ACallWithinACallIsAnErrorAtOnce) {
  Start();
  for (const bool is_runtime : {false, true}) {
    if (is_runtime) ExitBootServices();
    ASSERT_EQ(Set(u"Name", {1, 2, 3}), EFI_SUCCESS);
    calls = 0;
    int answered_within = -1;
    during_call = [&] { answered_within = Answered(); };
    const Result outer = Get(u"Name");
    EXPECT_EQ(answered_within, 0);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(outer.status, EFI_SUCCESS);
    EXPECT_EQ(outer.data, (Bytes{1, 2, 3}));
    EXPECT_EQ(Answered(), 5);
  }
}

TEST_F(DriverTest, APolicyMayAskForAnotherVariable) {
  Start();
  ASSERT_EQ(Set(u"Asked", {9}), EFI_SUCCESS);
  on_end_of_dxe(nullptr, nullptr);
  Result asked = {};
  policy = [&] {
    asked = Get(u"Asked");
    return EFI_SUCCESS;
  };
  EXPECT_EQ(Set(u"Name", {1}), EFI_SUCCESS);
  EXPECT_EQ(asked.data, (Bytes{9}));
  EXPECT_EQ(level, TPL_APPLICATION);
  policy = [] { return EFI_WRITE_PROTECTED; };
  calls = 0;
  EXPECT_EQ(Set(u"Name", {2}), EFI_WRITE_PROTECTED);
  EXPECT_EQ(calls, 0);
}

TEST_F(DriverTest, AtRuntimeThereAreNoLevels) {
  Start();
  ASSERT_EQ(Set(u"Boot", {1}, 3), EFI_SUCCESS);
  ASSERT_EQ(Set(u"Name", {1}), EFI_SUCCESS);
  ExitBootServices();
  EXPECT_EQ(Answered(), 5);
  EXPECT_EQ(Get(u"Boot").status, EFI_NOT_FOUND);
}

TEST_F(DriverTest, AfterAnAddressChangeThePagesAreAtTheNewOne) {
  Start();
  ASSERT_EQ(Set(u"Name", {1}), EFI_SUCCESS);
  ExitBootServices();
  on_address_change(nullptr, nullptr);
  ASSERT_EQ(mprotect(driver_pages, WIRE_BYTES, PROT_NONE), 0);
  EXPECT_EQ(Answered(), 5);
}

TEST_F(DriverTest, WithoutPagesTheMachineStops) {
  has_memory = false;
  VarstoreDxeEntry(nullptr, nullptr);
  EXPECT_EQ(stops, 1);
  EXPECT_EQ(gRT->GetVariable, nullptr);
}

TEST_F(DriverTest, ASilentHostIsRefusedAtTheStart) {
  is_silent = true;
  VarstoreDxeEntry(nullptr, nullptr);
  EXPECT_EQ(boots_refused, 1);
}

TEST_F(DriverTest, SecureBootThatIsNotToldStopsTheMachineBeforeTheOperatingSystem) {
  Start();
  EXPECT_EQ(Get(u"SecureBoot", 0, gEfiGlobalVariableGuid).status, EFI_BUFFER_TOO_SMALL);
  EXPECT_EQ(stops, 0);
  is_silent = true;
  EXPECT_EQ(Get(u"SecureBoot").status, EFI_DEVICE_ERROR);  // of another vendor
  EXPECT_EQ(Get(u"SetupMode", 1, gEfiGlobalVariableGuid).status, EFI_DEVICE_ERROR);
  EXPECT_EQ(stops, 0);
  EXPECT_EQ(Get(u"SecureBoot", 1, gEfiGlobalVariableGuid).status, EFI_DEVICE_ERROR);
  EXPECT_EQ(stops, 1);
  ExitBootServices();
  EXPECT_EQ(Get(u"SecureBoot", 1, gEfiGlobalVariableGuid).status, EFI_DEVICE_ERROR);
  EXPECT_EQ(stops, 1);
}

}  // namespace
}  // namespace varstored::test
