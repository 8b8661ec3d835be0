#include "download.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "varstored/base/file.h"
#include "varstored/base/held_file.h"
#include "varstored/base/hex.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/convert/scratch_folder.h"
#include "varstored/crypto/digest.h"
#include "varstored/health/known_certificates.h"
#include "varstored/sandbox/helper.h"
#include "varstored/sandbox/program.h"
#include "varstored/tool/progress.h"

namespace varstored::tools {
namespace {

constexpr std::size_t kMaxCertificateBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxAuthoritiesBytes = std::size_t{4} << 20;
constexpr std::string_view kMicrosoft = "https://go.microsoft.com";

/// Those that the sources lack. What they have may be anybody's, so a helper process looks.
base::Result<std::vector<health::KnownCertificate>> MissingIn(const KeySources& sources,
                                                              base::Log& log) {
  const auto answer = sandbox::InHelper(
      [&sources](base::Log& lines) -> base::Result<base::Bytes> {
        base::Writer writer;
        for (const auto& known : keys::Missing(IngredientsIn(sources, lines))) {
          writer.WriteBytes(known.certificate.digest);
        }
        return writer.Take();
      },
      log);
  if (!answer) {
    return answer.failure();
  }
  std::vector<health::KnownCertificate> missing;
  base::Reader reader(*answer);
  crypto::Sha256Digest digest{};
  while (reader.ReadArray(digest)) {
    if (const auto known = health::FindKnownCertificate(digest)) {
      missing.push_back(*known);
    }
  }
  return missing;
}

/// The bytes at `url`, whatever they are.
base::Result<base::Bytes> Fetch(const std::string& curl, const std::string& url,
                                const std::optional<base::Bytes>& authorities) {
  const auto folder = convert::ScratchFolder::Make();
  if (!folder) {
    return folder.failure();
  }
  // What the certificate's digest says counts, so it may come by http in the end.
  std::vector<std::string> arguments = {
      "--disable",    "--fail",     "--silent", "--show-error", "--location",
      "--max-redirs", "5",          "--proto",  "=https",       "--proto-redir",
      "=https,http",  "--max-time", "50",       "--output",     "out"};
  if (authorities) {
    const std::string path = folder->path() + "/authorities.pem";
    if (auto written = base::WriteFileInPlace(path, *authorities); !written) {
      return written.failure();
    }
    if (::chmod(path.c_str(), 0444) != 0) {
      return base::Fail(path + ": cannot change its mode: " + base::ErrnoText());
    }
    arguments.insert(arguments.end(), {"--cacert", "authorities.pem"});
  }
  arguments.insert(arguments.end(), {"--", url});
  if (auto done = sandbox::RunProgram({.path = curl,
                                       .arguments = std::move(arguments),
                                       .folder = folder->path(),
                                       .max_file_bytes = kMaxCertificateBytes,
                                       .uses_network = true});
      !done) {
    return base::Fail(url + ": " + done.error().message);
  }
  const auto out = base::HeldFile::Open(folder->path() + "/out");
  return out ? out->Read(kMaxCertificateBytes) : out.failure();
}

}  // namespace

base::Result<void> DownloadMissing(const DownloadOptions& options, KeySources& sources,
                                   base::Log& log) {
  const auto missing = MissingIn(sources, log);
  if (!missing) {
    return missing.failure();
  }
  const std::string curl = sandbox::FindProgram("curl");
  if (curl.empty()) {
    return base::Fail(
        "curl, which downloads, is not on PATH: install it, or name with --from what "
        "you have downloaded yourself");
  }
  std::optional<base::Bytes> authorities;
  if (!options.authorities.empty()) {
    auto read = base::ReadFile(options.authorities, kMaxAuthoritiesBytes);
    if (!read) {
      return read.failure();
    }
    authorities = *std::move(read);
  }
  tool::Progress progress(missing->size());
  std::size_t done = 0;
  for (const health::KnownCertificate& known : *missing) {
    progress.Show(done++, known.certificate.name);
    std::string url(known.url);
    if (!options.url_base.empty()) {
      url = options.url_base + url.substr(std::min(kMicrosoft.size(), url.size()));
    }
    auto bytes = Fetch(curl, url, authorities);
    if (!bytes) {
      return base::Fail(std::string(known.certificate.name) + ": " + bytes.error().message);
    }
    const auto digest = crypto::Sha256({*bytes});
    if (!digest || *digest != known.certificate.digest) {
      return base::Fail(std::string(known.certificate.name) + ": " + url +
                        ": this is something else: its SHA-256 is not " +
                        base::ToHex(known.certificate.digest) + ". Nothing was made");
    }
    sources.files.push_back({url, *std::move(bytes)});
  }
  return {};
}

}  // namespace varstored::tools
