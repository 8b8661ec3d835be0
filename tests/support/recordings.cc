#include "support/recordings.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "varstored/base/file.h"

namespace varstored::test {

base::Bytes ReadRecording(const std::string& name) {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
  auto bytes = base::ReadFile(std::string(VARSTORED_RECORDED_BOOTS) + "/" + name, kMaxBytes);
  if (!bytes) {
    throw std::runtime_error(bytes.error().message);
  }
  return *std::move(bytes);
}

std::vector<std::string> RecordingsNamed(std::string_view suffix) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(VARSTORED_RECORDED_BOOTS)) {
    if (std::string name = entry.path().filename().string(); name.ends_with(suffix)) {
      names.push_back(std::move(name));
    }
  }
  if (names.empty()) {
    throw std::runtime_error("no recording is named *" + std::string(suffix));
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace varstored::test
