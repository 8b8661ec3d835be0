#include "key_sources.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "varstored/base/held_file.h"

namespace varstored::tools {
namespace {

/// Microsoft's list of revocations in JSON, the largest of all, has a third of it.
constexpr std::size_t kMaxFileBytes = std::size_t{4} << 20;
constexpr std::size_t kMaxFiles = 1000;
/// All files of all folders: they are held in memory at once, and a helper process reads them.
constexpr std::size_t kMaxBytes = std::size_t{32} << 20;

/// `left`: how many bytes may still be read.
base::Result<void> ReadFolder(const std::string& path, std::size_t& left, KeySources& sources) {
  const auto folder = base::HeldFolder::Open(path);
  if (!folder) {
    return folder.failure();
  }
  auto names = folder->Names(kMaxFiles);
  if (!names) {
    return names.failure();
  }
  std::sort(names->begin(), names->end());
  for (const std::string& name : *names) {
    const auto file = base::HeldFile::OpenIn(*folder, name);
    if (!file || !file->exists()) {
      continue;  // a folder, a link, a device
    }
    auto bytes = file->Read(kMaxFileBytes);
    if (!bytes) {
      continue;
    }
    if (bytes->size() > left) {
      return base::Fail(path + ": the files of the folders are larger than " +
                        std::to_string(kMaxBytes) +
                        " bytes together: name the files themselves with --from");
    }
    left -= bytes->size();
    sources.files.push_back({std::string(path).append("/").append(name), *std::move(bytes)});
  }
  return {};
}

bool AddInput(keys::Ingredients& ingredients, const tool::Input& input) {
  if (keys::AddFile(ingredients, input.path, input.bytes)) {
    return true;
  }
  const auto source = tool::LookInto(input);
  return source && keys::AddVariables(ingredients, input.path, source->content.entries);
}

/// Of a folder's many files only flash images are looked into for variables.
void AddFileOfFolder(keys::Ingredients& ingredients, const KeySources::File& file, base::Log& log) {
  if (keys::AddFile(ingredients, file.path, file.bytes)) {
    return;
  }
  const auto format = tool::FormatOfContent(file.bytes);
  if (!format || !*format || !tool::IsFlash(**format)) {
    return;
  }
  if (*format == tool::Format::kQcow2) {
    log.Warning(file.path + ": a qcow2 image is not read in a folder: name it with --from");
    return;
  }
  tool::Input input;
  input.path = file.path;
  input.bytes = file.bytes;
  if (!AddInput(ingredients, input)) {
    log.Warning(file.path + ": a flash image with nothing of use in it");
  }
}

}  // namespace

base::Result<KeySources> ReadKeySources(const std::vector<std::string>& paths, base::Log& log) {
  KeySources sources;
  std::size_t left = kMaxBytes;
  for (const std::string& path : paths) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      if (auto read = ReadFolder(path, left, sources); !read) {
        return read.failure();
      }
      continue;
    }
    auto input = tool::ReadInput(path, std::nullopt, log);
    if (!input) {
      return input.failure();
    }
    if (!input->file || !input->file->exists()) {
      return base::Fail(path + ": there is no such file or folder");
    }
    sources.inputs.push_back(*std::move(input));
  }
  return sources;
}

keys::Ingredients IngredientsIn(const KeySources& sources, base::Log& log) {
  keys::Ingredients ingredients;
  for (const KeySources::File& file : sources.files) {
    AddFileOfFolder(ingredients, file, log);
  }
  for (const tool::Input& input : sources.inputs) {
    if (!AddInput(ingredients, input)) {
      log.Warning(input.path +
                  ": nothing of use in it: neither a certificate of Microsoft's nor revocations");
    }
  }
  return ingredients;
}

}  // namespace varstored::tools
