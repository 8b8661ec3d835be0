#include "support/real_data.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "varstored/base/file.h"

namespace varstored::test {
namespace {

// Empty when the variable is not set.
std::string FromEnvironment(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in a test changes the environment meanwhile
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

void RealDataTest::SetUp() {
  folder_ = FromEnvironment("VARSTORED_TEST_DATA");
  if (!folder_.empty()) {
    return;
  }
  if (FromEnvironment("REQUIRE_DATA") == "1") {
    FAIL() << "VARSTORED_TEST_DATA is not set, but REQUIRE_DATA is";
  }
  GTEST_SKIP()
      << "needs secureboot_objects/ in the folder that VARSTORED_TEST_DATA names; how to get it: "
         "docs/testing.md, \"Data from outside\"";
}

base::Bytes RealDataTest::Read(const std::string& path) const {
  constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
  auto bytes = base::ReadFile(folder_ + "/" + path, kMaxBytes);
  if (!bytes) {
    throw std::runtime_error(bytes.error().message);
  }
  return *std::move(bytes);
}

std::vector<std::string> RealDataTest::Find(const std::string& subfolder,
                                            std::string_view prefix) const {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/" + subfolder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix)) {
      paths.push_back((std::filesystem::path(subfolder) / name).string());
    }
  }
  if (paths.empty()) {
    throw std::runtime_error("no file " + std::string(prefix) + "* in " + folder_ + "/" +
                             subfolder);
  }
  std::ranges::sort(paths);
  return paths;
}

}  // namespace varstored::test
