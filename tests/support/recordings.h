#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"

namespace varstored::test {

/// A file of the recorded boots (tests/recordings/README.md). Throws when there is none of that
/// name.
[[nodiscard]] base::Bytes ReadRecording(const std::string& name);

/// The names of the recordings that end in `suffix`, sorted. Throws when there is none.
[[nodiscard]] std::vector<std::string> RecordingsNamed(std::string_view suffix);

}  // namespace varstored::test
