#include "varstored/convert/efivarfs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "varstored/base/file.h"
#include "varstored/base/reader.h"
#include "varstored/base/unique_fd.h"
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

/// A folder is on the disk only when it has been synced itself.
base::Result<void> SyncFolder(const std::string& path) {
  const base::UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid() || ::fsync(folder.get()) != 0) {
    return base::Fail(path + ": cannot sync: " + base::ErrnoText());
  }
  return {};
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
    if (!reader.ReadU32(record.attributes) || reader.empty()) {
      return base::Fail(file.name + ": " + std::to_string(file.bytes.size()) +
                        " bytes, which is not 4 of attributes and data");
    }
    record.name = name->bytes();
    record.vendor = *vendor;
    record.data = base::ToBytes(reader.ReadRest());
    builder.Add(std::move(record));
  }
  return builder.Take();
}

base::Result<VariableFolder> ReadVariableFolder(const std::string& path) {
  std::error_code error;
  std::vector<VariableFile> files;
  Losses lost;
  std::size_t total_bytes = 0;
  std::filesystem::directory_iterator folder(path, error);
  for (; !error && folder != std::filesystem::directory_iterator(); folder.increment(error)) {
    std::string name = folder->path().filename().string();
    std::error_code ignored;
    if (folder->symlink_status(ignored).type() != std::filesystem::file_type::regular) {
      lost.push_back(name + " in the folder: it is no file");
      continue;
    }
    auto bytes =
        base::ReadFile(folder->path().string(), store::kMaxBlobBytes, base::Links::kRefuse);
    if (!bytes) {
      return bytes.failure();
    }
    total_bytes += bytes->size();
    if (files.size() == kMaxFiles || total_bytes > kMaxFolderBytes) {
      return base::Fail(path + ": more than " + std::to_string(kMaxFiles) + " files or " +
                        std::to_string(kMaxFolderBytes) + " bytes in them");
    }
    files.push_back({std::move(name), *std::move(bytes)});
  }
  if (error) {
    return base::Fail(path + ": cannot read the folder: " + error.message());
  }
  std::sort(files.begin(), files.end(),
            [](const auto& left, const auto& right) { return left.name < right.name; });
  return VariableFolder{std::move(files), std::move(lost)};
}

base::Result<void> WriteVariableFolder(const std::string& path,
                                       const std::vector<VariableFile>& files) {
  if (::mkdir(path.c_str(), 0700) != 0) {
    return base::Fail(path + ": cannot make the folder: " + base::ErrnoText());
  }
  for (const VariableFile& file : files) {
    if (auto done = base::WriteFileInPlace(path + "/" + file.name, file.bytes); !done) {
      return done;
    }
  }
  return SyncFolder(path);
}

}  // namespace varstored::convert
