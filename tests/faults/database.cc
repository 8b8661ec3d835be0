#include "faults/database.h"

#include <array>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "support/loopback_client.h"
#include "varstored/backend/sqlite.h"
#include "varstored/base/file.h"

namespace varstored::test {
namespace {

constexpr std::array kSuffixes = {"", "-wal"};

class Silence final : public base::Log {
 public:
  void Put(base::LogLevel /*level*/, std::string_view /*name*/,
           std::string_view /*text*/) override {}
};

}  // namespace

DatabaseFiles::DatabaseFiles(const std::string& path) {
  for (const char* suffix : kSuffixes) {
    const auto content = base::ReadFileIfThere(path + suffix, backend::kMaxDatabaseBytes);
    if (!content) {
      throw std::runtime_error(content.error().message);
    }
    if (*content) {
      by_suffix_[suffix] = **content;
    }
  }
}

void DatabaseFiles::Put(const std::string& path) const {
  for (const char* suffix : kSuffixes) {
    std::filesystem::remove(path + suffix);
  }
  for (const auto& [suffix, content] : by_suffix_) {
    if (auto written = base::WriteFileInPlace(path + suffix, content); !written) {
      throw std::runtime_error(written.error().message);
    }
  }
}

std::optional<std::vector<store::Entry>> Kept(const std::string& path) {
  const TemporaryFolder folder(FastParent());
  const std::string copy = folder.File("copy.db");
  const DatabaseFiles files(path);
  files.Put(copy);
  if (!std::filesystem::exists(copy)) {
    return std::nullopt;
  }
  Silence log;
  const auto opened = backend::SqliteBackend::Open(copy, log);
  if (!opened) {
    throw std::runtime_error(opened.error().message);
  }
  auto loaded = (*opened)->Load();
  if (!loaded) {
    throw std::runtime_error(loaded.error().message);
  }
  return *std::move(loaded);
}

std::string StatusWordOf(std::uint64_t status) {
  constexpr std::array<std::pair<std::uint64_t, const char*>, 10> kWords = {{
      {kEfiSuccess, "SUCCESS"},
      {kEfiInvalidParameter, "INVALID_PARAMETER"},
      {kEfiUnsupported, "UNSUPPORTED"},
      {kEfiBufferTooSmall, "BUFFER_TOO_SMALL"},
      {kEfiDeviceError, "DEVICE_ERROR"},
      {kEfiWriteProtected, "WRITE_PROTECTED"},
      {kEfiOutOfResources, "OUT_OF_RESOURCES"},
      {kEfiNotFound, "NOT_FOUND"},
      {kEfiAccessDenied, "ACCESS_DENIED"},
      {kEfiSecurityViolation, "SECURITY_VIOLATION"},
  }};
  for (const auto& [value, word] : kWords) {
    if (value == status) {
      return word;
    }
  }
  return std::to_string(status);
}

}  // namespace varstored::test
