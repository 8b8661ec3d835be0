#pragma once

#include <cstdint>
#include <vector>

#include "firmware/wire.h"
#include "varstored/base/bytes.h"
#include "varstored/guest/shared_pages.h"

namespace varstored::test {

/// Shared pages as the driver has them: not a byte more, so that a sanitizer sees every one
/// outside.
class WirePages {
 public:
  explicit WirePages(std::uint8_t fill = 0) : words_(WIRE_BYTES / 8, fill * 0x0101010101010101U) {}

  [[nodiscard]] std::uint8_t* data() {
    return static_cast<std::uint8_t*>(static_cast<void*>(words_.data()));
  }
  [[nodiscard]] base::ByteSpan bytes() { return {data(), WIRE_BYTES}; }
  [[nodiscard]] guest::MappedPages mapped() { return guest::MappedPages(words_.data()); }
  /// Puts `answer` at the start, as the host does.
  void Answer(base::ByteSpan answer) {
    auto pages = mapped();
    guest::CopyIn(answer, pages);
  }

 private:
  std::vector<std::uint64_t> words_;
};
static_assert(WIRE_BYTES == guest::kSharedBytes);

}  // namespace varstored::test
