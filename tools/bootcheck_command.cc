#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands.h"
#include "kept_state.h"
#include "screen_here.h"
#include "varstore-bootcheck/page.h"
#include "varstored/base/file.h"
#include "varstored/base/held_file.h"
#include "varstored/base/reader.h"
#include "varstored/boot/disk.h"
#include "varstored/boot/fat.h"
#include "varstored/boot/loaders.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/signature_list.h"
#include "varstored/health/edit.h"
#include "varstored/sandbox/helper.h"
#include "varstored/signer/content.h"
#include "varstored/tool/command_line.h"

namespace varstored::tools {
namespace {

constexpr int kFoundExitCode = 2;
constexpr std::size_t kMaxUpdateBytes = std::size_t{1} << 20U;
/// Of all files that come from a folder.
constexpr std::size_t kMaxFolderBytes = std::size_t{2} * boot::kMaxImageBytes;
/// Two images at once, the caller's memory, and room.
constexpr std::uint64_t kHelperMemoryBytes = std::uint64_t{1} << 30U;

struct Wishes {
  tool::Rights rights;
  tool::PlaceOptions place;
  std::string esp;
  std::vector<std::string> after;  // [NAME:]FILE
  bool json = false;
};

/// An update that is asked about, into which nobody has looked.
struct Update {
  std::string variable;  // empty: what is in it says which
  std::string path;
  base::Bytes bytes;
};

/// Where boot loaders come from: an open disk, or files of a folder.
struct Esp {
  std::optional<base::HeldFile> disk;
  std::uint64_t disk_bytes = 0;
  /// By their paths as the firmware has them.
  std::map<std::string, base::Bytes, std::less<>> files;
};

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string Lowered(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
  return lower;
}

/// The variable that a file of this name is for, as Microsoft and toolstacks call such files:
/// DBXUpdate2024.bin, db.auth.
std::string VariableOfName(std::string_view path) {
  const std::string name = Lowered(path.substr(path.find_last_of('/') + 1));
  return name.starts_with("dbx")   ? "dbx"
         : name.starts_with("db")  ? "db"
         : name.starts_with("kek") ? "KEK"
                                   : "";
}

base::Result<std::vector<Update>> ReadUpdates(const std::vector<std::string>& words) {
  std::vector<Update> updates;
  for (const std::string& word : words) {
    Update update;
    const std::size_t colon = word.find(':');
    if (colon != std::string::npos && health::EditableKey(word.substr(0, colon))) {
      update.variable = word.substr(0, colon);
      update.path = word.substr(colon + 1);
    } else {
      update.path = word;
      update.variable = VariableOfName(word);
    }
    auto bytes = base::ReadFile(update.path, kMaxUpdateBytes);
    if (!bytes) {
      return bytes.failure();
    }
    update.bytes = *std::move(bytes);
    updates.push_back(std::move(update));
  }
  return updates;
}

base::Result<void> OpenDisk(const std::string& path, Esp& esp) {
  auto file = base::HeldFile::OpenToRead(path);
  if (!file) {
    return file.failure();
  }
  if (!file->exists()) {
    return base::Fail(path + ": there is no such file");
  }
  // Of a block device too.
  const off_t size = ::lseek(file->fd(), 0, SEEK_END);
  if (size < 0) {
    return base::Fail(path + ": cannot tell its size: " + base::ErrnoText());
  }
  esp.disk_bytes = static_cast<std::uint64_t>(size);
  esp.disk = *std::move(file);
  return {};
}

/// The file of this path of the guest's below `folder`, whose names are compared as FAT does;
/// nothing when it is not there.
base::Result<std::optional<base::Bytes>> ReadBelow(const std::string& folder,
                                                   std::string_view path) {
  constexpr std::size_t kMaxNames = 4096;
  auto held = base::HeldFolder::Open(folder);
  while (held) {
    while (path.starts_with('\\') || path.starts_with('/')) {
      path.remove_prefix(1);
    }
    const std::size_t end = std::min(path.find_first_of("\\/"), path.size());
    const std::string wanted = Lowered(path.substr(0, end));
    path.remove_prefix(end);
    const auto names = held->Names(kMaxNames);
    if (!names) {
      return names.failure();
    }
    // "." and ".." are not among them, and no link is followed: no path leads out of the folder.
    const auto found = std::find_if(names->begin(), names->end(), [&](const std::string& name) {
      return Lowered(name) == wanted;
    });
    if (found == names->end()) {
      return std::optional<base::Bytes>();
    }
    if (path.empty()) {
      const auto file = base::HeldFile::OpenIn(*held, *found);
      if (!file) {
        return std::optional<base::Bytes>();
      }
      auto bytes = file->Read(boot::kMaxImageBytes);
      return bytes ? base::Result<std::optional<base::Bytes>>(*std::move(bytes)) : bytes.failure();
    }
    held = held->OpenFolder(*found);
  }
  return std::optional<base::Bytes>();
}

/// Reads the files that the guest's variables lead to; which these are, a helper process says.
base::Result<void> ReadFolder(const Wishes& wishes, const Subject& subject, Esp& esp,
                              base::Log& log) {
  const auto wanted = sandbox::TextInHelper(
      [&](base::Log& /*lines*/) -> base::Result<std::string> {
        const auto state = ReadableStateOf(subject);
        if (!state) {
          return state.failure();
        }
        std::string text;
        for (const std::string& file : boot::WantedFiles(*state)) {
          text += file + '\0';
        }
        return text;
      },
      log);
  if (!wanted) {
    return wanted.failure();
  }
  std::size_t total = 0;
  for (std::string_view rest = *wanted; !rest.empty();) {
    const std::string_view path = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(rest.size(), path.size() + 1));
    auto bytes = ReadBelow(wishes.esp, path);
    if (!bytes) {
      return bytes.failure();
    }
    if (*bytes) {
      total += (*bytes)->size();
      if (total > kMaxFolderBytes) {
        return base::Fail(wishes.esp + ": its boot loaders have more than " +
                          std::to_string(kMaxFolderBytes) + " bytes");
      }
      esp.files.emplace(path, **std::move(bytes));
    }
  }
  return {};
}

// From here on it is for the helper process.

/// The entries of an update, and the variable that they are for.
struct Entries {
  std::string variable;
  base::Bytes lists;
};

base::Result<Entries> EntriesOf(const Update& update) {
  const auto given = signer::ParseGiven(update.bytes);
  if (!given) {
    return base::Fail(update.path + ": " + given.error().message);
  }
  Entries entries;
  entries.variable = update.variable;
  if (given->update) {
    const auto descriptor = efi::ParseAuthenticationDescriptor(*given->update);
    if (!descriptor) {
      return base::Fail(update.path + ": a signed update whose descriptor cannot be read");
    }
    entries.lists = base::ToBytes(descriptor->payload);
  } else {
    const bool is_of_hashes = given->content->form == signer::ContentForm::kHashes ||
                              given->content->form == signer::ContentForm::kRevocationList;
    if (entries.variable.empty()) {
      entries.variable = is_of_hashes ? "dbx" : "db";
    }
    entries.lists = signer::EncodeContent(*given->content, signer::UsualOwner(entries.variable));
  }
  if (entries.variable.empty()) {
    return base::Fail(update.path + ": its name does not say which variable it updates; write db:" +
                      update.path + ", dbx: or KEK:");
  }
  return entries;
}

base::Result<health::State> Updated(health::State state, const std::vector<Update>& updates) {
  for (const Update& update : updates) {
    const auto entries = EntriesOf(update);
    if (!entries) {
      return entries.failure();
    }
    const auto variable = health::EditableKey(entries->variable);
    auto edited = variable ? health::EditKey(std::move(state), {*variable, {}, entries->lists})
                           : base::Result<health::State>(variable.failure());
    if (!edited) {
      return base::Fail(update.path + ": " + edited.error().message);
    }
    state = *std::move(edited);
  }
  return state;
}

bool ReadDescriptor(std::uint64_t offset, std::span<std::uint8_t> into) {
  while (!into.empty()) {
    const ssize_t count =
        ::pread(sandbox::Helper::kFirstFile, into.data(), into.size(), static_cast<off_t>(offset));
    if (count <= 0) {
      if (count < 0 && errno == EINTR) {
        continue;
      }
      return false;
    }
    into = into.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return true;
}

/// A partition, and the file system in it or why there is none.
struct Volume {
  std::optional<efi::Guid> guid;
  base::Result<boot::FatVolume> files;
};

base::Result<boot::ReadEspFile> OpenEsp(const Esp& esp) {
  if (!esp.disk) {
    return boot::ReadEspFile(
        [&esp](std::string_view path,
               const std::optional<efi::Guid>&) -> base::Result<std::optional<base::Bytes>> {
          const auto found = esp.files.find(path);
          return found == esp.files.end() ? std::optional<base::Bytes>() : found->second;
        });
  }
  auto disk = boot::OpenImage({esp.disk_bytes, ReadDescriptor});
  if (!disk) {
    return disk.failure();
  }
  const auto partitions = boot::FindEsps(*disk);
  if (!partitions) {
    return partitions.failure();
  }
  std::vector<Volume> volumes;
  for (const boot::Partition& partition : *partitions) {
    volumes.push_back({partition.guid, boot::FatVolume::Open(partition.disk)});
  }
  if (std::none_of(volumes.begin(), volumes.end(),
                   [](const Volume& volume) { return volume.files.ok(); })) {
    return volumes.front().files.failure();
  }
  return boot::ReadEspFile(
      [volumes = std::move(volumes)](
          std::string_view path,
          const std::optional<efi::Guid>& guid) -> base::Result<std::optional<base::Bytes>> {
        for (const Volume& volume : volumes) {
          const bool is_meant = !guid || !volume.guid || *guid == *volume.guid;
          if (is_meant && volume.files) {
            auto file = volume.files->ReadFile(path, boot::kMaxImageBytes);
            if (!file || *file) {
              return file;
            }
          }
        }
        return std::optional<base::Bytes>();
      });
}

std::string NamesOf(const std::vector<Update>& updates) {
  std::string names;
  for (const Update& update : updates) {
    names += (names.empty() ? "" : ", ") + update.path.substr(update.path.find_last_of('/') + 1);
  }
  return names;
}

/// What is shown; in front of it a character that says whether there are findings.
base::Result<std::string> Show(const Wishes& wishes, const Subject& subject, const Esp& esp,
                               const std::vector<Update>& updates,
                               const health::ScreenOptions& screen) {
  const auto state = ReadableStateOf(subject);
  if (!state) {
    return state.failure();
  }
  const auto after =
      updates.empty() ? base::Result<health::State>(health::State()) : Updated(*state, updates);
  if (!after) {
    return after.failure();
  }
  const auto read = OpenEsp(esp);
  if (!read) {
    return base::Fail(wishes.esp + ": " + read.error().message);
  }
  const boot::BootReport report = boot::LookAt(*state, updates.empty() ? nullptr : &*after,
                                               NamesOf(updates), subject.context, *read);
  return (report.findings.empty() && report.findings_after.empty() ? " " : "!") +
         (wishes.json ? boot::RenderJson(report) : boot::RenderScreen(report, screen));
}

// And up to here.

base::Result<std::string> Run(Wishes& wishes, std::vector<std::string> operands, int& exit_code,
                              base::Log& log) {
  if (auto taken = tool::TakePlace(wishes.place, operands, 0); !taken) {
    return taken.failure();
  }
  if (wishes.esp.empty()) {
    return tool::Misuse("--esp is missing: the disk, its image, or a folder with the ESP's files");
  }
  const auto updates = ReadUpdates(wishes.after);
  if (!updates) {
    return updates.failure();
  }
  if (auto dropped = tool::DropRights(wishes.rights, log); !dropped) {
    return dropped.failure();
  }
  wishes.place.only_looks = true;
  const auto opened = OpenKept(wishes.place, log);
  if (!opened) {
    return opened.failure();
  }
  const Subject subject = opened->subject();
  Esp esp;
  struct stat status = {};
  const bool is_folder = ::stat(wishes.esp.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  if (auto got = is_folder ? ReadFolder(wishes, subject, esp, log) : OpenDisk(wishes.esp, esp);
      !got) {
    return got.failure();
  }
  const health::ScreenOptions screen = ScreenOptionsHere();
  sandbox::Helper::Options options = {.memory_bytes = kHelperMemoryBytes};
  if (esp.disk) {
    options.keeps = sandbox::HelperKeeps::kFiles;
    options.files = {esp.disk->fd()};
  }
  const auto answer = sandbox::InHelper(
      [&](base::Log& /*lines*/) -> base::Result<base::Bytes> {
        const auto shown = Show(wishes, subject, esp, *updates, screen);
        return shown ? base::Result<base::Bytes>(base::ToBytes(*shown)) : shown.failure();
      },
      log, options);
  if (!answer) {
    return answer.failure();
  }
  exit_code = !answer->empty() && answer->front() == '!' ? kFoundExitCode : 0;
  return base::ToString(*answer).substr(std::min<std::size_t>(answer->size(), 1));
}

}  // namespace

int BootCheckMain(int argc, char** argv) {
  Wishes wishes;
  int exit_code = 0;
  const int failed = tool::Main(
      {"varstore bootcheck", page::kHelp}, argc, argv,
      tool::Joined({tool::OptionsOf(wishes.rights),
                    tool::OptionsOf(wishes.place),
                    {tool::Value('\0', "esp", wishes.esp),
                     tool::Flag('\0', "json", wishes.json),
                     {'\0', "after", true,
                      [&wishes](std::string_view value) -> base::Result<void> {
                        wishes.after.emplace_back(value);
                        return {};
                      }}}}),
      [&](auto operands, auto& log) { return Run(wishes, std::move(operands), exit_code, log); });
  return failed != 0 ? failed : exit_code;
}

}  // namespace varstored::tools
