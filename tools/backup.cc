#include "backup.h"

#include <array>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "varstored/base/file.h"
#include "varstored/base/hex.h"
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
  const auto digest = crypto::Sha256({content});
  return digest
             ? base::Result<std::string>(base::ToHex(base::ByteSpan(*digest).first(kDigestBytes)))
             : digest.failure();
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

base::Result<std::string> MakeBackup(const base::HeldFolder& folder, const std::string& subject,
                                     const base::Bytes& content, std::int64_t now) {
  const auto digest = DigestOf(content);
  if (!digest) {
    return digest.failure();
  }
  const std::string front = subject + "." + TimeText(now) + ".";
  for (int i = 0; i < kMostOfOneSecond; ++i) {
    auto file = base::HeldFile::OpenIn(
        folder, front + (i == 0 ? "" : std::to_string(i) + ".") + *digest + std::string(kSuffix));
    if (!file) {
      return file.failure();
    }
    if (file->exists()) {
      continue;
    }
    // The content of variables is nobody's business.
    const auto made = file->Make(content, 0600);
    return made ? base::Result<std::string>(file->path()) : made.failure();
  }
  return base::Fail(folder.path() + "/" + front + "*: there are too many backups of this second");
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
