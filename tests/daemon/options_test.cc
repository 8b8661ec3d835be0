#include "varstored/daemon/options.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "varstored/base/file.h"

namespace varstored::daemon {
namespace {

constexpr Program kXen = {.name = "varstored",
                          .help = "Test.",
                          .door = Program::Door::kXen,
                          .configuration_path = {},
                          .auth_folder = {}};
constexpr Program kLoopback = {.name = "varstored-loopback",
                               .help = "Test.",
                               .door = Program::Door::kLoopback,
                               .configuration_path = {},
                               .auth_folder = {}};

using Words = std::vector<std::string_view>;

base::Result<Options, OptionError> Read(const Program& program, const Words& words) {
  return ReadOptions(program, words);
}

/// `words` behind what every command line of the loopback program needs.
base::Result<Options, OptionError> ReadMore(const Words& words) {
  Words all = {"--listen", "/s", "--backend", "memory"};
  all.insert(all.end(), words.begin(), words.end());
  return Read(kLoopback, all);
}

TEST(Options, EachHasItsEffect) {
  const auto options = ReadMore({"--platform",
                                 "secureboot=true",
                                 "--platform",
                                 "auth-enforce=false",
                                 "--nonpersistent",
                                 "--resume",
                                 "--arg",
                                 "resume:/r",
                                 "--arg",
                                 "save:/s:1",
                                 "--arg",
                                 "init:/i",
                                 "--pidfile",
                                 "/p",
                                 "--chroot",
                                 "/c",
                                 "--depriv",
                                 "--uid",
                                 "100",
                                 "--gid",
                                 "0x10",
                                 "--log-level",
                                 "debug",
                                 "--auth-dir",
                                 "/a",
                                 "--require-kek",
                                 "yes",
                                 "--require-db",
                                 "yes",
                                 "--start-budget",
                                 "7",
                                 "--boot-write-patience",
                                 "9",
                                 "--write-patience",
                                 "8",
                                 "--update-clones",
                                 "yes",
                                 "--secure-boot",
                                 "enforce",
                                 "--platform",
                                 "secureboot-enforce=true",
                                 "--update-dbx",
                                 "yes",
                                 "--live",
                                 "/l"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->listen_path, "/s");
  EXPECT_EQ(options->backend, "memory");
  EXPECT_EQ(options->platform.secureboot, "true");
  EXPECT_EQ(options->platform.auth_enforce, "false");
  EXPECT_TRUE(options->nonpersistent);
  EXPECT_TRUE(options->resume);
  EXPECT_EQ(options->resume_path, "/r");
  EXPECT_EQ(options->save_path, "/s:1") << "only the first colon separates";
  EXPECT_EQ(options->backend_arguments.at("init"), "/i");
  EXPECT_EQ(options->pid_path, "/p");
  EXPECT_EQ(options->chroot_path, "/c");
  EXPECT_TRUE(options->depriv);
  EXPECT_EQ(options->uid, 100U);
  EXPECT_EQ(options->gid, 16U);
  EXPECT_EQ(options->log_level, base::LogLevel::kDebug);
  EXPECT_EQ(options->auth_folder, "/a");
  EXPECT_TRUE(options->require_kek);
  EXPECT_TRUE(options->require_db);
  EXPECT_TRUE(options->update_dbx);
  EXPECT_EQ(options->start_budget.count(), 7);
  EXPECT_EQ(options->boot_write_patience.count(), 9);
  EXPECT_EQ(options->write_patience.count(), 8);
  EXPECT_TRUE(options->update_clones);
  EXPECT_TRUE(options->require_secure_boot);
  EXPECT_EQ(options->platform.secureboot_enforce, "true");
  EXPECT_EQ(options->live_folder, "/l");
}

TEST(Options, TheHostsKeysAreShownUnlessItIsSaid) {
  EXPECT_TRUE(ReadMore({})->default_keys);
  EXPECT_FALSE(ReadMore({"--default-keys", "no"})->default_keys);
  EXPECT_EQ(ReadMore({"--default-keys", "maybe"}).error().exit_code, 1);
}

// A configuration from before there were two of them means what it meant.
TEST(Options, TheOlderNameSetsBothPatiences) {
  const auto usual = ReadMore({});
  EXPECT_EQ(usual->boot_write_patience, std::chrono::minutes(5));
  EXPECT_EQ(usual->write_patience, std::chrono::seconds(15));
  const auto older = ReadMore({"--request-budget", "90"});
  EXPECT_EQ(older->boot_write_patience, std::chrono::seconds(90));
  EXPECT_EQ(older->write_patience, std::chrono::seconds(90));
}

TEST(Options, ARunningVmIsLookedIntoWhereItIsSaidAndElseWhereTheProgramSays) {
  EXPECT_EQ(ReadMore({})->live_folder, std::nullopt);
  EXPECT_EQ(ReadMore({"--live", "no"})->live_folder, "");
  EXPECT_EQ(ReadMore({"--live", "relative"}).error().exit_code, 1);
  EXPECT_EQ(ReadMore({"--live", ""}).error().exit_code, 1);
}

TEST(Options, WhatIsNotGivenIsOff) {
  const auto options = ReadMore({});
  ASSERT_TRUE(options);
  EXPECT_FALSE(options->help || options->version || options->nonpersistent || options->resume ||
               options->depriv || options->require_kek || options->require_db ||
               options->update_dbx || options->update_clones || options->require_secure_boot);
  EXPECT_FALSE(options->resume_path || options->save_path || options->pid_path ||
               options->chroot_path || options->uid || options->gid || options->auth_folder ||
               options->configuration_path || options->platform.secureboot ||
               options->platform.auth_enforce || options->platform.secureboot_enforce);
  EXPECT_EQ(options->log_level, base::LogLevel::kInfo);
}

// In its order. What it says about its socket and the VM does not depend on the backend, which is a
// setting of the VM.
TEST(Options, TheToolstacksCommandLineIsUnderstoodWithEveryBackend) {
  for (const std::vector<std::string_view>& backend :
       {std::vector<std::string_view>{"xapidb"}, {"memory"}, {"sqlite", "--arg", "path:/v"}}) {
    std::vector<std::string_view> words = {
        "--domain", "5",        "--chroot", "/var/run/xen/varstored-root-5",
        "--depriv", "--uid",    "65540",    "--gid",
        "1005",     "--backend"};
    words.insert(words.end(), backend.begin(), backend.end());
    words.insert(
        words.end(),
        {"--arg", "socket:/xapi-depriv-socket", "--pidfile", "/var/run/xen/varstored-5.pid",
         "--arg", "uuid:c3d1f1f6-bc4b-4d2b-9a5c-3a4e3f6f9e5d", "--nonpersistent", "--resume",
         "--arg", "resume:/efi-vars-resume.dat", "--arg", "save:/efi-vars-save.dat"});

    const auto options = ReadOptions(kXen, words);

    ASSERT_TRUE(options) << options.error().message;
    EXPECT_EQ(options->domain, 5U);
    EXPECT_EQ(options->uid, 65540U);
    EXPECT_EQ(options->resume_path, "/efi-vars-resume.dat");
  }
}

TEST(Options, AValueMayFollowAnEqualsSign) {
  const auto good = Read(kLoopback, {"--backend=memory", "--arg=save:a=b", "--listen=/s"});
  ASSERT_TRUE(good);
  EXPECT_EQ(good->save_path, "a=b");
}

TEST(Options, UnknownPlatformKeysAreOtherPeoplesBusiness) {
  EXPECT_TRUE(ReadMore({"--platform", "videoram=8"}));
}

TEST(Options, OfAKeyGivenTwiceTheLastValueCounts) {
  EXPECT_EQ(ReadMore({"--uid", "1", "--uid", "2"})->uid, 2U);
  EXPECT_EQ(ReadMore({"--arg", "save:1", "--arg", "save:2"})->save_path, "2");
}

TEST(Options, HelpAndVersionNeedNothingElse) {
  EXPECT_TRUE(Read(kXen, {"--help"})->help);
  EXPECT_TRUE(Read(kLoopback, {"--version"})->version);
}

struct Refused {
  Words words;
  int exit_code;
  std::string_view message;
};

TEST(Options, AMisunderstoodCommandLineSaysWhy) {
  const std::vector<Refused> cases = {
      {{}, 2, "--listen is missing"},
      {{"--listen", "/s"}, 2, "--backend is missing"},
      {{"--backend", "memory"}, 2, "--listen is missing"},
      {{"--nonsense"}, 2, "there is no option --nonsense"},
      {{"--resum"}, 2, "there is no option --resum"},
      {{"--domain", "5"}, 2, "there is no option --domain"},
      {{"-h"}, 2, "'-h' is no option"},
      {{"word"}, 2, "'word' is no option"},
      {{""}, 2, "'' is no option"},
      {{"--"}, 2, "there is no option --"},
      {{"--=x"}, 2, "there is no option --"},
      {{"--listen"}, 2, "--listen needs a value"},
      {{"--resume=yes"}, 2, "--resume has no value"},
      {{"--help=1"}, 2, "--help has no value"},
      {{"--backend", "paper"},
       2,
       "--backend: there is no backend 'paper'; there are: xapidb, memory, sqlite"},
      {{"--backend", ""}, 2, "--backend: there is no backend ''"},
      {{"--backend", "memory", "--backend", "memory"}, 2, "--backend: given twice"},
      {{"--arg", "save:/f", "--backend", "memory"}, 2, "--arg: comes before --backend"},
      {{"--backend", "memory", "--arg", "save"}, 2, "--arg: 'save' is not NAME:VALUE"},
      {{"--backend", "memory", "--arg", ":x"}, 2, "--arg: ':x' is not NAME:VALUE"},
      {{"--backend", "memory", "--arg", "path:1"}, 2, "--arg: the backend memory has no 'path'"},
      {{"--listen", "/s", "--backend", "memory", "--arg", "resume:/f"},
       2,
       "--arg resume:... without --resume"},
      {{"--listen", "/s", "--backend", "sqlite"},
       2,
       "--arg path:... is missing for the backend sqlite"},
      {{"--platform", "secureboot"}, 2, "--platform: 'secureboot' is not KEY=VALUE"},
      {{"--uid", "x"}, 1, "--uid: 'x' is not a number"},
      {{"--uid", ""}, 1, "--uid: '' is not a number"},
      {{"--uid", "1x"}, 1, "--uid: '1x' is not a number"},
      {{"--uid", "-1"}, 1, "--uid: '-1' is not a number"},
      {{"--uid", "4294967295"}, 1, "--uid: '4294967295' is not a number from 0 to 4294967294"},
      {{"--gid", "99999999999999999999"}, 1, "--gid: '99999999999999999999' is not a number"},
      {{"--log-level", "loud"}, 1, "--log-level: 'loud' is none of error, warning, info, debug"},
      {{"--start-budget", "0"}, 1, "--start-budget: 0 seconds are not enough for any call"},
      {{"--request-budget", "3601"}, 1, "--request-budget: '3601' is not a number from 0 to 3600"},
      {{"--boot-write-patience", "0"},
       1,
       "--boot-write-patience: 0 seconds are not enough for any call"},
      {{"--boot-write-patience", "3601"},
       1,
       "--boot-write-patience: '3601' is not a number from 0 to 3600"},
      {{"--write-patience", "61"}, 1, "--write-patience: '61' is not a number from 0 to 60"},
      {{"--write-patience", "15s"}, 1, "--write-patience: '15s' is not a number from 0 to 60"},
      {{"--journal", "yes"}, 2, "there is no option --journal"},
      {{"--secure-boot", "yes"}, 1, "--secure-boot: 'yes' is neither no nor enforce"},
      {{"--update-clones", "once"}, 1, "--update-clones: 'once' is neither yes nor no"},
      {{"--require-kek", "1"}, 1, "--require-kek: '1' is neither yes nor no"},
  };
  for (const Refused& refused : cases) {
    const auto options = Read(kLoopback, refused.words);
    ASSERT_FALSE(options) << refused.message;
    EXPECT_EQ(options.error().exit_code, refused.exit_code) << refused.message;
    EXPECT_EQ(options.error().message.substr(0, refused.message.size()), refused.message);
  }
}

TEST(Options, ADomainIsANumberThatXenGives) {
  for (const std::string_view good : {"0", "0x10", "010", "32751"}) {
    EXPECT_TRUE(Read(kXen, {"--domain", good, "--backend", "memory"})) << good;
  }
  for (const std::string_view bad : {"", "five", "-1", "32752", "5 ", "4294967296"}) {
    const auto options = Read(kXen, {"--domain", bad, "--backend", "memory"});
    ASSERT_FALSE(options) << bad;
    EXPECT_EQ(options.error().exit_code, 1);
  }
}

class ConfigurationTest : public ::testing::Test {
 protected:
  std::string Write(std::string_view text) {
    EXPECT_TRUE(base::WriteFileInPlace(path_, base::ToBytes(text)));
    return path_;
  }

  test::TemporaryFolder folder_;
  std::string path_ = folder_.File("varstored.conf");
};

TEST_F(ConfigurationTest, LinesHaveKeyAndValueWithAnyBlanks) {
  Write(
      "# comment\n\n  auth-dir = /keys \r\nlog-level=debug\n\t# more\nrequire-kek=yes\n"
      "require-db = yes\nupdate-dbx=yes");
  const auto options = ReadMore({"--config", path_});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->auth_folder, "/keys");
  EXPECT_EQ(options->log_level, base::LogLevel::kDebug);
  EXPECT_TRUE(options->require_kek && options->require_db && options->update_dbx);
}

TEST_F(ConfigurationTest, TheCommandLineWins) {
  Write("auth-dir=/keys\nrequire-kek=yes\n");
  const auto options = ReadMore({"--auth-dir", "/other", "--config", path_, "--require-kek", "no"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->auth_folder, "/other");
  EXPECT_FALSE(options->require_kek);
}

TEST_F(ConfigurationTest, AnEmptyFileIsFine) {
  Write("");
  EXPECT_TRUE(ReadMore({"--config", path_}));
}

TEST_F(ConfigurationTest, TheProgramsOwnFileMayBeMissing) {
  Program program = kLoopback;
  program.configuration_path = path_;
  const Words words = {"--listen", "/s", "--backend", "memory"};
  EXPECT_TRUE(Read(program, words));
  Write("log-level=debug\n");
  EXPECT_EQ(Read(program, words)->log_level, base::LogLevel::kDebug);
}

TEST_F(ConfigurationTest, AFileThatWasAskedForMustBeThere) {
  const auto options = ReadMore({"--config", path_});
  ASSERT_FALSE(options);
  EXPECT_EQ(options.error().exit_code, 1);
  EXPECT_EQ(options.error().message, path_ + ": no such file");
}

TEST_F(ConfigurationTest, SomethingElseThanAFileIsRefused) {
  const auto options = ReadMore({"--config", folder_.path()});
  ASSERT_FALSE(options);
  EXPECT_EQ(options.error().exit_code, 1);
  EXPECT_EQ(options.error().message, folder_.path() + ": not a regular file");
}

TEST_F(ConfigurationTest, AMistakeIsNamedByFileAndLine) {
  struct Case {
    std::string_view text;
    std::string_view message;
  };
  const std::vector<Case> cases = {
      {"auth-dir", ":1: not KEY=VALUE"},
      {"=x", ":1: not KEY=VALUE"},
      {"\n#\nfoo=1\n", ":3: unknown key 'foo'"},
      {"uid=1\n", ":1: unknown key 'uid'"},
      {"domain=1\n", ":1: unknown key 'domain'"},
      {"listen=/s\n", ":1: unknown key 'listen'"},
      {"log-level=debug\nlog-level=loud\n",
       ":2: log-level: 'loud' is none of error, warning, info, debug"},
      {"require-db=\n", ":1: require-db: '' is neither yes nor no"},
      {"require-db=YES\n", ":1: require-db: 'YES' is neither yes nor no"},
  };
  for (const Case& row : cases) {
    Write(row.text);
    const auto options = ReadMore({"--config", path_});
    ASSERT_FALSE(options) << row.text;
    EXPECT_EQ(options.error().exit_code, 1);
    EXPECT_EQ(options.error().message, path_ + std::string(row.message));
  }
}

TEST_F(ConfigurationTest, AMistakeCountsEvenWhereTheCommandLineWins) {
  Write("require-kek=perhaps\n");
  EXPECT_FALSE(ReadMore({"--config", path_, "--require-kek", "no"}));
}

}  // namespace
}  // namespace varstored::daemon
