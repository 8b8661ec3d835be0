#include "backup.h"

#include <sys/stat.h>

#include <array>
#include <ctime>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "varstored/base/file.h"
#include "varstored/crypto/digest.h"
#include "varstored/tool/place.h"

namespace varstored::tools {
namespace {

constexpr std::string_view kSuffix = ".backup";
constexpr std::size_t kDigestBytes = 16;
constexpr std::size_t kTimeCharacters = 16;  // 20261120T100500Z
/// Backups of the same content in one second; a crash leaves a part of one.
constexpr int kMostOfOneSecond = 100;

base::Result<std::string> DigestOf(const base::Bytes& content) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto digest = crypto::Sha256({content});
  if (!digest) {
    return digest.failure();
  }
  std::string text;
  for (std::size_t i = 0; i < kDigestBytes; ++i) {
    text.push_back(kDigits[(*digest)[i] / kDigits.size()]);
    text.push_back(kDigits[(*digest)[i] % kDigits.size()]);
  }
  return text;
}

std::string TimeText(std::int64_t now) {
  const std::time_t seconds = now;
  std::tm parts = {};
  std::array<char, kTimeCharacters + 1> text{};
  if (::gmtime_r(&seconds, &parts) == nullptr ||
      std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &parts) != kTimeCharacters) {
    return std::string(kTimeCharacters, '0');
  }
  return text.data();
}

base::Result<void> MakeFolder(const std::string& folder) {
  std::error_code error;
  const auto parent = std::filesystem::path(folder).parent_path();
  if (!parent.empty()) {
    std::filesystem::create_directories(parent, error);
  }
  // The content of variables is nobody's business. What is there keeps its mode.
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return base::Fail(folder + ": cannot make the folder of backups: " + base::ErrnoText());
  }
  return {};
}

}  // namespace

base::Result<std::string> MakeBackup(const std::string& folder, const std::string& subject,
                                     const base::Bytes& content, std::int64_t now) {
  if (auto made = MakeFolder(folder); !made) {
    return made.failure();
  }
  const auto digest = DigestOf(content);
  if (!digest) {
    return digest.failure();
  }
  const std::string front = folder + "/" + subject + "." + TimeText(now) + ".";
  for (int i = 0; i < kMostOfOneSecond; ++i) {
    std::string path =
        front + (i == 0 ? "" : std::to_string(i) + ".") + *digest + std::string(kSuffix);
    const auto made = base::MakeFile(path, content);
    if (!made) {
      return made.failure();
    }
    if (*made) {
      return path;
    }
  }
  return base::Fail(front + "*: there are too many backups of this second");
}

base::Result<Backup> ReadBackup(const std::string& path, const std::string& subject) {
  auto content = base::ReadFile(path, tool::kMaxFileBytes);
  if (!content) {
    return content.failure();
  }
  const auto digest = DigestOf(*content);
  if (!digest) {
    return digest.failure();
  }
  Backup backup;
  backup.content = *std::move(content);
  const std::string name = std::filesystem::path(path).filename().string();
  const std::string end = "." + *digest + std::string(kSuffix);
  if (!name.starts_with(subject + ".")) {
    backup.reason = "its name says that it is no backup of " + subject;
  } else if (!name.ends_with(end) || name.size() <= subject.size() + end.size()) {
    backup.reason = "its content is not the one that its name says";
  } else {
    backup.is_of_subject = true;
  }
  return backup;
}

}  // namespace varstored::tools
