#include "varstored/base/standard_input.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string>

#include "varstored/base/file.h"

namespace varstored::base {

Result<Bytes> ReadStandardInput(std::size_t max_bytes) {
  Bytes bytes;
  std::array<std::uint8_t, 65536> chunk{};
  while (bytes.size() <= max_bytes) {
    const ssize_t count =
        ::read(STDIN_FILENO, chunk.data(), std::min(chunk.size(), max_bytes + 1 - bytes.size()));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return Fail(std::string(kStandardInputName) + ": cannot read: " + ErrnoText());
    }
    if (count == 0) {
      break;
    }
    bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + count);
  }
  return bytes;
}

}  // namespace varstored::base
