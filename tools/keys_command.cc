#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backup.h"
#include "commands.h"
#include "download.h"
#include "host_keys.h"
#include "key_sources.h"
#include "repair.h"
#include "varstore-keys/page.h"
#include "varstored/backend/xapi.h"
#include "varstored/base/file.h"
#include "varstored/base/held_file.h"
#include "varstored/base/hex.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/crypto/digest.h"
#include "varstored/daemon/first_boot_keys.h"
#include "varstored/health/text.h"
#include "varstored/keys/judge.h"
#include "varstored/keys/make.h"
#include "varstored/sandbox/helper.h"
#include "varstored/tool/command_line.h"
#include "varstored/tool/place.h"

namespace varstored::tools {
namespace {

constexpr int kFoundExitCode = 2;
constexpr std::size_t kMaxKeyBytes = std::size_t{64} << 10;
constexpr mode_t kFolderMode = 0755;
constexpr mode_t kFileMode = 0644;
constexpr mode_t kSecretFolderMode = 0700;
constexpr mode_t kSecretFileMode = 0600;

struct Wishes {
  /// The names of the options that were given.
  std::set<std::string> given;
  HostKeysOptions host;
  std::optional<keys::Profile> profile;
  std::vector<std::string> from;
  std::string output;
  std::string secret_folder;
  std::string backup_folder = kBackupFolder;
  DownloadOptions download;
  bool force = false;
};

/// Texts and files of a helper's answer, one behind the other.
void WriteFiles(base::Writer& writer, const std::vector<keys::NamedFile>& files) {
  writer.WriteU32(static_cast<std::uint32_t>(files.size()));
  for (const keys::NamedFile& file : files) {
    tool::WriteText(writer, file.name);
    tool::WriteText(writer, base::ToString(file.bytes));
  }
}

bool ReadFiles(base::Reader& reader, std::vector<keys::NamedFile>& files) {
  std::uint32_t count = 0;
  if (!reader.ReadU32(count)) {
    return false;
  }
  for (; count > 0; --count) {
    keys::NamedFile file;
    std::string bytes;
    if (!tool::ReadText(reader, file.name) || !tool::ReadText(reader, bytes)) {
      return false;
    }
    file.bytes = base::ToBytes(bytes);
    crypto::Cleanse({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});  // NOLINT
    files.push_back(std::move(file));
  }
  return true;
}

void Clear(std::vector<keys::NamedFile>& files) {
  for (keys::NamedFile& file : files) {
    crypto::Cleanse(file.bytes);
  }
}

// varstore keys make

/// The private keys that are there already. Who may write in their folder may have put keys there
/// that he has as well, and would decide what the VMs start.
base::Result<std::vector<keys::NamedFile>> ReadKept(const std::string& path,
                                                    keys::Profile profile) {
  std::vector<keys::NamedFile> kept;
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
    return kept;
  }
  const auto folder = base::HeldFolder::Open(path);
  if (!folder) {
    return folder.failure();
  }
  for (const std::string& name : keys::PrivateFiles(profile)) {
    const auto file = base::HeldFile::OpenIn(*folder, name);
    if (!file) {
      return file.failure();
    }
    if (!file->exists()) {
      continue;
    }
    if (auto may = folder->CheckMayMake(); !may) {
      std::string words = path;
      words.append("/").append(name).append(
          ": there is a key already, and may be another user's: ");
      return base::Fail(words + may.error().message);
    }
    auto bytes = file->Read(kMaxKeyBytes);
    if (!bytes) {
      return bytes.failure();
    }
    kept.push_back({name, *std::move(bytes)});
  }
  return kept;
}

/// For the helper process. What is missing is said there, a line each.
base::Result<base::Bytes> Make(const Wishes& wishes, const KeySources& sources,
                               const std::vector<keys::NamedFile>& kept, base::Log& log) {
  const keys::Ingredients ingredients = IngredientsIn(sources, log);
  bool is_short = false;
  std::string text;
  for (const std::string& line : ingredients.lines) {
    text += line + "\n";
  }
  for (const health::KnownCertificate& known : keys::Missing(ingredients)) {
    if (*wishes.profile == keys::Profile::kOwn) {
      break;
    }
    const std::string words = std::string(known.certificate.name) + ": missing" +
                              (known.is_optional ? ", which is optional" : "") + "; SHA-256 " +
                              base::ToHex(known.certificate.digest) + ", published at " +
                              std::string(known.url);
    if (known.is_optional) {
      text += words + "\n";
    } else {
      is_short = true;
      log.Error(words);
    }
  }
  if (is_short) {
    return base::Fail(
        "nothing was made: put what is missing into a folder, and name it with --from; or let "
        "--download fetch it");
  }
  auto made = keys::MakeFiles(*wishes.profile, ingredients, kept, std::time(nullptr));
  if (!made) {
    return made.failure();
  }
  if (made->auth.size() < 4) {
    text +=
        "no revocations were found, so there is no dbx.auth: new VMs start without. Microsoft's "
        "list "
        "is in https://github.com/microsoft/secureboot_objects, PreSignedObjects/DBX\n";
  }
  base::Writer writer;
  tool::WriteText(writer, text);
  WriteFiles(writer, made->auth);
  WriteFiles(writer, made->secret);
  Clear(made->secret);
  return writer.Take();
}

/// A folder in which files may be made; it is made when it is missing.
base::Result<base::HeldFolder> FolderToWrite(const std::string& path, mode_t mode) {
  auto folder = base::HeldFolder::OpenOrMake(path, mode);
  if (!folder) {
    return folder;
  }
  const auto may = folder->CheckMayMake();
  return may ? std::move(folder) : may.failure();
}

/// The same, and it has none of these files.
base::Result<base::HeldFolder> FolderFor(const std::vector<keys::NamedFile>& files,
                                         const std::string& path, mode_t mode) {
  auto folder = FolderToWrite(path, mode);
  if (!folder) {
    return folder;
  }
  for (const keys::NamedFile& file : files) {
    if (::faccessat(folder->fd(), file.name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
      return base::Fail(path + "/" + file.name +
                        ": it is there already, and nothing is overwritten: give another folder");
    }
  }
  return folder;
}

base::Result<void> WriteFiles(const base::HeldFolder& folder, mode_t mode,
                              const std::vector<keys::NamedFile>& files) {
  for (const keys::NamedFile& file : files) {
    // Half a private key would look like one.
    auto held = base::HeldFile::OpenIn(folder, file.name);
    if (!held) {
      return held.failure();
    }
    if (auto made = held->Make(file.bytes, mode); !made) {
      return made;
    }
  }
  return {};
}

base::Result<void> WriteMade(const std::string& output, const std::vector<keys::NamedFile>& auth,
                             const std::string& secret_folder,
                             const std::vector<keys::NamedFile>& secret) {
  // Before anything is written: keys of files that are not made after all would be left over.
  const auto folder = FolderFor(auth, output, kFolderMode);
  if (!folder) {
    return folder.failure();
  }
  // The keys first: files that nobody has the key of would be worth nothing.
  if (!secret.empty()) {
    const auto keys_folder = FolderFor(secret, secret_folder, kSecretFolderMode);
    if (!keys_folder) {
      return keys_folder.failure();
    }
    if (auto done = WriteFiles(*keys_folder, kSecretFileMode, secret); !done) {
      return done;
    }
  }
  return WriteFiles(*folder, kFileMode, auth);
}

std::string WordsOnSecrets(const Wishes& wishes, const std::string& folder,
                           const std::vector<keys::NamedFile>& kept) {
  if (*wishes.profile == keys::Profile::kMicrosoft) {
    return "The private key of PK was thrown away: only the host's tools can change PK and KEK of "
           "a VM.\n";
  }
  return std::string(kept.empty() ? "New private keys: " : "The private keys: ") +
         health::ForTerminal(folder) +
         ". Keep them safe, and not on this host: who has them decides what the VMs start.\n";
}

base::Result<std::string> MakeCommand(const Wishes& wishes, base::Log& log) {
  if (!wishes.profile) {
    return tool::Misuse("--profile is missing: microsoft, managed or own");
  }
  const std::string output = wishes.output.empty() ? "secure-boot-keys" : wishes.output;
  const std::string secret_folder =
      wishes.secret_folder.empty() ? output + "/private" : wishes.secret_folder;
  auto sources = ReadKeySources(wishes.from, log);
  if (!sources) {
    return sources.failure();
  }
  if (wishes.download.is_wanted && *wishes.profile != keys::Profile::kOwn) {
    if (auto done = DownloadMissing(wishes.download, *sources, log); !done) {
      return done.failure();
    }
  }
  auto kept = ReadKept(secret_folder, *wishes.profile);
  if (!kept) {
    return kept.failure();
  }
  auto answer = sandbox::InHelper(
      [&](base::Log& lines) { return Make(wishes, *sources, *kept, lines); }, log);
  Clear(*kept);
  if (!answer) {
    return answer.failure();
  }
  base::Reader reader(*answer);
  std::string text;
  std::vector<keys::NamedFile> auth;
  std::vector<keys::NamedFile> secret;
  const bool is_whole = tool::ReadText(reader, text) && ReadFiles(reader, auth) &&
                        ReadFiles(reader, secret) && reader.empty();
  crypto::Cleanse(*answer);
  if (!is_whole) {
    return sandbox::BrokenAnswer();
  }
  const auto done = WriteMade(output, auth, secret_folder, secret);
  Clear(secret);
  if (!done) {
    return done.failure();
  }
  for (const keys::NamedFile& file : auth) {
    text += health::ForTerminal(output) + "/" + file.name + ": " +
            std::to_string(file.bytes.size()) + " bytes\n";
  }
  return text + WordsOnSecrets(wishes, secret_folder, *kept) +
         "Next: " + health::ShellCommand("varstore keys install", {output}) + "\n";
}

// varstore keys list, and check

base::Result<std::string> ListCommand(const Wishes& wishes, base::Log& log) {
  const auto folder = HostFolder(wishes.host);
  const auto host_keys = ReadHostKeys(wishes.host);
  if (!folder || !host_keys) {
    return folder ? host_keys.failure() : folder.failure();
  }
  const auto text = sandbox::TextInHelper(
      [&](base::Log& /*lines*/) -> base::Result<std::string> { return keys::List(*host_keys); },
      log);
  if (!text) {
    return text.failure();
  }
  return health::ForTerminal(*folder) + "\n" +
         (text->empty() ? "no files of keys: new VMs start in setup mode, without Secure Boot\n"
                        : *text);
}

/// "!" in front of the text: something is wrong.
base::Result<std::string> JudgeFolder(const engine::FirstBootKeys& host_keys, base::Log& log) {
  return sandbox::TextInHelper(
      [&](base::Log& /*lines*/) -> base::Result<std::string> {
        const keys::Judgement judgement = keys::Judge(host_keys, std::time(nullptr));
        std::string text = judgement.wrong.empty() ? " " : "!";
        for (const std::string& line : judgement.wrong) {
          text += "wrong: " + line + "\n";
        }
        for (const std::string& line : judgement.notes) {
          text += "note: " + line + "\n";
        }
        return text + (judgement.wrong.empty() ? "A first boot takes these files.\n" : "");
      },
      log);
}

base::Result<std::string> CheckCommand(const Wishes& wishes, int& exit_code, base::Log& log) {
  const auto folder = HostFolder(wishes.host);
  const auto host_keys = ReadHostKeys(wishes.host);
  if (!folder || !host_keys) {
    return folder ? host_keys.failure() : folder.failure();
  }
  const auto judged = JudgeFolder(*host_keys, log);
  if (!judged) {
    return judged.failure();
  }
  exit_code = judged->starts_with('!') ? kFoundExitCode : 0;
  return health::ForTerminal(*folder) + "\n" +
         judged->substr(std::min<std::size_t>(judged->size(), 1));
}

// varstore keys install

struct HostFile {
  std::string name;
  std::optional<base::Bytes> wanted;
  std::optional<base::Bytes> old;
};

/// Makes `bytes` the whole file `name`; nothing: there is none afterwards.
base::Result<void> Put(const base::HeldFolder& folder, const std::string& name,
                       const std::optional<base::Bytes>& bytes) {
  if (!bytes) {
    if (::unlinkat(folder.fd(), name.c_str(), 0) != 0 && errno != ENOENT) {
      return base::Fail(folder.path() + "/" + name + ": " + base::ErrnoText());
    }
    return folder.Sync();
  }
  auto file = base::HeldFile::OpenIn(folder, name);
  if (!file) {
    return file.failure();
  }
  return file->exists() ? file->Replace(*bytes) : file->Make(*bytes, kFileMode);
}

/// Each file appears whole or not at all; when one fails, those before it are put back.
base::Result<void> PutAll(const base::HeldFolder& folder, const std::vector<HostFile>& files) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    auto done = Put(folder, files[i].name, files[i].wanted);
    if (done) {
      continue;
    }
    std::string words = done.error().message + "; nothing was changed";
    for (std::size_t left = i; left > 0; --left) {
      if (auto back = Put(folder, files[left - 1].name, files[left - 1].old); !back) {
        words = done.error().message +
                "; and what was there before could not all be put back: " + back.error().message;
      }
    }
    return base::Fail(words);
  }
  return {};
}

base::Result<std::string> Backups(const std::string& path, const std::vector<HostFile>& files) {
  std::string text;
  for (const HostFile& file : files) {
    if (!file.old) {
      continue;
    }
    const auto folder = base::HeldFolder::OpenOrMake(path, kSecretFolderMode);
    if (!folder) {
      return folder.failure();
    }
    const auto backup = MakeBackup(*folder, file.name, *file.old, std::time(nullptr));
    if (!backup) {
      return backup.failure();
    }
    text += "backup: " + health::ForTerminal(*backup) + "\n";
  }
  return text;
}

base::Result<void> CheckMayInstall(const std::string& target, const Wishes& wishes) {
  struct stat status = {};
  if (::geteuid() != 0) {
    return base::Fail("only root can install the host's keys");
  }
  if (!wishes.force && target == daemon::kAuthFolder &&
      ::stat(backend::XapiOptions().socket_path.c_str(), &status) == 0) {
    return base::Fail(
        target +
        ": XAPI fills this folder by itself, with the keys of the pool, and would "
        "replace these. Set them for the pool (docs/xcp-ng.md, \"Keys of the pool\")");
  }
  return {};
}

base::Result<std::string> InstallCommand(const Wishes& wishes, const std::string& source,
                                         base::Log& log) {
  const auto target = HostFolder(wishes.host);
  if (!target) {
    return target.failure();
  }
  if (auto may = CheckMayInstall(*target, wishes); !may) {
    return may.failure();
  }
  HostKeysOptions from = wishes.host;
  from.auth_folder = source;
  const auto wanted = ReadHostKeys(from);
  const auto old = ReadHostKeys(wishes.host);
  if (!wanted || !old) {
    return wanted ? old.failure() : wanted.failure();
  }
  const auto judged = JudgeFolder(*wanted, log);
  if (!judged) {
    return judged.failure();
  }
  if (judged->starts_with('!') && !wishes.force) {
    return base::Fail(source + ": something is wrong with these files, so nothing was installed: " +
                      health::ShellCommand("varstore keys check", {source}) +
                      " says what. --force installs them");
  }
  const auto folder = FolderToWrite(*target, kFolderMode);
  if (!folder) {
    return folder.failure();
  }
  // PK ends a VM's setup mode, so it comes last here as well.
  const std::vector<HostFile> files = {{"dbx.auth", wanted->dbx, old->dbx},
                                       {"db.auth", wanted->db, old->db},
                                       {"KEK.auth", wanted->kek, old->kek},
                                       {"PK.auth", wanted->pk, old->pk}};
  const auto backups = Backups(wishes.backup_folder, files);
  if (!backups) {
    return backups.failure();
  }
  if (auto done = PutAll(*folder, files); !done) {
    return done.failure();
  }
  return *backups + "installed in " + health::ForTerminal(*target) +
         ": each VM gets them at its first boot.\n"
         "VMs that have keys keep them. One that runs sees these as PKDefault and the like from "
         "its "
         "next start on.\n";
}

// The command line

tool::Option Profile(std::optional<keys::Profile>& profile) {
  return {'\0', "profile", true, [&profile](std::string_view value) -> base::Result<void> {
            const auto parsed = keys::ParseProfile(value);
            if (!parsed) {
              return parsed.failure();
            }
            profile = *parsed;
            return {};
          }};
}

/// Those of `options` that are given are noted.
std::vector<tool::Option> Noted(std::vector<tool::Option> options, std::set<std::string>& given) {
  for (tool::Option& option : options) {
    option.apply = [&given, name = option.name, apply = std::move(option.apply)](auto value) {
      given.insert(name);
      return apply(value);
    };
  }
  return options;
}

/// A verb, and the options that mean something to it.
struct Verb {
  std::string_view name;
  std::size_t most_operands;
  std::set<std::string> options;
};

const std::array<Verb, 4>& Verbs() {
  static const std::array<Verb, 4> kVerbs = {
      {{"make", 0, {"profile", "from", "output", "private", "download", "url-base", "cacert"}},
       {"list", 0, {"config", "auth-dir"}},
       {"check", 1, {"config", "auth-dir"}},
       {"install", 1, {"config", "auth-dir", "backup-folder", "force"}}}};
  return kVerbs;
}

base::Result<void> CheckCommandLine(const Wishes& wishes,
                                    const std::vector<std::string>& operands) {
  if (operands.empty()) {
    return tool::Misuse("make, list, check or install is missing");
  }
  const auto* const verb =
      std::find_if(Verbs().begin(), Verbs().end(),
                   [&operands](const Verb& row) { return row.name == operands.front(); });
  if (verb == Verbs().end()) {
    return tool::Misuse("'" + base::Printable(operands.front()) +
                        "' is none of make, list, check, install");
  }
  if (operands.size() - 1 > verb->most_operands) {
    return tool::Misuse("'" + operands[verb->most_operands + 1] + "' is one operand too many");
  }
  for (const std::string& name : wishes.given) {
    if (!verb->options.contains(name)) {
      return tool::Misuse("--" + name + " means nothing to '" + operands.front() + "'");
    }
  }
  if (!wishes.download.is_wanted &&
      (wishes.given.contains("url-base") || wishes.given.contains("cacert"))) {
    return tool::Misuse("--url-base and --cacert need --download");
  }
  if (operands.size() == 2 && operands.front() == "check" && wishes.given.contains("auth-dir")) {
    return tool::Misuse("the folder is given twice, by --auth-dir too");
  }
  return {};
}

base::Result<std::string> Run(Wishes& wishes, const std::vector<std::string>& operands,
                              int& exit_code, base::Log& log) {
  if (auto good = CheckCommandLine(wishes, operands); !good) {
    return good.failure();
  }
  const std::string& verb = operands.front();
  if (verb == "make") {
    return MakeCommand(wishes, log);
  }
  if (verb == "list") {
    return ListCommand(wishes, log);
  }
  if (verb == "check") {
    if (operands.size() == 2) {
      wishes.host.auth_folder = operands.back();
    }
    return CheckCommand(wishes, exit_code, log);
  }
  return operands.size() == 2
             ? InstallCommand(wishes, operands.back(), log)
             : tool::Misuse("the folder with the files that are to be installed is missing");
}

}  // namespace

int KeysMain(int argc, char** argv) {
  Wishes wishes;
  int exit_code = 0;
  const int failed =
      tool::Main({"varstore keys", page::kHelp}, argc, argv,
                 Noted(tool::Joined({OptionsOf(wishes.host),
                                     {Profile(wishes.profile), tool::Values("from", wishes.from),
                                      tool::Value('\0', "output", wishes.output),
                                      tool::Value('\0', "private", wishes.secret_folder),
                                      tool::Value('\0', "backup-folder", wishes.backup_folder),
                                      tool::Flag('\0', "download", wishes.download.is_wanted),
                                      tool::Value('\0', "url-base", wishes.download.url_base),
                                      tool::Value('\0', "cacert", wishes.download.authorities),
                                      tool::Flag('\0', "force", wishes.force)}}),
                       wishes.given),
                 [&](auto operands, auto& log) { return Run(wishes, operands, exit_code, log); });
  return failed != 0 ? failed : exit_code;
}

}  // namespace varstored::tools
