#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "arguments.h"
#include "domains.h"
#include "launch.h"
#include "page.h"
#include "varstored/base/file.h"
#include "varstored/base/unique_fd.h"
#include "varstored/version.h"

namespace {

using namespace varstored;

int Complain(const std::string& what, int status) {
  std::cerr << page::kName << ": " << what << '\n';
  return status;
}

/// What the daemon says until it is ready is shown here; later on there is only syslog, so that no
/// terminal and no pipe stays open for it.
class FirstWords {
 public:
  [[nodiscard]] bool Open() {
    std::array<int, 2> ends = {-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
      return false;
    }
    from_.Reset(ends[0]);
    to_.Reset(ends[1]);
    return true;
  }
  [[nodiscard]] int to() const { return to_.get(); }
  void Show() const {
    std::array<char, 4096> bytes{};
    for (ssize_t got = 0; (got = ::read(from_.get(), bytes.data(), bytes.size())) > 0;) {
      std::cerr.write(bytes.data(), got);
    }
  }

 private:
  base::UniqueFd from_;
  base::UniqueFd to_;
};

int Run(std::span<const std::string> arguments) {
  const auto line = xl::ParseAttachLine(arguments);
  if (!line) {
    return Complain(line.error().message + "; --help shows how it is used", 2);
  }
  if (line->help || line->version) {
    std::cout << (line->help ? std::string(page::kHelp)
                             : std::string(page::kName) + " " + std::string(kVersion) + "\n");
    return 0;
  }
  const auto domains = xl::Domains::Open();
  if (!domains) {
    return Complain(domains.error().message, 1);
  }
  const auto domain = domains->Find(line->domain);
  if (!domain) {
    return Complain(domain.error().message, 1);
  }
  FirstWords first_words;
  if (!first_words.Open()) {
    return Complain("cannot make a pipe: " + base::ErrnoText(), 1);
  }
  const auto daemon =
      xl::Daemon::Start(*domains, line->settings,
                        {.domain = *domain, .resumes = line->resume, .log = first_words.to()});
  first_words.Show();
  if (!daemon) {
    return Complain("domain " + std::to_string(*domain) + ": " + daemon.error().message, 1);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::span<char*> words(argv, static_cast<std::size_t>(argc));
    const std::vector<std::string> arguments(words.begin() + (words.empty() ? 0 : 1), words.end());
    return Run(arguments);
  } catch (const std::exception& failure) {
    return Complain(failure.what(), 1);
  }
}
