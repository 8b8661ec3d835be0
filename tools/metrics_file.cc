#include "metrics_file.h"

#include <sys/stat.h>

#include <utility>

#include "varstored/base/bytes.h"

namespace varstored::tools {

base::Result<MetricsFile> MetricsFile::Open(const std::string& path) {
  if (path == "-") {
    return MetricsFile(std::nullopt);
  }
  auto file = base::HeldFile::Open(path);
  if (!file) {
    return file.failure();
  }
  if (auto may = file->CheckMayWrite(); !may) {
    return may.failure();
  }
  return MetricsFile(*std::move(file));
}

base::Result<std::string> MetricsFile::Write(std::string text) {
  if (!file_) {
    return text;
  }
  constexpr mode_t kMode = 0644;
  const base::Bytes bytes = base::ToBytes(text);
  const mode_t before = ::umask(0);
  auto written = file_->exists() ? file_->Replace(bytes) : file_->Make(bytes, kMode);
  ::umask(before);
  return written ? base::Result<std::string>(std::string()) : written.failure();
}

}  // namespace varstored::tools
