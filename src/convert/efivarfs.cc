#include "varstored/convert/efivarfs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "varstored/base/file.h"
#include "varstored/base/held_file.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/variable_name.h"
#include "varstored/store/vars_blob.h"

namespace varstored::convert {
namespace {

constexpr std::size_t kGuidCharacters = 36;
/// NAME_MAX of Linux: no file name is longer.
constexpr std::size_t kMaxFileNameBytes = 255;
constexpr std::size_t kAttributesBytes = 4;
/// More files than any store has variables.
constexpr std::size_t kMaxFiles = 4096;
/// And more bytes in them than any store has.
constexpr std::size_t kMaxFolderBytes = 4 * store::kMaxLoadedBytes;

/// The name of the entry's file, or nothing when there can be none that is read back as the same.
std::string FileNameOf(const store::Entry& entry) {
  const std::string name = efi::NameToUtf8(entry.name());
  const auto back = efi::NameFromUtf8(name);
  std::string file = name + "-" + efi::ToText(entry.vendor());
  const bool fits = back && back->bytes() == entry.name() && name.find('/') == std::string::npos &&
                    file.size() <= kMaxFileNameBytes;
  return fits ? file : "";
}

/// Gives what is called `from` the name `to` where nothing has it.
bool PutFolderInPlace(int folder, const std::string& from, const std::string& to) {
  if (::renameat2(folder, from.c_str(), folder, to.c_str(), RENAME_NOREPLACE) == 0) {
    return true;
  }
  // A file system that knows no RENAME_NOREPLACE, such as NFS: a folder takes the place of an empty
  // one at most, which is made here.
  if (errno != EINVAL || ::mkdirat(folder, to.c_str(), 0700) != 0) {
    return false;
  }
  if (::renameat(folder, from.c_str(), folder, to.c_str()) == 0) {
    return true;
  }
  const int reason = errno;
  ::unlinkat(folder, to.c_str(), AT_REMOVEDIR);
  errno = reason;
  return false;
}

base::Result<void> MakeFiles(const base::HeldFolder& folder,
                             const std::vector<VariableFile>& files) {
  for (const VariableFile& file : files) {
    if (auto made = folder.MakeFile(file.name, file.bytes, 0600); !made) {
      return made;
    }
  }
  return folder.Sync();
}

}  // namespace

std::vector<VariableFile> ToVariableFiles(const Content& content, Losses& lost) {
  std::vector<VariableFile> files;
  for (const store::Entry* entry : KeptEntries(content, lost)) {
    std::string name = FileNameOf(*entry);
    if (name.empty()) {
      lost.push_back(Describe(*entry) + ": no file can have this name");
      continue;
    }
    if (entry->timestamp() != efi::Time{}) {
      lost.push_back(Describe(*entry) +
                     ": its time, without which an older signed update can be played again");
    }
    base::Writer bytes(kAttributesBytes + entry->data().size());
    bytes.WriteU32(entry->raw_attributes());
    bytes.WriteBytes(entry->data());
    files.push_back({std::move(name), bytes.Take()});
  }
  return files;
}

base::Result<Content> FromVariableFiles(const std::vector<VariableFile>& files) {
  ContentBuilder builder;
  for (const VariableFile& file : files) {
    const std::string_view whole = file.name;
    const std::size_t end = whole.size() > kGuidCharacters ? whole.size() - kGuidCharacters - 1 : 0;
    const auto vendor = efi::ParseGuid(whole.substr(std::min(whole.size(), end + 1)));
    const auto name = efi::NameFromUtf8(whole.substr(0, end));
    if (!vendor || !name || whole[end] != '-') {
      builder.Lose("the file " + file.name + ": its name is not NAME-GUID");
      continue;
    }
    base::Reader reader(file.bytes);
    store::LegacyRecord record;
    if (!reader.ReadU32(record.attributes)) {
      builder.Lose("the file " + file.name + ": it has " + std::to_string(file.bytes.size()) +
                   " bytes, and a variable begins with 4 of attributes");
      continue;
    }
    record.name = name->bytes();
    record.vendor = *vendor;
    record.data = base::ToBytes(reader.ReadRest());
    builder.Add(std::move(record));
  }
  return builder.Take();
}

base::Result<VariableFolder> ReadVariableFolder(const std::string& path) {
  const auto folder = base::HeldFolder::Open(path);
  if (!folder) {
    return folder.failure();
  }
  const auto names = folder->Names(kMaxFiles);
  if (!names) {
    return names.failure();
  }
  std::vector<VariableFile> files;
  Losses lost;
  std::size_t total_bytes = 0;
  for (const std::string& name : *names) {
    struct stat status = {};
    if (::fstatat(folder->fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode)) {
      lost.push_back(name + " in the folder: it is no file");
      continue;
    }
    const auto file = base::HeldFile::OpenIn(*folder, name);
    auto bytes =
        file ? file->Read(store::kMaxBlobBytes) : base::Result<base::Bytes>(file.failure());
    if (!bytes) {
      return bytes.failure();
    }
    total_bytes += bytes->size();
    if (total_bytes > kMaxFolderBytes) {
      return base::Fail(path + ": more than " + std::to_string(kMaxFolderBytes) +
                        " bytes in the files of the folder");
    }
    files.push_back({name, *std::move(bytes)});
  }
  std::sort(files.begin(), files.end(),
            [](const auto& left, const auto& right) { return left.name < right.name; });
  return VariableFolder{std::move(files), std::move(lost)};
}

base::Result<void> WriteVariableFolder(const base::HeldFolder& folder, const std::string& name,
                                       const std::vector<VariableFile>& files) {
  const std::string beside = base::NameBeside(name);
  const auto made = folder.MakeFolder(beside, 0700);
  if (!made) {
    return made.failure();
  }
  auto done = MakeFiles(*made, files);
  if (done && !PutFolderInPlace(folder.fd(), beside, name)) {
    done = base::Fail(folder.path() + "/" + name + ": cannot put it there: " + base::ErrnoText());
  }
  if (!done) {
    for (const VariableFile& file : files) {
      ::unlinkat(made->fd(), file.name.c_str(), 0);
    }
    ::unlinkat(folder.fd(), beside.c_str(), AT_REMOVEDIR);
    return done;
  }
  return folder.Sync();
}

}  // namespace varstored::convert
