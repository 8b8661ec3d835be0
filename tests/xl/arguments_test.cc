#include "arguments.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace varstored::xl {
namespace {

using Words = std::vector<std::string>;

constexpr std::string_view kUuid = "0c5ac1d5-9a43-4b0e-9d6f-2f8ad3a6e1b7";

/// What libxl of Xen 4.17 calls a device model with, for a small domain.
Words LibxlsArguments() {
  return {"-xen-domid",
          "12",
          "-no-shutdown",
          "-chardev",
          "socket,id=libxl-cmd,fd=19,server=on,wait=off",
          "-mon",
          "chardev=libxl-cmd,mode=control",
          "-nodefaults",
          "-no-user-config",
          "-name",
          "vm1",
          "-vnc",
          "none",
          "-display",
          "none",
          "-machine",
          "xenfv,suppress-vmdesc=on",
          "-m",
          "16"};
}

Words With(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

DeviceModelLine Parsed(const Words& words) {
  const auto line = ParseDeviceModelLine(words);
  EXPECT_TRUE(line) << line.error().message;
  return line ? *line : DeviceModelLine();
}

std::string WhyNot(const Words& words) {
  const auto line = ParseDeviceModelLine(words);
  return line ? "" : line.error().message;
}

TEST(DeviceModelLine, TheDeviceModelGetsItsArgumentsAsTheyWere) {
  const auto line = Parsed(LibxlsArguments());
  EXPECT_EQ(line.device_model_arguments, LibxlsArguments());
  EXPECT_EQ(line.domain, 12);
  EXPECT_FALSE(line.restores);
  EXPECT_EQ(line.settings.folder, "/var/lib/varstored");
  EXPECT_EQ(line.settings.secure_boot, std::nullopt);
  EXPECT_TRUE(line.settings.daemon_options.empty());
}

TEST(DeviceModelLine, OwnOptionsAreTakenOutWhereverTheyStand) {
  const Words own = {"--varstored-device-model=/opt/qemu",
                     "--varstored-folder",
                     "/srv/vms",
                     "--varstored-secure-boot=no",
                     "--varstored-option=--auth-dir=/keys",
                     "--varstored-option",
                     "--log-level=debug"};
  for (const Words& words : {With(own, LibxlsArguments()), With(LibxlsArguments(), own)}) {
    const auto line = Parsed(words);
    EXPECT_EQ(line.device_model_arguments, LibxlsArguments());
    EXPECT_EQ(line.device_model, "/opt/qemu");
    EXPECT_EQ(line.settings.folder, "/srv/vms");
    EXPECT_EQ(line.settings.secure_boot, false);
    EXPECT_EQ(line.settings.daemon_options, Words({"--auth-dir=/keys", "--log-level=debug"}));
  }
}

TEST(DeviceModelLine, ADomainThatIsRestoredIsKnownByIncoming) {
  const auto line = Parsed(With(LibxlsArguments(), {"-incoming", "fd:20"}));
  EXPECT_TRUE(line.restores);
  EXPECT_EQ(line.device_model_arguments, With(LibxlsArguments(), {"-incoming", "fd:20"}));
}

TEST(DeviceModelLine, WithoutADomainThereIsNothingToServe) {
  const auto line = Parsed({"-version"});
  EXPECT_EQ(line.domain, std::nullopt);
  EXPECT_EQ(line.device_model_arguments, Words({"-version"}));
}

TEST(DeviceModelLine, AMistakeIsNamed) {
  EXPECT_EQ(WhyNot({"--varstored-colour=red"}), "no option: --varstored-colour=red");
  EXPECT_EQ(WhyNot({"--varstored-folders=/x"}), "no option: --varstored-folders=/x");
  EXPECT_EQ(WhyNot({"--varstored-folder"}), "--varstored-folder needs a value");
  EXPECT_EQ(WhyNot({"--varstored-folder=here"}), "--varstored-folder: 'here' is no absolute path");
  EXPECT_EQ(WhyNot({"--varstored-secure-boot=on"}),
            "--varstored-secure-boot: 'on' is neither yes nor no");
  for (const Words& words : {Words{"-xen-domid"}, Words{"-xen-domid", "vm1"},
                             Words{"-xen-domid", "0"}, Words{"-xen-domid", "32752"}}) {
    EXPECT_EQ(WhyNot(words), "-xen-domid is not followed by the number of a domain");
  }
}

TEST(AttachLine, WhatStandsBehindTheDashesIsTheDaemons) {
  const Words words = {"--secure-boot=yes", "vm1",   "--resume", "--",
                       "--auth-dir",        "/keys", "--help"};
  const auto line = ParseAttachLine(words);
  ASSERT_TRUE(line) << line.error().message;
  EXPECT_EQ(line->domain, "vm1");
  EXPECT_TRUE(line->resume);
  EXPECT_EQ(line->settings.secure_boot, true);
  EXPECT_EQ(line->settings.daemon_options, Words({"--auth-dir", "/keys", "--help"}));
  EXPECT_FALSE(line->help);
}

TEST(AttachLine, AMistakeIsNamed) {
  const auto why_not = [](const Words& words) {
    const auto line = ParseAttachLine(words);
    return line ? "" : line.error().message;
  };
  EXPECT_EQ(why_not({}), "no domain is named");
  EXPECT_EQ(why_not({"--", "vm1"}), "no domain is named");
  EXPECT_EQ(why_not({"vm1", "vm2"}), "two domains: vm1 and vm2");
  EXPECT_EQ(why_not({"--auth-dir", "vm1"}),
            "no option: --auth-dir (those of varstored stand behind --)");
}

std::string Command(const Settings& settings, Start start) {
  std::string text;
  for (const std::string& word :
       DaemonCommand(settings, "/usr/sbin/varstored", 12, std::string(kUuid), start)) {
    text += text.empty() ? word : " " + word;
  }
  return text;
}

TEST(DaemonCommand, FollowsTheUuidAndTheDomain) {
  const std::string boot =
      "/usr/sbin/varstored --domain 12 --pidfile "
      "/run/varstored/0c5ac1d5-9a43-4b0e-9d6f-2f8ad3a6e1b7.pid"
      " --chroot /var/lib/varstored/0c5ac1d5-9a43-4b0e-9d6f-2f8ad3a6e1b7"
      " --depriv --uid 65548 --gid 65548 --backend sqlite --arg path:/variables.sqlite"
      " --arg save:/state --arg uuid:0c5ac1d5-9a43-4b0e-9d6f-2f8ad3a6e1b7";
  EXPECT_EQ(Command({}, Start::kBoot), boot);
  EXPECT_EQ(Command({}, Start::kResume), boot + " --resume --arg resume:/state");
  EXPECT_EQ(Command({}, Start::kResumeWithoutState), boot + " --resume");
}

TEST(DaemonCommand, FurtherOptionsComeLastSoThatTheyWin) {
  EXPECT_TRUE(Command({.daemon_options = {"--uid", "7"}}, Start::kBoot).ends_with(" --uid 7"));
}

TEST(DaemonCommand, AnotherBackendGetsNothingOfTheStore) {
  const std::string begin =
      "/usr/sbin/varstored --domain 12 --pidfile "
      "/run/varstored/0c5ac1d5-9a43-4b0e-9d6f-2f8ad3a6e1b7.pid";
  EXPECT_EQ(Command({.daemon_options = {"--backend=memory"}}, Start::kResume),
            begin + " --backend=memory");
  EXPECT_EQ(Command({.daemon_options = {"--backend", "memory"}}, Start::kBoot),
            begin + " --backend memory");
}

TEST(DomainOfDaemon, IsReadFromItsCommandLine) {
  std::string command_line;
  for (const std::string& word :
       DaemonCommand({}, "/usr/sbin/varstored", 12, std::string(kUuid), Start::kBoot)) {
    command_line += word;
    command_line += '\0';
  }
  EXPECT_EQ(DomainOfDaemon(command_line), 12);
  EXPECT_EQ(DomainOfDaemon(""), std::nullopt);
  EXPECT_EQ(DomainOfDaemon(std::string("sleep\0--domain\0", 15)), std::nullopt);
}

TEST(Uuid, IsAlsoSafeAsTheNameOfAFolder) {
  EXPECT_TRUE(IsUuid(kUuid));
  EXPECT_TRUE(IsUuid("0C5AC1D5-9A43-4B0E-9D6F-2F8AD3A6E1B7"));
  EXPECT_FALSE(IsUuid(""));
  EXPECT_FALSE(IsUuid("../../../../../../../../../../etc/ab"));
  EXPECT_FALSE(IsUuid(std::string(kUuid) + "0"));
  EXPECT_FALSE(IsUuid(kUuid.substr(1)));
  EXPECT_FALSE(IsUuid("0c5ac1d5-9a43-4b0e-9d6f-2f8ad3a6e1b/"));
}

}  // namespace
}  // namespace varstored::xl
