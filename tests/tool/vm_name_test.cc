#include "varstored/tool/vm_name.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/process.h"
#include "support/temporary_folder.h"
#include "varstored/base/no_log.h"

namespace varstored::tool {
namespace {

constexpr const char* kFirst = "01234567-89ab-cdef-0123-456789abcdef";
constexpr const char* kSecond = "c0acc535-2c4e-4d3b-8f0a-1d2e3f405162";

/// With a folder of its own as the current one.
class VmNameTest : public ::testing::Test {
 protected:
  VmNameTest() { std::filesystem::current_path(folder_.path()); }
  ~VmNameTest() override { std::filesystem::current_path(before_); }

  void Write(const std::string& name, std::string_view content) const {
    std::ofstream(folder_.File(name)) << content;
  }
  void AddVm(const std::string& uuid, std::string_view name) const {
    std::filesystem::create_directory(folder_.File(uuid));
    Write(uuid + ".name", name);
  }
  /// The uuid, or what is wrong.
  [[nodiscard]] std::string Find(const std::string& name) const {
    const auto uuid = UuidOfName(name, {.vms = folder_.path()});
    return uuid ? *uuid : uuid.error().message;
  }
  static bool Has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
  }

  std::filesystem::path before_ = std::filesystem::current_path();
  test::TemporaryFolder folder_;
};

TEST_F(VmNameTest, AnOperandIsWhatTheFirstRuleThatHoldsSays) {
  for (const char* name : {"web.vars", "17", kSecond}) {
    Write(name, "");
  }
  std::filesystem::create_directory("folder");
  struct Row {
    std::string operand;
    OperandKind kind;
  };
  for (const auto& [operand, kind] : std::vector<Row>{
           {"/absent", OperandKind::kPath},
           {"absent/", OperandKind::kPath},
           {"-", OperandKind::kPath},
           {"./5", OperandKind::kPath},
           {std::string("./") + kFirst, OperandKind::kPath},
           {".", OperandKind::kPath},
           {"..", OperandKind::kPath},
           {kFirst, OperandKind::kUuid},
           {kSecond, OperandKind::kUuid},  // a file of this name is there
           {"01234567-89AB-CDEF-0123-456789ABCDEF", OperandKind::kUuid},
           {"web.vars", OperandKind::kPath},
           {"folder", OperandKind::kPath},
           {"17", OperandKind::kPath},
           {"0", OperandKind::kNumber},
           {"32751", OperandKind::kNumber},
           {"320000", OperandKind::kName},
           {"-5", OperandKind::kName},
           {"5a", OperandKind::kName},
           {"0x5", OperandKind::kName},
           {"absent.vars", OperandKind::kName},
           {"web", OperandKind::kName},
           {"", OperandKind::kName},
           {std::string(kFirst) + "0", OperandKind::kName},
           {std::string(5000, 'x'), OperandKind::kName},
       }) {
    EXPECT_EQ(KindOf(operand), kind) << operand;
  }
}

TEST_F(VmNameTest, ANameIsThatOfOneVmThatHasAFolder) {
  AddVm(kFirst, "web");
  AddVm(kSecond, "web 2\n");
  EXPECT_EQ(Find("web"), kFirst);
  EXPECT_EQ(Find("web 2\n"), kSecond);
  EXPECT_TRUE(Has(Find("we"), "no VM has this name in " + folder_.path())) << Find("we");
  std::filesystem::remove(folder_.File(kFirst));
  EXPECT_TRUE(Has(Find("web"), "no VM has this name")) << "of one that is gone the name stays";
}

TEST_F(VmNameTest, ANameOfTwoVmsIsAMisuseThatNamesBoth) {
  AddVm(kSecond, "web");
  AddVm(kFirst, "web");
  EXPECT_EQ(Find("web"), std::string("'web' is the name of 2 VMs (") + kFirst + ", " + kSecond +
                             "): give the uuid (--help shows the usage)");
}

TEST_F(VmNameTest, WhatIsNoFileOfAVmsNameIsNone) {
  AddVm(kFirst, "web");
  std::filesystem::create_directory(folder_.File("other"));
  Write("other.name", "web");
  Write(".name", "web");
  EXPECT_EQ(Find("web"), kFirst);
  EXPECT_TRUE(Has(UuidOfName("web", {.vms = folder_.File("absent")}).error().message,
                  "no VM has this name"));
}

TEST_F(VmNameTest, AFileOfANameThatIsNoneIsAnErrorThatNamesIt) {
  AddVm(kFirst, std::string(kMaxVmNameBytes, 'n'));
  EXPECT_EQ(Find(std::string(kMaxVmNameBytes, 'n')), kFirst);
  Write(std::string(kFirst) + ".name", std::string(kMaxVmNameBytes + 1, 'n'));
  EXPECT_TRUE(Has(Find("web"), std::string(kFirst) + ".name")) << Find("web");
  std::filesystem::remove(folder_.File(std::string(kFirst) + ".name"));
  std::filesystem::create_symlink("/etc/hostname", folder_.File(std::string(kFirst) + ".name"));
  EXPECT_TRUE(Has(Find("web"), std::string(kFirst) + ".name")) << Find("web");
}

TEST_F(VmNameTest, AHostileNameIsEscapedInAMessageAndNoPath) {
  EXPECT_TRUE(Find("\x1b[2Jx\n").starts_with("'?[2Jx?': ")) << Find("\x1b[2Jx\n");
  PlaceOptions options;
  options.socket = folder_.File("absent");
  for (const std::string& name : {std::string(), std::string(kMaxVmNameBytes + 1, 'x')}) {
    options.operand = name;
    base::NoLog log;
    const auto understood = Understood(options, log);
    ASSERT_FALSE(understood);
    EXPECT_TRUE(Has(understood.error().message, "from 1 to 255 bytes"));
  }
}

TEST_F(VmNameTest, ANumberIsTheDomainWhoseDaemonListens) {
  const HostFolders folders = {.vms = folder_.path(), .live = folder_.File("live")};
  const auto absent = UuidOfDomain("0", folders);
  ASSERT_FALSE(absent);
  EXPECT_TRUE(Has(absent.error().message, "no varstored in " + folders.live))
      << absent.error().message;
  {
    const test::Process vm = test::StartLoopback(
        folder_.File("socket"),
        {"--backend", "memory", "--arg", std::string("uuid:") + kSecond, "--live", folders.live});
    const auto uuid = UuidOfDomain("0", folders);
    ASSERT_TRUE(uuid) << uuid.error().message;
    EXPECT_EQ(*uuid, kSecond);
    EXPECT_FALSE(UuidOfDomain("1", folders));
  }
  // The socket of one that was killed stays behind.
  EXPECT_TRUE(std::filesystem::exists(folders.live + "/0." + kSecond));
  EXPECT_FALSE(UuidOfDomain("0", folders));
}

}  // namespace
}  // namespace varstored::tool
