#include "esp.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>
#include <vector>

#include "varstored/base/ascii.h"
#include "varstored/base/file.h"
#include "varstored/boot/disk.h"
#include "varstored/boot/fat.h"
#include "varstored/boot/image.h"
#include "varstored/sandbox/helper.h"

namespace varstored::tools {
namespace {

/// Of all files that come from a folder.
constexpr std::size_t kMaxFolderBytes = std::size_t{2} * boot::kMaxImageBytes;
/// Two images at once, the caller's memory, and room.
constexpr std::uint64_t kHelperMemoryBytes = std::uint64_t{1} << 30U;

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
    const std::string wanted = base::LowerAscii(path.substr(0, end));
    path.remove_prefix(end);
    const auto names = held->Names(kMaxNames);
    if (!names) {
      return names.failure();
    }
    // "." and ".." are not among them, and no link is followed: no path leads out of the folder.
    const auto found = std::find_if(names->begin(), names->end(), [&](const std::string& name) {
      return base::LowerAscii(name) == wanted;
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

// For the helper process:

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

}  // namespace

base::Result<Esp> Esp::Open(const std::string& path, const ReadState& read_state, base::Log& log) {
  Esp esp(path);
  struct stat status = {};
  const bool is_folder = ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  if (auto got = is_folder ? esp.ReadFolder(read_state, log) : esp.OpenDisk(); !got) {
    return got.failure();
  }
  return esp;
}

base::Result<void> Esp::OpenDisk() {
  auto file = base::HeldFile::OpenToRead(path_);
  if (!file) {
    return file.failure();
  }
  if (!file->exists()) {
    return base::Fail(path_ + ": there is no such file");
  }
  // Of a block device too.
  const off_t size = ::lseek(file->fd(), 0, SEEK_END);
  if (size < 0) {
    return base::Fail(path_ + ": cannot tell its size: " + base::ErrnoText());
  }
  disk_bytes_ = static_cast<std::uint64_t>(size);
  disk_ = *std::move(file);
  return {};
}

base::Result<void> Esp::ReadFolder(const ReadState& read_state, base::Log& log) {
  const auto wanted = sandbox::TextInHelper(
      [&](base::Log& /*lines*/) -> base::Result<std::string> {
        const auto state = read_state();
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
    auto bytes = ReadBelow(path_, path);
    if (!bytes) {
      return bytes.failure();
    }
    if (*bytes) {
      total += (*bytes)->size();
      if (total > kMaxFolderBytes) {
        return base::Fail(path_ + ": its boot loaders have more than " +
                          std::to_string(kMaxFolderBytes) + " bytes");
      }
      files_.emplace(path, **std::move(bytes));
    }
  }
  return {};
}

base::Result<std::string> Esp::TextInHelper(const std::function<base::Result<std::string>()>& work,
                                            base::Log& log) const {
  sandbox::Helper::Options options = {.memory_bytes = kHelperMemoryBytes};
  if (disk_) {
    options.keeps = sandbox::HelperKeeps::kFiles;
    options.files = {disk_->fd()};
  }
  const auto answer = sandbox::InHelper(
      [&work](base::Log& /*lines*/) -> base::Result<base::Bytes> {
        const auto text = work();
        return text ? base::Result<base::Bytes>(base::ToBytes(*text)) : text.failure();
      },
      log, options);
  return answer ? base::Result<std::string>(base::ToString(*answer)) : answer.failure();
}

base::Result<boot::ReadEspFile> Esp::Reader() const {
  if (disk_) {
    auto reader = DiskReader();
    return reader ? std::move(reader) : base::Fail(path_ + ": " + reader.error().message);
  }
  return boot::ReadEspFile(
      [this](std::string_view path,
             const std::optional<efi::Guid>&) -> base::Result<std::optional<base::Bytes>> {
        const auto found = files_.find(path);
        return found == files_.end() ? std::optional<base::Bytes>() : found->second;
      });
}

base::Result<boot::ReadEspFile> Esp::DiskReader() const {
  auto disk = boot::OpenImage({disk_bytes_, ReadDescriptor});
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

}  // namespace varstored::tools
