#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/temporary_folder.h"
#include "varstored/base/file.h"

namespace varstored::test {
namespace {

class StartTest : public ::testing::Test {
 protected:
  std::string Write(std::string_view name, ByteSpan content) {
    std::string path = folder_.File(name);
    EXPECT_TRUE(base::WriteFileInPlace(path, content));
    return path;
  }
  std::string MakeFolder(std::string_view name) {
    std::string path = folder_.File(name);
    std::filesystem::create_directory(path);
    return path;
  }
  /// Runs the program, with these arguments behind what it always needs, until it ends by itself.
  Ended Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--backend", "memory"});
    const std::vector<std::string> command = LoopbackCommand(socket_);
    arguments.insert(arguments.begin(), command.begin(), command.end());
    return RunProgram(arguments);
  }
  /// What the folder of the socket holds beside the folder of the files.
  [[nodiscard]] bool IsSocketFolderEmpty() const {
    return std::filesystem::is_empty(socket_folder_.path());
  }

  TemporaryFolder folder_;
  TemporaryFolder socket_folder_;
  std::string socket_ = socket_folder_.File("socket");
};

/// One step of the start, broken.
struct Broken {
  std::vector<std::string> arguments;
  int exit_code;
  std::string message;
};

// Readiness was announced before the variables were read, and a failure after that hung the VM
// (L-24): whatever breaks, the socket never appears, the exit code says so, and one line says why.
TEST_F(StartTest, L24AFailureInAnyStepIsOneLineAndNeverReadiness) {
  const std::string missing = folder_.File("missing");
  const std::string rubbish = Write("rubbish", Bytes(100, 'x'));
  const std::string empty = Write("empty", {});
  const std::string configuration = Write("conf", base::ToBytes(std::string_view("\nfoo=1\n")));
  const std::string folder = MakeFolder("folder");

  const std::string large_key = MakeFolder("large_key");
  Write("large_key/db.auth", Bytes(57345));
  const std::string folder_as_key = MakeFolder("folder_as_key");
  MakeFolder("folder_as_key/KEK.auth");
  const std::string bad_key = MakeFolder("bad_key");
  Write("bad_key/PK.auth", Bytes(100, 'x'));

  const std::vector<Broken> cases = {
      {{"--log-level", "loud"},
       1,
       "options-wrong: --log-level: 'loud' is none of error, warning, info, debug"},
      {{"--config", missing}, 1, "options-wrong: " + missing + ": no such file"},
      {{"--config", configuration}, 1, "options-wrong: " + configuration + ":2: unknown key 'foo'"},
      {{"--auth-dir", missing}, 1, "keys-unreadable: auth-dir: " + missing + ": no such folder"},
      {{"--auth-dir", rubbish}, 1, "keys-unreadable: auth-dir: " + rubbish + ": no such folder"},
      {{"--auth-dir", large_key},
       1,
       "keys-unreadable: " + large_key + "/db.auth: larger than 57344 bytes"},
      {{"--auth-dir", folder_as_key},
       1,
       "keys-unreadable: " + folder_as_key + "/KEK.auth: not a regular file"},
      {{"--auth-dir", bad_key},
       1,
       "variables-not-loaded: first boot: PK.auth cannot be used: descriptor-malformed"},
      {{"--pidfile", missing + "/pid"},
       1,
       "pid-file-failed: " + missing + "/pid: cannot open the pid file: "},
      {{"--pidfile", folder}, 1, "pid-file-failed: " + folder + ": cannot open the pid file: "},
      {{"--chroot", missing},
       1,
       "rights-not-dropped: " + missing + ": cannot make it the root folder: "},
      {{"--arg", "save:" + missing + "/save"},
       1,
       "state-not-saved: " + missing + "/save: cannot open for writing: "},
      {{"--arg", "save:" + folder},
       1,
       "state-not-saved: " + folder + ": cannot open for writing: "},
      {{"--arg", "save:/dev/null"}, 1, "state-not-saved: /dev/null: not a regular file"},
      {{"--arg", "init:" + missing}, 1, "variables-not-loaded: " + missing + ": no such file"},
      {{"--arg", "init:" + empty}, 1, "variables-not-loaded: " + empty + ": "},
      {{"--arg", "init:" + rubbish}, 1, "variables-not-loaded: " + rubbish + ": "},
      {{"--arg", "init:" + folder}, 1, "variables-not-loaded: " + folder + ": not a regular file"},
      {{"--resume", "--arg", "resume:" + missing},
       1,
       "variables-not-loaded: " + missing + ": no such file"},
      {{"--resume", "--arg", "resume:" + empty}, 1, "variables-not-loaded: " + empty + ": empty"},
      {{"--resume", "--arg", "resume:" + rubbish}, 1, "variables-not-loaded: " + rubbish + ": "},
      {{"--resume", "--arg", "resume:" + folder},
       1,
       "variables-not-loaded: " + folder + ": not a regular file"},
  };
  for (const Broken& broken : cases) {
    const Ended ended = Run(broken.arguments);
    EXPECT_EQ(ended.exit_code, broken.exit_code) << broken.message;
    EXPECT_TRUE(IsSocketFolderEmpty()) << broken.message;
    // A first boot that goes on to fail has warned before of the keys that are missing.
    const std::size_t last_line = ended.errors.rfind('\n', ended.errors.size() - 2);
    const std::string line =
        ended.errors.substr(last_line == std::string::npos ? 0 : last_line + 1);
    EXPECT_EQ(line.substr(0, broken.message.size()), broken.message);
    if (broken.message.find("first boot") == std::string::npos) {
      // Only root, and in some containers not even root, can leave the host's namespaces.
      const bool is_warned = ended.errors.find("namespaces-shared: cannot leave") == 0;
      EXPECT_EQ(std::ranges::count(ended.errors, '\n'), is_warned ? 2 : 1) << ended.errors;
    }
  }
}

TEST_F(StartTest, L24AMisunderstoodCommandLineIsOneLine) {
  const Ended ended = Run({"--nonsense"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_EQ(ended.errors,
            "options-wrong: there is no option --nonsense (--help shows the usage)\n");
  EXPECT_EQ(ended.output, "");
  EXPECT_TRUE(IsSocketFolderEmpty());
}

TEST_F(StartTest, HelpAndVersionGoToTheOutput) {
  const Ended help = RunProgram({LoopbackProgram(), "--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_EQ(help.output.find("usage: varstored-loopback "), 0U);
  EXPECT_EQ(help.errors, "");
  const Ended version = RunProgram({LoopbackProgram(), "--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_EQ(version.output.find("varstored-loopback "), 0U);
}

TEST_F(StartTest, ASocketPathThatCannotBeUsedIsRefused) {
  const std::string file = Write("file", {});
  const std::vector<std::pair<std::string, std::string>> cases = {
      {file, "door-failed: " + file + ": there already, and not a socket"},
      {folder_.File("missing/socket"), "door-failed: " + folder_.File("missing/socket") + "."},
      {folder_.File(std::string(100, 'x')), "door-failed: " + folder_.File(std::string(100, 'x'))},
      {"", "door-failed: : not a path for a socket"},
  };
  for (const auto& [path, message] : cases) {
    const Ended ended = RunProgram({LoopbackProgram(), "--listen", path, "--backend", "memory"});
    EXPECT_EQ(ended.exit_code, 1) << path;
    EXPECT_EQ(ended.errors.substr(0, message.size()), message);
  }
  EXPECT_TRUE(std::filesystem::is_regular_file(file));
}

class PidFileTest : public StartTest {
 protected:
  std::string pid_path_ = folder_.File("pid");
  std::vector<std::string> arguments_ = {"--backend", "memory", "--pidfile", pid_path_};
};

TEST_F(PidFileTest, HoldsThePidAndIsLocked) {
  Write("pid", base::ToBytes(std::string_view("12345678901234567890\n")));
  const Process process = StartLoopback(socket_, arguments_);
  EXPECT_EQ(base::ToString(*base::ReadFile(pid_path_, 100)), std::to_string(process.pid()) + "\n");

  const base::UniqueFd file(::open(pid_path_.c_str(), O_RDWR | O_CLOEXEC));
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  ASSERT_EQ(::fcntl(file.get(), F_GETLK, &lock), 0);
  EXPECT_EQ(lock.l_type, F_WRLCK);
  EXPECT_EQ(lock.l_pid, process.pid());
}

TEST_F(PidFileTest, OfALivingProcessIsLeftAlone) {
  const Process first = StartLoopback(socket_, arguments_);
  const Ended second = Run({"--pidfile", pid_path_});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_EQ(second.errors,
            "pid-file-failed: " + pid_path_ + ": another process has locked the pid file\n");
  EXPECT_EQ(base::ToString(*base::ReadFile(pid_path_, 100)), std::to_string(first.pid()) + "\n");
}

TEST_F(PidFileTest, OfADeadProcessIsTakenOver) {
  {
    Process first = StartLoopback(socket_, arguments_);
    EXPECT_EQ(first.Stop(SIGKILL).exit_code, 128 + SIGKILL);
  }
  const Process second = StartLoopback(socket_, arguments_);
  EXPECT_EQ(base::ToString(*base::ReadFile(pid_path_, 100)), std::to_string(second.pid()) + "\n");
}

TEST_F(PidFileTest, IsItsOwnersAloneAlsoWhereAnOlderOneWasNot) {
  Write("pid", base::ToBytes(std::string_view("1\n")));
  ASSERT_EQ(::chmod(pid_path_.c_str(), 0644), 0);
  const Process process = StartLoopback(socket_, arguments_);
  struct stat status = {};
  ASSERT_EQ(::stat(pid_path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST_F(PidFileTest, ASharedLockOfSomebodyElsesKeepsNobodyFromStarting) {
  Write("pid", base::ToBytes(std::string_view("1\n")));
  const base::UniqueFd file(::open(pid_path_.c_str(), O_RDONLY | O_CLOEXEC));
  struct flock lock = {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  ASSERT_EQ(::fcntl(file.get(), F_SETLK, &lock), 0);
  const Process process = StartLoopback(socket_, arguments_);
  EXPECT_EQ(base::ToString(*base::ReadFile(pid_path_, 100)), std::to_string(process.pid()) + "\n");
}

TEST_F(PidFileTest, IsNoLinkAndHasNoSecondName) {
  Write("other", base::ToBytes(std::string_view("other")));
  std::filesystem::create_symlink(folder_.File("other"), pid_path_);
  EXPECT_EQ(Run({"--pidfile", pid_path_}).exit_code, 1);
  std::filesystem::remove(pid_path_);
  std::filesystem::create_hard_link(folder_.File("other"), pid_path_);
  const Ended ended = Run({"--pidfile", pid_path_});
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_EQ(ended.errors, "pid-file-failed: " + pid_path_ +
                              ": is no file of the daemon's own, or has a second name; remove it, "
                              "so that the pid file can be made\n");
  EXPECT_EQ(base::ToString(*base::ReadFile(folder_.File("other"), 100)), "other");
}

TEST_F(PidFileTest, IsNotMadeForRootWhereOthersMayWrite) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root is kept from it";
  }
  ASSERT_EQ(::chmod(folder_.path().c_str(), 01777), 0);
  EXPECT_EQ(Run({"--pidfile", pid_path_}).exit_code, 1);
  EXPECT_FALSE(std::filesystem::exists(pid_path_));
}

// With the rights that the daemon has when it is started by a toolstack, and those that it keeps.
class RightsTest : public StartTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "only root can give up rights";
    }
    // A sanitizer that looks for leaks in the end needs /proc and traces the process: the daemon
    // gives up both.
    const char* options = ::getenv("ASAN_OPTIONS");
    ::setenv("ASAN_OPTIONS",
             (std::string(options == nullptr ? "" : options) + ":detect_leaks=0").c_str(), 1);
  }
  /// The fields of a line of /proc/<pid>/status.
  static std::string Status(const Process& process, const std::string& key) {
    // The kernel does not say how large these files are.
    const auto bytes =
        base::ReadFile("/proc/" + std::to_string(process.pid()) + "/status", 1 << 16);
    if (!bytes) {
      return bytes.error().message;
    }
    const std::string text = base::ToString(*bytes);
    const std::size_t at = text.find("\n" + key + ":\t");
    return at == std::string::npos
               ? "absent"
               : text.substr(at + key.size() + 3, text.find('\n', at + 1) - at - key.size() - 3);
  }
};

TEST_F(RightsTest, OfTheToolstacksCommandLineAreGivenUp) {
  const std::string root = MakeFolder("root");
  const std::string save = Write("root/save", {});
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0711), 0);
  ASSERT_EQ(::chmod(root.c_str(), 0750), 0);
  ASSERT_EQ(::chown(root.c_str(), 0, 54321), 0);
  ASSERT_EQ(::chown(save.c_str(), 54320, 54321), 0);
  const std::string pid_path = folder_.File("pid");

  Process process =
      StartLoopback(socket_, {"--chroot", root, "--depriv", "--uid", "54320", "--gid", "54321",
                              "--backend", "memory", "--arg", "save:/save", "--pidfile", pid_path});
  EXPECT_EQ(Status(process, "Uid"), "54320\t54320\t54320\t54320");
  EXPECT_EQ(Status(process, "Gid"), "54321\t54321\t54321\t54321");
  EXPECT_EQ(Status(process, "Groups").find_first_of("0123456789"), std::string::npos);
  EXPECT_EQ(Status(process, "NoNewPrivs"), "1");
  EXPECT_EQ(Status(process, "CapEff"), "0000000000000000");

  const std::string proc = "/proc/" + std::to_string(process.pid());
  // Not by its path: that is another one where the test itself runs below another root.
  EXPECT_TRUE(std::filesystem::equivalent(proc + "/root", root));
  EXPECT_NE(base::ToString(*base::ReadFile(proc + "/limits", 1 << 16))
                .find("Max file size             2097152              2097152"),
            std::string::npos);
  // A container may forbid even root to leave them; the daemon says so then.
  for (const std::string space : {"/ns/mnt", "/ns/ipc", "/ns/net", "/ns/uts"}) {
    EXPECT_TRUE(std::filesystem::read_symlink(proc + space) !=
                    std::filesystem::read_symlink("/proc/self" + space) ||
                process.Errors().find("cannot leave the host's namespaces") != std::string::npos)
        << space;
  }

  LoopbackClient guest(socket_);
  EXPECT_EQ(guest.SetVariable(u"Name", {}, 7, Bytes{1}), kEfiSuccess);
  const Ended ended = process.Stop();
  EXPECT_EQ(ended.exit_code, 0) << ended.errors;
  EXPECT_EQ(base::ToString(*base::ReadFile(save, 1 << 20)).substr(0, 4), "VARS");
}

TEST_F(RightsTest, PathsOfArgumentsAreInsideTheRootFolder) {
  const std::string root = MakeFolder("root");
  Write("init", Bytes(100));  // outside, and of no use
  const Ended ended = Run({"--chroot", root, "--arg", "init:/init"});
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_NE(ended.errors.find("/init: no such file"), std::string::npos) << ended.errors;
}

}  // namespace
}  // namespace varstored::test
