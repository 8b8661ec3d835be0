#include "backup.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string_view>
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
    return "00000000T000000Z";
  }
  return text.data();
}

/// Makes `folder`, and the folders that it stands in, where they are missing. What is there keeps
/// its mode.
base::Result<void> MakeFolder(const std::filesystem::path& folder, mode_t mode) {
  if (!folder.has_filename() && folder.has_relative_path()) {  // it ends in a slash
    return MakeFolder(folder.parent_path(), mode);
  }
  int made = ::mkdir(folder.c_str(), mode);
  if (made != 0 && errno == ENOENT && folder.has_parent_path()) {
    if (auto parent = MakeFolder(folder.parent_path(), 0777); !parent) {
      return parent;
    }
    made = ::mkdir(folder.c_str(), mode);
  }
  if (made == 0) {
    return base::SyncFolderOf(folder);
  }
  if (errno != EEXIST) {
    return base::Fail(folder.string() +
                      ": cannot make the folder of backups: " + base::ErrnoText());
  }
  return {};
}

bool HasDigits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Such as 20261120T100500Z.
bool IsTime(std::string_view text) {
  return text.size() == kTimeCharacters && HasDigits(text.substr(0, 8)) && text[8] == 'T' &&
         HasDigits(text.substr(9, 6)) && text[15] == 'Z';
}

/// The digest in the name of a backup of `subject`; nothing when the name is none of those. A
/// subject may be the front of another one, and its name may hold dots.
std::optional<std::string_view> DigestIn(std::string_view name, std::string_view subject) {
  constexpr std::size_t kDigits = 2 * kDigestBytes;
  constexpr std::size_t kFewest = 1 + kTimeCharacters + 1 + kDigits + kSuffix.size();
  if (!name.starts_with(subject) || !name.ends_with(kSuffix) ||
      name.size() < subject.size() + kFewest) {
    return std::nullopt;
  }
  name.remove_prefix(subject.size());
  name.remove_suffix(kSuffix.size());
  const std::string_view digest = name.substr(name.size() - kDigits);
  const std::string_view number =
      name.substr(1 + kTimeCharacters, name.size() - kDigits - 1 - kTimeCharacters);
  const bool has_number_or_none =
      number == "." || (number.size() > 2 && number.front() == '.' && number.back() == '.' &&
                        HasDigits(number.substr(1, number.size() - 2)));
  const bool is_digest = digest.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  return name.front() == '.' && IsTime(name.substr(1, kTimeCharacters)) && has_number_or_none &&
                 is_digest
             ? std::optional(digest)
             : std::nullopt;
}

}  // namespace

base::Result<std::string> MakeBackup(const std::string& folder, const std::string& subject,
                                     const base::Bytes& content, std::int64_t now) {
  // The content of variables is nobody's business.
  if (auto made = MakeFolder(folder, 0700); !made) {
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
  const auto wanted = DigestIn(name, subject);
  if (!wanted) {
    backup.reason = "its name says that it is no backup of " + subject;
  } else if (*wanted != *digest) {
    backup.reason = "its content is not the one that its name says";
  } else {
    backup.is_of_subject = true;
  }
  return backup;
}

}  // namespace varstored::tools
