#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "varstored/base/bytes.h"

namespace varstored::test {

/// For tests that read files which are not in the tree: signed updates as their vendors publish
/// them, and the like. The environment's VARSTORED_TEST_DATA names the folder. Without it these
/// tests are skipped; with REQUIRE_DATA=1 that is a failure.
class RealDataTest : public ::testing::Test {
 protected:
  void SetUp() override;

  /// The whole file; `path` is relative to the folder. Throws when it cannot be read.
  [[nodiscard]] base::Bytes Read(const std::string& path) const;

  /// The paths (relative to the folder, sorted) of the files in `subfolder` whose name begins with
  /// `prefix`. Throws when there is none.
  [[nodiscard]] std::vector<std::string> Find(const std::string& subfolder,
                                              std::string_view prefix) const;

 private:
  std::string folder_;
};

}  // namespace varstored::test
