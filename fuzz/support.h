#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <span>
#include <string_view>

#include "varstored/base/bytes.h"
#include "varstored/base/log.h"
#include "varstored/base/reader.h"

/// What libFuzzer calls with each input, and two of its functions (the interface is C, and has no
/// header of its own).
extern "C" {
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
}

namespace varstored::fuzz {

/// What has to hold for every input; libFuzzer keeps the input for which it does not.
inline void Require(bool holds, std::string_view what) {
  if (!holds) {
    std::cerr << "broken: " << what << '\n';
    std::abort();
  }
}

/// The input as a sequence of choices: what is not there is 0.
class Input {
 public:
  explicit Input(base::ByteSpan bytes) : reader_(bytes) {}

  [[nodiscard]] bool empty() const { return reader_.empty(); }
  [[nodiscard]] std::uint8_t U8() {
    std::uint8_t value = 0;
    return reader_.ReadU8(value) ? value : std::uint8_t{0};
  }
  [[nodiscard]] std::uint16_t U16() {
    const std::uint8_t low = U8();
    return static_cast<std::uint16_t>(low | (U8() << 8U));
  }
  [[nodiscard]] std::uint32_t U32() {
    const std::uint16_t low = U16();
    return low | (std::uint32_t{U16()} << 16U);
  }
  /// As many of `size` bytes as there are.
  [[nodiscard]] base::ByteSpan Some(std::size_t size) {
    base::ByteSpan bytes;
    return reader_.ReadBytes(size, bytes) ? bytes : Rest();
  }
  /// A length in 16 bits, and as many bytes of that as there are.
  [[nodiscard]] base::ByteSpan Counted() { return Some(U16()); }
  [[nodiscard]] base::ByteSpan Rest() { return reader_.ReadRest(); }

 private:
  base::Reader reader_;
};

/// Lines go nowhere.
class Silence final : public base::Log {
 public:
  void Put(base::LogLevel /*level*/, std::string_view /*name*/,
           std::string_view /*text*/) override {}
};

}  // namespace varstored::fuzz
